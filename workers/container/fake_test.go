package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"github.com/batchmill/batchmill/workers/hostlog"
)

// fakeEngine speaks as much of the Docker API as a fleet needs, and misbehaves as
// it is told. What it is told to create it keeps.
type fakeEngine struct {
	mu      sync.Mutex
	created []creation
	removed []string                 // by what name or ID
	living  map[string]chan struct{} // by name; closed when it ends
	status  int                      // of creations; 0 is well
	hang    chan struct{}            // creations wait for it; nil for none
	entered chan struct{}            // gets a value when a creation waits
	down    bool                     // every connection is cut
	exit    bool                     // containers end at once
	nets    []client.NetworkCreateOptions
	clashes int // how many more networks with a given subnet are refused

	breakAll func()
}

type creation struct {
	Name string
	container.Config
	HostConfig container.HostConfig
}

// newFakeEngine starts one and points DOCKER_HOST to it.
func newFakeEngine(t *testing.T) *fakeEngine {
	f := &fakeEngine{living: map[string]chan struct{}{}, entered: make(chan struct{}, 100)}
	s := httptest.NewServer(f)
	f.breakAll = s.CloseClientConnections // which it waits for
	t.Cleanup(func() {
		f.mu.Lock()
		for _, c := range f.living {
			f.end(c)
		}
		f.mu.Unlock()
		s.CloseClientConnections()
		s.Close()
	})
	t.Setenv("DOCKER_HOST", "tcp://"+s.Listener.Addr().String())
	t.Setenv("DOCKER_TLS_VERIFY", "")
	return f
}

func (*fakeEngine) end(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

var fakeDigest = "sha256:" + strings.Repeat("a", 64)

func (f *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	down := f.down
	f.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Api-Version", "1.41")
	w.Header().Set("Content-Type", "application/json")
	_, what, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/") // without the version
	folder, name := path.Split(path.Clean(what))
	switch {
	case r.URL.Path == "/_ping":
	case what == "info":
		fmt.Fprint(w, `{"OSType":"linux","NCPU":8,"MemTotal":8589934592,"MemoryLimit":true,"SwapLimit":true,"CpuCfsQuota":true,"PidsLimit":true}`)
	case strings.HasPrefix(what, "images/"):
		fmt.Fprintf(w, `{"Id":%q}`, fakeDigest)
	case what == "containers/create":
		f.create(w, r)
	case strings.HasPrefix(what, "networks/"):
		f.network(w, r, name)
	case r.Method == http.MethodDelete:
		f.mu.Lock()
		f.removed = append(f.removed, name)
		if c := f.living[name]; c != nil {
			f.end(c)
			delete(f.living, name)
			w.WriteHeader(http.StatusNoContent)
		} else {
			f.missing(w)
		}
		f.mu.Unlock()
	default:
		f.container(w, r, path.Base(folder), name)
	}
}

// network makes, describes or removes the network.
func (f *fakeEngine) network(w http.ResponseWriter, r *http.Request, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case name == "create":
		var o client.NetworkCreateOptions
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			panic(err)
		}
		if o.IPAM != nil && len(o.IPAM.Config) > 0 && f.clashes > 0 {
			f.clashes--
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"message":"Pool overlaps with other one on this address space"}`)
			return
		}
		f.nets = append(f.nets, o)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"Id":"n"}`)
	default:
		fmt.Fprint(w, `{"IPAM":{"Config":[{"Subnet":"fd01::/64"},{"Subnet":"172.30.0.0/20","Gateway":"172.30.0.1"}]}}`)
	}
}

func (*fakeEngine) missing(w http.ResponseWriter) {
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, `{"message":"No such container"}`)
}

