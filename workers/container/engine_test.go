package container

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/container/containertest"
	"github.com/batchmill/batchmill/workers/hostlog"
)

// TestHardened asks the engine, and the server inside, whether a container has
// as little as is promised.
func TestHardened(t *testing.T) {
	c := containertest.Find(t)
	image := c.TestHost(t)
	model := t.TempDir()
	if err := os.WriteFile(filepath.Join(model, "weights"), []byte("42"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SECRET_OF_MINE", "do not pass this on")
	k := keepAll(t, Options{Image: image, Replicas: 2, Model: model, Memory: 256 << 20, CPUs: 0.5, Pids: 99,
		Env: append(Contract{}.Env(), "A=1", "A=b=c")}) // the last of a name wins
	k.allReady()
	for i, h := range k.Hosts() {
		got, err := c.ContainerInspect(t.Context(), h.container(), client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		host := got.Container.HostConfig
		if !host.ReadonlyRootfs || len(host.CapDrop) != 1 || host.CapDrop[0] != "ALL" || len(host.CapAdd) > 0 || host.Privileged ||
			len(host.SecurityOpt) != 1 || host.SecurityOpt[0] != "no-new-privileges" || host.Memory != 256<<20 || host.NanoCPUs != 5e8 ||
			*host.PidsLimit != 99 || !*host.Init || host.RestartPolicy.Name != "no" && host.RestartPolicy.Name != "" || host.AutoRemove || len(host.Binds) > 0 || len(host.Mounts) != 1 {
			t.Errorf("host configuration: %+v", host)
		}
		for _, m := range got.Container.Mounts {
			if m.RW || m.Destination != modelTarget {
				t.Errorf("mount %+v", m)
			}
		}
		if n := got.Container.NetworkSettings; len(host.PortBindings) > 0 || len(n.Networks) != 1 || n.Networks[k.networkName()] == nil {
			t.Errorf("published: %+v, networks: %+v", host.PortBindings, n.Networks)
		}
		if got.Container.Image != k.image.digest || got.Container.Config.Labels[labelHost] != strconv.Itoa(i+1) {
			t.Errorf("image %s, labels %v", got.Container.Image, got.Container.Config.Labels)
		}
		p := probe(t, h, "")
		if p.WriteRoot == "written" || p.WriteModel == "written" || p.WriteTmp != "written" || p.WriteRun != "written" || p.Model != "42" {
			t.Errorf("inside: %+v", p)
		}
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			if strings.Trim(p.Status[set], "0") != "" {
				t.Errorf("%s is %s", set, p.Status[set])
			}
		}
		if p.Status["NoNewPrivs"] != "1" || p.Status["Seccomp"] != "2" || p.PID == 1 {
			t.Errorf("inside: %+v", p)
		}
		if strings.Join(p.Args, " ") != "serve" {
			t.Errorf("arguments: %q", p.Args)
		}
		env := strings.Join(p.Env, "\n")
		if strings.Contains(env, "SECRET_OF_MINE") || strings.Contains(env, "A=1") || !strings.Contains(env, "A=b=c") || !strings.Contains(env, "SAGEMAKER_BATCH=true") {
			t.Errorf("environment: %s", env)
		}
		if answer, err := invoke(t, h, "3,x,2\n"); err != nil || answer != "9.5\n" {
			t.Errorf("%q, %v", answer, err)
		}
	}
}

// TestVolumes: what an image declares as volumes does not stand on the disk where
// the root cannot be written to, and goes with the container where it does.
func TestVolumes(t *testing.T) {
	c := containertest.Find(t)
	binary := containertest.Program(t, "github.com/batchmill/batchmill/workers/container/containertest/testhost")
	c.BuildFrom(t, "batchmill-volumes", "FROM scratch\nCOPY program /program\nVOLUME /data /var/cache/model/ "+modelTarget+"\nENTRYPOINT [\"/program\"]\n", map[string]string{"program": binary})
	for _, allow := range [][]string{nil, {AllowWritableRoot}} {
		k := keepAll(t, Options{Image: "batchmill-volumes", Model: t.TempDir(), Memory: 64 << 20, Env: Contract{}.Env(), Allow: allow, Tmpfs: []string{"/app/cache"}})
		k.allReady()
		got, err := c.ContainerInspect(t.Context(), k.Hosts()[0].container(), client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var volumes []string
		for _, m := range got.Container.Mounts {
			if m.Type == mount.TypeVolume {
				volumes = append(volumes, m.Name)
			}
		}
		tmpfs := got.Container.HostConfig.Tmpfs
		if !strings.HasSuffix(tmpfs["/app/cache"], ",size=67108864") {
			t.Errorf("in memory: %v", tmpfs)
		}
		if allow == nil {
			if len(volumes) > 0 || !strings.HasSuffix(tmpfs["/data"], ",size=67108864") || tmpfs["/var/cache/model"] == "" || tmpfs[modelTarget] != "" {
				t.Errorf("mounts %+v, in memory %v", got.Container.Mounts, tmpfs)
			}
		} else if len(volumes) != 2 {
			t.Errorf("mounts %+v", got.Container.Mounts)
		}
		k.stopped()
		for _, v := range volumes {
			if _, err := c.VolumeInspect(t.Context(), v, client.VolumeInspectOptions{}); !errdefs.IsNotFound(err) {
				t.Errorf("volume %s is left: %v", v, err)
			}
		}
	}
}

// TestAllowed: each restriction can be lifted by itself.
func TestAllowed(t *testing.T) {
	c := containertest.Find(t)
	image := c.TestHost(t)
	k := keepAll(t, Options{Image: image, Env: Contract{}.Env(), Allow: []string{AllowWritableRoot, AllowCapabilities, AllowNewPrivileges, AllowUnlimitedMemory, AllowUnlimitedCPUs, AllowUnlimitedPids}})
	k.allReady()
	got, err := c.ContainerInspect(t.Context(), k.Hosts()[0].container(), client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	host := got.Container.HostConfig
	if host.ReadonlyRootfs || len(host.CapDrop) > 0 || len(host.SecurityOpt) > 0 || host.Memory != 0 || host.NanoCPUs != 0 || host.PidsLimit != nil && *host.PidsLimit > 0 || host.Privileged {
		t.Errorf("host configuration: %+v", host)
	}
	p := probe(t, k.Hosts()[0], "")
	if p.WriteRoot != "written" || p.Status["NoNewPrivs"] != "0" || strings.Trim(p.Status["CapEff"], "0") == "" {
		t.Errorf("inside: %+v", p)
	}
}

// TestInternal: from the default network there is no way out, neither to the container
// beside nor to this machine's addresses nor to what clouds have at 169.254.169.254,
// while the hosts answer. What stays open is what is said to stay open.
func TestInternal(t *testing.T) {
	c := containertest.Find(t)
	image := c.TestHost(t)
	outside := keepAll(t, Options{Image: image, Replicas: 2, Network: Bridge, Env: Contract{}.Env()})
	outside.allReady()
	at := func(h *Host) *network.EndpointSettings {
		got, err := c.ContainerInspect(t.Context(), h.container(), client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range got.Container.NetworkSettings.Networks {
			return n
		}
		t.Fatal("no network")
		return nil
	}
	address := func(h *Host) string { return net.JoinHostPort(at(h).IPAddress.String(), port) }
	beyond := address(outside.Hosts()[1])
	everywhere := listen(t, ":0")
	closed := []string{beyond, "169.254.169.254:80", "[fd00:ec2::254]:80", "192.0.2.55:80"}
	reached := 0
	for _, mine := range addresses(t) {
		here := net.JoinHostPort(mine, everywhere)
		closed = append(closed, here)
		if probe(t, outside.Hosts()[0], "?dial="+here).Dial == "connected" {
			reached++
		}
	}
	// That there is somebody to be reached shows a container which may.
	if p := probe(t, outside.Hosts()[0], "?dial="+beyond); p.Dial != "connected" || reached == 0 {
		t.Fatalf("from a bridge: %s; %d of this machine's addresses", p.Dial, reached)
	}
	k := keepAll(t, Options{Image: image, Replicas: 2, Env: Contract{}.Env()})
	k.allReady()
	for _, h := range k.Hosts() {
		if answer, err := invoke(t, h, "1\n"); err != nil || answer != "1.5\n" {
			t.Errorf("%q, %v", answer, err)
		}
		for _, to := range append(closed, address(k.Hosts()[1-h.index])) {
			if p := probe(t, h, "?dial="+to); p.Dial == "connected" {
				t.Errorf("%s reaches %s", h.Name(), to)
			}
		}
		got, err := c.NetworkInspect(t.Context(), k.networkName(), client.NetworkInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		bridge := got.Network.IPAM.Config[0].Gateway.String()
		if p := probe(t, h, "?dial="+net.JoinHostPort(bridge, everywhere)); p.Dial != "connected" {
			t.Logf("what listens on all addresses is closed too: %s", p.Dial)
		}
		k.mu.Lock()
		if n := strings.Count(strings.Join(k.said, "\n"), "at "+bridge); n != 1 {
			t.Errorf("said %d times that %s is open: %q", n, bridge, k.said)
		}
		k.mu.Unlock()
	}
}

// listen listens on this machine until the test ends, and returns the port.
func listen(t *testing.T, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// addresses are those of this machine that a container could be routed to, bridges of
// networks made later aside.
func addresses(t *testing.T) (list []string) {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			list = append(list, ip.IP.String())
		}
	}
	return list
}

// TestRestart: a container that is killed is followed by another one, the same
// host, and no request is broken by one that does not listen yet.
func TestRestart(t *testing.T) {
	c := containertest.Find(t)
	image := c.TestHost(t)
	k := keepAll(t, Options{Image: image, Env: Contract{}.Env()})
	k.allReady()
	h := k.Hosts()[0]
	for range 3 {
		first := h.container()
		if answer, err := invoke(t, h, "1\n"); err != nil || answer != "1.5\n" {
			t.Fatalf("%q, %v", answer, err)
		}
		if _, err := c.ContainerKill(t.Context(), first, client.ContainerKillOptions{Signal: "KILL"}); err != nil {
			t.Fatal(err)
		}
		until(t, "it answers again", func() bool {
			asked := h.container() // at the latest: the first may answer while it is being killed
			answer, err := invoke(t, h, "1\n")
			if err == nil {
				return answer == "1.5\n" && asked != first
			}
			var fault *workers.TransportError
			if !errors.As(err, &fault) || fault.Cause != workers.Unreachable && asked != first {
				t.Errorf("while it was away: %v", err)
			}
			return false
		})
	}
	k.mu.Lock()
	said := strings.Join(k.said, "\n")
	k.mu.Unlock()
	if strings.Count(said, "was killed (exit code 137)") != 3 || !strings.Contains(said, "testhost: arguments [serve]") {
		t.Errorf("said: %s", said)
	}
	for _, err := range k.stopped() {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Keep: %v", err)
		}
	}
	text, err := os.ReadFile(filepath.Join(k.logs, "1.log"))
	if err != nil || strings.Count(string(text), ": container batchmill-") != 4 || !strings.Contains(string(text), "testhost: told to end") {
		t.Errorf("log: %v\n%s", err, text)
	}
}

// TestGivenUp: containers that end before they are of use are given up, with
// how they ended and what they said.
func TestGivenUp(t *testing.T) {
	c := containertest.Find(t)
	image := c.TestHost(t)
	c.BuildFrom(t, "batchmill-noserver", "FROM scratch\nCOPY nothing /nothing\n", map[string]string{"nothing": os.DevNull})
	for _, test := range []struct {
		name string
		o    Options
		want []string
	}{
		{"exits at once", Options{Image: image, Env: []string{"TEST_EXIT=4"}}, []string{"exit code 4", "5 in a row", "testhost: cannot go on: no model", "/1.log"}},
		{"a variable that is wrong", Options{Image: image, Env: []string{"SAGEMAKER_BIND_TO_PORT=nonsense"}}, []string{"exit code 2", "unknown port"}},
		{"too little memory", Options{Image: image, Memory: 32 << 20, Env: []string{"TEST_EAT=1"}}, []string{"memory", "exit code 137", "testhost: eating"}},
		{"no server in it", Options{Image: "batchmill-noserver"}, []string{"exit code 127", "no program that takes serve"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			k := keepAll(t, test.o)
			k.ended.Wait()
			err := k.errs[0]
			if err == nil {
				t.Fatal("no error")
			}
			t.Log(err)
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is missing in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %v", err)
			}
			if _, err := invoke(t, k.Hosts()[0], "1\n"); err == nil {
				t.Error("it answers")
			}
		})
	}
}

// TestNeverReady: a server that only loads is left alone, and ends with the job.
func TestNeverReady(t *testing.T) {
	c := containertest.Find(t)
	image := c.TestHost(t)
	k := keepAll(t, Options{Image: image, Env: append(Contract{}.Env(), "TEST_NEVER_READY=1")})
	h := k.Hosts()[0]
	until(t, "it says that it is not ready", func() bool {
		_, err := h.Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), "503")
	})
	if _, err := invoke(t, h, "1\n"); err == nil || !strings.Contains(err.Error(), "not ready") {
		t.Errorf("%v", err)
	}
	if err := k.stopped()[0]; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestStoppedAtOnce: wherever a fleet is stopped, nothing is left.
func TestStoppedAtOnce(t *testing.T) {
	c := containertest.Find(t)
	image := c.TestHost(t)
	for _, after := range []time.Duration{0, time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 700 * time.Millisecond} {
		k := keepAll(t, Options{Image: image, Replicas: 2, Env: Contract{}.Env()})
		time.Sleep(after)
		for _, err := range k.stopped() {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("after %v: %v", after, err)
			}
		}
	}
}

// TestSweep: what processes that have ended left goes, and nothing else.
func TestSweep(t *testing.T) {
	c := containertest.Find(t)
	image := c.TestHost(t)
	t.Setenv("TMPDIR", t.TempDir())
	open := func(who func(*owner)) *Fleet {
		f, err := Open(t.Context(), Options{Image: image, Logs: hostlog.At(t.TempDir()), Owner: t.Name()})
		if err != nil {
			t.Fatal(err)
		}
		who(&f.me)
		if err := errors.Join(f.makeNetwork(t.Context()), f.makeTemp()); err != nil {
			t.Fatal(err)
		}
		if _, err := f.engine.ContainerCreate(t.Context(), f.request(0, f.networkName())); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx := context.Background()
			if err := errors.Join(f.remove(ctx, f.networkName()), f.removeNetwork(ctx), f.Close()); err != nil {
				t.Error(err)
			}
		})
		return f
	}
	mine := open(func(*owner) {})
	open(func(o *owner) { o.pid = os.Getppid(); o.began = beganAt(o.pid) }) // somebody who lives
	open(func(o *owner) { o.machine = "another" })
	gone := []*Fleet{open(func(o *owner) { o.pid = 1 << 30 }), open(func(o *owner) { o.boot = "before" })}
	if err := mine.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list := c.Containers(t, t.Name()); len(list) != 3 {
		t.Errorf("%d containers are left: %v", len(list), list)
	}
	if n := c.Networks(t, t.Name()); n != 3 {
		t.Errorf("%d networks are left", n)
	}
	for _, f := range gone {
		if _, err := os.Stat(f.temp); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", f.temp, err)
		}
	}
	if _, err := os.Stat(mine.temp); err != nil {
		t.Error(err)
	}
}

// TestModelArchive: a .tar.gz is unpacked once for all, and gone at the end.
func TestModelArchive(t *testing.T) {
	c := containertest.Find(t)
	image := c.TestHost(t)
	t.Setenv("TMPDIR", t.TempDir())
	name := filepath.Join(t.TempDir(), "model.tar.gz")
	if err := os.WriteFile(name, archive(t, file("weights", "43")), 0o600); err != nil {
		t.Fatal(err)
	}
	k := keepAll(t, Options{Image: image, Replicas: 2, Model: name, Env: Contract{}.Env()})
	k.allReady()
	for _, h := range k.Hosts() {
		if p := probe(t, h, ""); p.Model != "43" || p.WriteModel == "written" {
			t.Errorf("%+v", p)
		}
	}
	k.stopped()
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := os.WriteFile(name, archive(t, file("../weights", "43")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Image: image, Model: name, Logs: hostlog.At(t.TempDir())})
	if err == nil || !strings.Contains(err.Error(), "leads out") {
		t.Error(err)
	}
}
