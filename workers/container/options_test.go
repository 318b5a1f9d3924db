package container

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"

	"github.com/batchmill/batchmill/workers/hostlog"
)

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "weights.bin")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	logs := hostlog.At(dir)
	for _, c := range []struct {
		o    Options
		want string // "" is none
	}{
		{Options{Image: "a"}, ""},
		{Options{Image: "registry.example:5000/team/model:1.2@sha256:" + strings.Repeat("0", 64), Replicas: 8, Network: Internal, GPUs: "per-replica=2", Model: dir,
			Memory: 1 << 30, CPUs: 0.5, Pids: 10, Allow: []string{AllowWritableRoot}, Env: []string{"A=", "B=x=y\n"}}, ""},
		{Options{Image: strings.Repeat("0", 64)}, ""},
		{Options{}, "--image"},
		{Options{Image: "A B"}, "--image"},
		{Options{Image: "../../containers/json?x"}, "--image"},
		{Options{Image: "-rm"}, "--image"},
		{Options{Image: "a\x1b[31m"}, "--image"},
		{Options{Image: "a", Replicas: -1}, "--replicas"},
		{Options{Image: "a", Replicas: 5000}, "--replicas"},
		{Options{Image: "a", Network: "host"}, "--network"},
		{Options{Image: "a", GPUs: "some"}, "--gpus"},
		{Options{Image: "a", GPUs: "per-replica=0"}, "--gpus"},
		{Options{Image: "a", GPUs: "-1"}, "--gpus"},
		{Options{Image: "a", GPUs: "per-replica=all"}, "--gpus"},
		{Options{Image: "a", Memory: 1}, "--container-memory"},
		{Options{Image: "a", CPUs: -1}, "--container-cpus"},
		{Options{Image: "a", Pids: -1}, "--container-pids"},
		{Options{Image: "a", Allow: []string{"privileged"}}, "--container-allow"},
		{Options{Image: "a", Allow: []string{AllowUnlimitedPids}, Pids: 5}, "contradict"},
		{Options{Image: "a", Tmpfs: []string{"/var/cache/model", "/data"}}, ""},
		{Options{Image: "a", Tmpfs: []string{"cache"}}, "--container-tmpfs"},
		{Options{Image: "a", Tmpfs: []string{"/"}}, "--container-tmpfs"},
		{Options{Image: "a", Tmpfs: []string{"/a/../b"}}, "--container-tmpfs"},
		{Options{Image: "a", Tmpfs: []string{"/a:exec"}}, "--container-tmpfs"},
		{Options{Image: "a", Tmpfs: []string{modelTarget}, Model: dir}, "--model"},
		{Options{Image: "a", Env: []string{"A"}}, "--env"},
		{Options{Image: "a", Env: []string{"=x"}}, "--env"},
		{Options{Image: "a", Env: []string{"A B=hush"}}, "--env"},
		{Options{Image: "a", Env: []string{"A=hush\x00"}}, "--env A"},
		{Options{Image: "a", Model: filepath.Join(dir, "missing")}, "--model"},
		{Options{Image: "a", Model: plain}, "--model"},
	} {
		c.o.Logs = logs
		err := c.o.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.o, err)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("a value is shown: %v", err)
		}
	}
}

func TestContract(t *testing.T) {
	for _, c := range []struct {
		contract Contract
		want     string
	}{
		{Contract{}, "SAGEMAKER_BATCH=true SAGEMAKER_BATCH_STRATEGY=MULTI_RECORD SAGEMAKER_MAX_PAYLOAD_IN_MB=6 SAGEMAKER_BIND_TO_PORT=8080 SAGEMAKER_SAFE_PORT_RANGE=9000-9999"},
		{Contract{MaxPayload: 1<<20 + 1, SingleRecord: true, MaxConcurrent: 3},
			"SAGEMAKER_BATCH=true SAGEMAKER_BATCH_STRATEGY=SINGLE_RECORD SAGEMAKER_MAX_PAYLOAD_IN_MB=2 SAGEMAKER_BIND_TO_PORT=8080 SAGEMAKER_SAFE_PORT_RANGE=9000-9999 SAGEMAKER_MAX_CONCURRENT_TRANSFORMS=3"},
	} {
		if got := strings.Join(c.contract.Env(), " "); got != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.contract, got, c.want)
		}
	}
}