func (f *fakeEngine) create(w http.ResponseWriter, r *http.Request) {
	var c creation
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		panic(err)
	}
	c.Name = r.URL.Query().Get("name")
	f.mu.Lock()
	hang, status := f.hang, f.status
	f.mu.Unlock()
	if hang != nil {
		f.entered <- struct{}{}
		<-hang // an engine goes on, whoever still listens
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.created = append(f.created, c)
	if status != 0 {
		w.WriteHeader(status)
		fmt.Fprint(w, `{"message":"the engine would rather not"}`)
		return
	}
	f.living[c.Name] = make(chan struct{})
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"Id":%q}`, c.Name)
}

// container does something with one that is there.
func (f *fakeEngine) container(w http.ResponseWriter, r *http.Request, id, verb string) {
	f.mu.Lock()
	ended, exit, network := f.living[id], f.exit, ""
	if len(f.created) > 0 {
		network = string(f.created[0].HostConfig.NetworkMode)
	}
	f.mu.Unlock()
	if ended == nil {
		f.missing(w)
		return
	}
	switch verb {
	case "start":
		w.WriteHeader(http.StatusNoContent)
		if exit {
			f.end(ended)
		}
	case "stop":
		f.end(ended)
		w.WriteHeader(http.StatusNoContent)
	case "json":
		fmt.Fprintf(w, `{"State":{"Running":true,"ExitCode":5},"NetworkSettings":{"Networks":{%q:{"IPAddress":"127.0.0.1"}}}}`, network)
	case "wait", "logs":
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-ended:
		case <-r.Context().Done():
			return
		}
		if verb == "wait" {
			_, _ = io.WriteString(w, `{"StatusCode":5}`)
		}
	}
}

// set changes how the engine behaves.
func (f *fakeEngine) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// fakeFleet is a fleet on the fake engine.
func fakeFleet(t *testing.T, o Options) *Fleet {
	t.Helper()
	o.Image, o.Logs = "some/model:1", hostlog.At(t.TempDir())
	o.Notice = func(s string) { t.Log(s) }
	f, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	f.patience = patience{linger: time.Minute, remove: time.Minute, away: time.Minute}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// keepThese keeps all hosts of a fleet until ctx ends.
func keepThese(ctx context.Context, f *Fleet) (wait func() []error) {
	errs := make([]error, len(f.hosts))
	var g sync.WaitGroup
	for i, h := range f.hosts {
		g.Go(func() { errs[i] = h.Keep(ctx) })
	}
	return func() []error { g.Wait(); return errs }
}

// TestGPURequests: what the engine is told about GPUs, replica by replica.
func TestGPURequests(t *testing.T) {
	for _, c := range []struct {
		flag string
		want map[string]container.DeviceRequest // by the host's number
	}{
		{"all", map[string]container.DeviceRequest{"1": {Count: -1}, "2": {Count: -1}, "3": {Count: -1}}},
		{"2", map[string]container.DeviceRequest{"1": {Count: 2}, "2": {Count: 2}, "3": {Count: 2}}},
		{"per-replica=1", map[string]container.DeviceRequest{"1": {DeviceIDs: []string{"0"}}, "2": {DeviceIDs: []string{"1"}}, "3": {DeviceIDs: []string{"2"}}}},
		{"per-replica=2", map[string]container.DeviceRequest{"1": {DeviceIDs: []string{"0", "1"}}, "2": {DeviceIDs: []string{"2", "3"}}, "3": {DeviceIDs: []string{"4", "5"}}}},
		{"", nil},
	} {
		t.Run(c.flag, func(t *testing.T) {
			engine := newFakeEngine(t)
			f := fakeFleet(t, Options{Replicas: 3, GPUs: c.flag})
			ctx, cancel := context.WithCancel(t.Context())
			wait := keepThese(ctx, f)
			until(t, "three are created", func() bool {
				engine.mu.Lock()
				defer engine.mu.Unlock()
				return len(engine.created) == 3
			})
			cancel()
			wait()
			for _, made := range engine.created {
				want := []container.DeviceRequest(nil)
				if w, ok := c.want[made.Labels[labelHost]]; ok {
					w.Capabilities = [][]string{{"gpu"}}
					want = []container.DeviceRequest{w}
				}
				got := made.HostConfig.DeviceRequests
				for i := range got {
					got[i].Options = nil
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("host %s: %+v, want %+v", made.Labels[labelHost], got, want)
				}
				if made.Image != fakeDigest {
					t.Errorf("created from %s", made.Image)
				}
				if h := made.HostConfig; h.Memory != 7<<30/3 || h.MemorySwap != h.Memory || h.NanoCPUs != 8_000_000_000/3 || *h.PidsLimit != DefaultPids || h.ShmSize != h.Memory/2 {
					t.Errorf("limits: %+v", h.Resources)
				}
			}
		})
	}
}

// TestNetworkWithoutRoute: an engine that routes internal networks to its machine is
// given a route to nobody, whoever takes a subnet meanwhile, and one sentence says what
// stays open.
func TestNetworkWithoutRoute(t *testing.T) {
	for clashes, wrong := range map[int]bool{0: false, 2: false, 3: true} {
		engine := newFakeEngine(t)
		engine.set(func() { engine.clashes = clashes })
		f := fakeFleet(t, Options{})
		var said []string
		f.options.Notice = func(s string) { said = append(said, s) }
		err := f.makeNetwork(t.Context())
		if (err != nil) != wrong || wrong && (!strings.Contains(err.Error(), "overlaps") || !strings.Contains(err.Error(), "--network bridge")) {
			t.Fatalf("%d clashes: %v", clashes, err)
		}
		if wrong {
			continue
		}
		last := engine.nets[len(engine.nets)-1]
		if !last.Internal || last.IPAM == nil || len(last.IPAM.Config) != 1 || last.Options["com.docker.network.bridge.enable_icc"] != "false" || last.Labels[labelOwner] == "" {
			t.Fatalf("%d clashes: %+v", clashes, last)
		}
		if at := last.IPAM.Config[0]; at.Subnet.String() != "172.30.0.0/20" || at.Gateway.String() != "172.30.0.1" || at.AuxAddress["DefaultGatewayIPv4"].String() != "172.30.15.254" {
			t.Errorf("%d clashes: %+v", clashes, at)
		}
		if len(said) != 1 || !strings.Contains(said[0], "172.30.0.1") {
			t.Errorf("said %q", said)
		}
	}
}

// TestReachesAddresses: where an engine's containers cannot be connected to, the default
// network is an error at once, and not a job that waits.
func TestReachesAddresses(t *testing.T) {
	for _, c := range []struct {
		engine system.Info
		goos   string
		want   bool
	}{
		{system.Info{OperatingSystem: "Debian GNU/Linux 12"}, "linux", true},
		{system.Info{SecurityOptions: []string{"name=seccomp,profile=default", "name=cgroupns"}}, "linux", true},
		{system.Info{SecurityOptions: []string{"name=seccomp,profile=default", "name=rootless"}}, "linux", false},
		{system.Info{OperatingSystem: "Docker Desktop"}, "linux", false},
		{system.Info{OperatingSystem: "Docker Desktop"}, "darwin", false},
		{system.Info{OperatingSystem: "Fedora CoreOS"}, "windows", false},
	} {
		if got := reachesAddresses(&c.engine, c.goos); got != c.want {
			t.Errorf("%+v on %s: %v", c.engine, c.goos, got)
		}
	}
}

// TestCreationsThatHang: a job that ends while a container is being made leaves
// none, whether it is made in the end or not.
func TestCreationsThatHang(t *testing.T) {
	for _, answers := range []bool{true, false} {
		engine := newFakeEngine(t)
		hang := make(chan struct{})
		engine.set(func() { engine.hang = hang })
		f := fakeFleet(t, Options{})
		if !answers {
			f.patience.linger = 300 * time.Millisecond // all of which it takes
		}
		ctx, cancel := context.WithCancel(t.Context())
		wait := keepThese(ctx, f)
		<-engine.entered
		cancel()
		if answers {
			close(hang)
		}
		if err := wait()[0]; !errors.Is(err, context.Canceled) {
			t.Errorf("answers %v: %v", answers, err)
		}
		engine.mu.Lock()
		if len(engine.living) > 0 || len(engine.removed) == 0 {
			t.Errorf("answers %v: left %v, removed %q", answers, engine.living, engine.removed)
		}
		engine.mu.Unlock()
		if !answers {
			close(hang)
		}
	}
}

// TestCreationsThatFail: what can only fail again is not tried again.
func TestCreationsThatFail(t *testing.T) {
	for status, tries := range map[int]int{http.StatusBadRequest: 1, http.StatusNotFound: 1, http.StatusForbidden: 1, http.StatusInternalServerError: mostTries, http.StatusConflict: mostTries} {
		engine := newFakeEngine(t)
		engine.set(func() { engine.status = status })
		f := fakeFleet(t, Options{})
		err := keepThese(t.Context(), f)()[0]
		if err == nil || !strings.Contains(err.Error(), "the engine would rather not") || !strings.Contains(err.Error(), f.hosts[0].Name()) {
			t.Errorf("%d: %v", status, err)
		}
		if len(engine.created) != tries {
			t.Errorf("%d: %d tries, want %d", status, len(engine.created), tries)
		}
	}
}

// TestEngineAway: an engine that goes away and comes back costs nothing.
func TestEngineAway(t *testing.T) {
	engine := newFakeEngine(t)
	f := fakeFleet(t, Options{})
	f.patience.away = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	wait := keepThese(ctx, f)
	until(t, "it runs", engine.running(f, 1))
	engine.goAway()
	time.Sleep(50 * time.Millisecond) // whenever it comes back
	engine.set(func() { engine.down = false })
	time.Sleep(50 * time.Millisecond)
	if !engine.running(f, 1)() {
		t.Error("the container did not live on")
	}
	engine.set(func() {
		engine.end(engine.living[engine.created[0].Name])
		delete(engine.living, engine.created[0].Name)
	})
	until(t, "another one runs where somebody removed the first", engine.running(f, 2))
	cancel()
	if err := wait()[0]; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestEngineGone: one that stays away is given up, in a bounded time, and what it
// keeps is named.
func TestEngineGone(t *testing.T) {
	engine := newFakeEngine(t)
	f := fakeFleet(t, Options{})
	f.patience = patience{linger: 300 * time.Millisecond, remove: time.Second}
	wait := keepThese(t.Context(), f)
	until(t, "it runs", engine.running(f, 1))
	engine.goAway()
	err := wait()[0]
	var away *EngineError
	if !errors.As(err, &away) || !strings.Contains(err.Error(), "is left") {
		t.Error(err)
	}
}

// running tells whether the fleet's one host runs in the n-th container.
func (f *fakeEngine) running(fleet *Fleet, n int) func() bool {
	return func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.created) == n && len(f.living) == 1 && fleet.hosts[0].container() == f.created[n-1].Name
	}
}

// goAway makes the engine break off what it is being asked, and answer nothing any more.
func (f *fakeEngine) goAway() {
	f.set(func() { f.down = true })
	f.breakAll()
}