func TestEnvFile(t *testing.T) {
	lookup := func(name string) (string, bool) { return "from outside", name == "GIVEN" }
	name := filepath.Join(t.TempDir(), "env")
	for _, c := range []struct {
		text string
		want []string
		bad  string
	}{
		{"\ufeffA=1\n# no\n\n  B= two = 2 \r\nGIVEN\nNOT_GIVEN\nC='q'#c\nA=last", []string{"A=1", "B= two = 2 ", "GIVEN=from outside", "C='q'#c", "A=last"}, ""},
		{"", nil, ""},
		{"A=1\nB hush=2\n", nil, "line 2"},
		{"=hush\n", nil, "line 1"},
		{"A=\xff\n", nil, "line 1"},
	} {
		if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := EnvFile(name, lookup)
		if c.bad != "" {
			if err == nil || !strings.Contains(err.Error(), c.bad) || strings.Contains(err.Error(), "hush") {
				t.Errorf("%q: %v", c.text, err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, %v", c.text, got, err)
		}
	}
	if _, err := EnvFile(name+"x", lookup); err == nil {
		t.Error("a file that is not there")
	}
	if got, err := Variable("GIVEN", lookup); got != "GIVEN=from outside" || err != nil {
		t.Error(got, err)
	}
	if _, err := Variable("MISSING", lookup); err == nil || !strings.Contains(err.Error(), "MISSING") {
		t.Error(err)
	}
}

func TestGPUs(t *testing.T) {
	for _, c := range []struct {
		flag   string
		second string // what the second replica gets: count, then IDs
		needs  int    // by three replicas
	}{
		{"", "", 0}, {"all", "-1", 0}, {"2", "2", 2}, {"per-replica=1", "0 1", 3}, {"per-replica=2", "0 2 3", 6},
	} {
		g, err := parseGPUs(c.flag)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range g.requests(1) {
			got = strings.Join(append([]string{string(rune('0' + r.Count))}, r.DeviceIDs...), " ")
			if r.Count == -1 {
				got = "-1"
			}
			if !reflect.DeepEqual(r.Capabilities, [][]string{{"gpu"}}) {
				t.Errorf("%s: %+v", c.flag, r)
			}
		}
		if got != c.second {
			t.Errorf("%s: %q, want %q", c.flag, got, c.second)
		}
		if err := g.check(3, c.needs, true); err != nil {
			t.Errorf("%s: %v", c.flag, err)
		}
		if c.needs > 0 {
			if err := g.check(3, c.needs-1, true); err == nil || !strings.Contains(err.Error(), "--gpus "+c.flag) {
				t.Errorf("%s: %v", c.flag, err)
			}
			if err := g.check(3, 0, false); err != nil {
				t.Errorf("%s, unknown: %v", c.flag, err)
			}
		}
	}
	driver := t.TempDir()
	if n, known := countGPUs(&system.Info{}, filepath.Join(driver, "none")); n != 0 || known {
		t.Error(n, known)
	}
	for _, name := range []string{"0000:01:00.0", "0000:02:00.0"} {
		if err := os.Mkdir(filepath.Join(driver, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if n, known := countGPUs(&system.Info{}, driver); n != 2 || !known {
		t.Error(n, known)
	}
	named := swarm.GenericResource{NamedResourceSpec: &swarm.NamedGenericResource{Kind: "NVIDIA-GPU", Value: "0"}}
	if n, known := countGPUs(&system.Info{GenericResources: []swarm.GenericResource{named, named, named}}, driver); n != 3 || !known {
		t.Error(n, known)
	}
}

// TestOwnerGone: only a process that has certainly ended is gone.
func TestOwnerGone(t *testing.T) {
	me := myself()
	if me.began == "" || me.boot == "" {
		t.Skip("this system does not tell when processes began")
	}
	change := func(f func(*owner)) owner {
		o := me
		f(&o)
		return o
	}
	for _, c := range []struct {
		name string
		o    owner
		gone bool
	}{
		{"myself", me, false},
		{"before the machine was started anew", change(func(o *owner) { o.boot = "another" }), true},
		{"another machine", change(func(o *owner) { o.machine, o.boot = "another", "another" }), false},
		{"a process of a container", change(func(o *owner) { o.space, o.pid = "pid:[1]", 1<<30 }), false},
		{"a number that nobody has", change(func(o *owner) { o.pid = 1 << 30 }), true},
		{"a number that is another's now", change(func(o *owner) { o.pid = 1 }), true},
		{"my own number, of an earlier one", change(func(o *owner) { o.began = "1" }), true},
		{"a parent that lives", change(func(o *owner) { o.pid = os.Getppid(); o.began = beganAt(os.Getppid()) }), false},
	} {
		again, err := parseOwner(c.o.String())
		if err != nil || again != c.o {
			t.Fatalf("%s: %v, %v", c.name, again, err)
		}
		if got := again.ended(me); got != c.gone {
			t.Errorf("%s: gone is %v", c.name, got)
		}
	}
	for _, s := range []string{"", "1", "a/b/c/d/e", "a/b/c/-1/e", "a/b/c/1/e/f"} {
		if o, err := parseOwner(s); err == nil {
			t.Errorf("%q: %v", s, o)
		}
	}
}

func TestIsLocal(t *testing.T) {
	for address, want := range map[string]bool{
		"unix:///var/run/docker.sock": true, "npipe:////./pipe/docker_engine": true, "tcp://127.0.0.1:2375": true, "tcp://localhost:2375": true, "http://[::1]:80": true,
		"tcp://10.0.0.1:2375": false, "ssh://me@there": false, "tcp://localhost.evil.example:1": false, "": false, "tcp://0.0.0.0:1": false,
	} {
		if got := isLocal(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
