package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/workers/container/containertest"
)

const thisProgram = "github.com/batchmill/batchmill/cmd/batchmill"

// containerJob is a job whose hosts are containers of the reference host, and
// what its output has to be.
type containerJob struct {
	t       *testing.T
	engine  containertest.Engine
	program string // batchmill, as a binary
	image   string
	out     string
	args    []string
	want    string
}

func newContainerJob(t *testing.T, records int, more ...string) *containerJob {
	t.Helper()
	j := &containerJob{t: t, engine: containertest.Find(t), program: containertest.Program(t, thisProgram)}
	j.image = j.engine.Build(t, "batchmill-host", j.program, "host", "--listen", "0.0.0.0:8080", "--latency", "40ms")
	dir := t.TempDir()
	in := filepath.Join(dir, "in.csv")
	j.out = filepath.Join(dir, "out")
	var text, want bytes.Buffer
	for i := range records {
		fmt.Fprintf(&text, "%d,x\n", i)
		fmt.Fprintf(&want, "%d,x,%d.5\n", i, i)
	}
	if err := os.WriteFile(in, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	j.want = want.String()
	j.args = append([]string{"run", "--input", in, "--output", j.out, "--image", j.image, "--replicas", "3", "--header", "no", "--join", "input",
		"--progress", "none", "--batch-records", "20", "--concurrency", "4"}, more...)
	return j
}

// left are the job's containers that are there, running or not.
func (j *containerJob) left() int {
	return len(j.engine.Containers(j.t, j.out))
}

// atWork waits until hosts have answered and the log is not empty.
func (j *containerJob) atWork() {
	j.t.Helper()
	log := filepath.Join(j.out, "_batchmill", "log")
	for until := time.Now().Add(hang); ; time.Sleep(5 * time.Millisecond) {
		if info, err := os.Stat(log); err == nil && info.Size() > 4096 {
			return
		}
		if time.Now().After(until) {
			j.t.Fatal("no host answered")
		}
	}
}

// done checks the outputs, the manifest, and that nothing is left.
func (j *containerJob) done() *manifest.Manifest {
	j.t.Helper()
	got, err := os.ReadFile(filepath.Join(j.out, "in.csv"))
	if err != nil || string(got) != j.want {
		j.t.Errorf("the output differs: %v, %d bytes, want %d", err, len(got), len(j.want))
	}
	if n := j.left(); n > 0 {
		j.t.Errorf("%d containers are left", n)
	}
	f, err := os.Open(filepath.Join(j.out, "_manifest.json"))
	if err != nil {
		j.t.Fatal(err)
	}
	defer f.Close()
	m, err := manifest.Read(f, nil)
	if err != nil {
		j.t.Fatal(err)
	}
	inspected, err := j.engine.ImageInspect(context.Background(), j.image)
	if err != nil || m.Image == nil || m.Image.Name != j.image || m.Image.Digest != inspected.ID {
		j.t.Errorf("image in the manifest: %+v, %v", m.Image, err)
	}
	return m
}

// TestContainerKilled: three replicas, one of which dies in the middle of the job.
func TestContainerKilled(t *testing.T) {
	for _, network := range []string{"bridge", "internal"} {
		t.Run(network, func(t *testing.T) {
			j := newContainerJob(t, 20_000, "--network", network)
			con := newConsole()
			ended := make(chan int)
			go func() { ended <- con.run(context.Background(), j.args) }()
			j.atWork()
			j.engine.Kill(t, j.engine.Containers(t, j.out)[1].ID)
			if code := <-ended; code != 0 {
				t.Fatalf("exit code %d: %s", code, con.err.String())
			}
			m := j.done()
			if m.Totals.Rejected != 0 || len(m.Hosts) != 3 {
				t.Errorf("%+v %+v", m.Totals, m.Hosts)
			}
			if said := con.err.String(); !strings.Contains(said, "was killed (exit code 137)") || !strings.Contains(said, "listening on") {
				t.Errorf("said: %s", said)
			}
			if n := j.engine.Networks(t, j.out); n > 0 {
				t.Errorf("%d networks are left", n)
			}
			// It is done, so nothing is started, but another image is another job.
			con = newConsole()
			if code := con.run(context.Background(), j.args); code != 0 || !strings.Contains(con.out.String(), "nothing to do") {
				t.Errorf("again: %d %s %s", code, con.out.String(), con.err.String())
			}
		})
	}
}

// TestContainersInterrupted: SIGINT leaves no container, and another image cannot go on.
func TestContainersInterrupted(t *testing.T) {
	j := newContainerJob(t, 20_000)
	con := newConsole()
	ended := make(chan int)
	go func() { ended <- con.run(context.Background(), j.args) }()
	j.atWork()
	con.sent <- os.Interrupt
	if code := <-ended; code != 130 {
		t.Fatalf("exit code %d: %s", code, con.err.String())
	}
	if n := j.left(); n > 0 {
		t.Errorf("%d containers are left", n)
	}
	if text, err := os.ReadFile(filepath.Join(j.out, "_batchmill", "hosts", "2.log")); err != nil || !strings.Contains(string(text), "listening on") {
		t.Errorf("log: %v %s", err, text)
	}
	j.engine.Build(t, j.image, j.program, "host", "--listen", "0.0.0.0:8080", "--latency", "1ms")
	con = newConsole()
	if code := con.run(context.Background(), j.args); code != 64 || !strings.Contains(con.err.String(), "--image") || !strings.Contains(con.err.String(), "sha256:") {
		t.Errorf("another image: exit code %d: %s", code, con.err.String())
	}
	j.engine.Build(t, j.image, j.program, "host", "--listen", "0.0.0.0:8080", "--latency", "40ms")
	con = newConsole()
	if code := con.run(context.Background(), j.args); code != 0 {
		t.Fatalf("the same image: exit code %d: %s", code, con.err.String())
	}
	if m := j.done(); m.Totals.Resumed == 0 {
		t.Error("nothing was taken from the log")
	}
}

// TestContainersOfAKilledRun: a run that was killed leaves its containers to the
// next one, which removes them, and finishes the job.
func TestContainersOfAKilledRun(t *testing.T) {
	j := newContainerJob(t, 20_000, "--network", "internal")
	cmd := exec.Command(j.program, j.args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	j.atWork()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()                             // it was killed
	t.Logf("%d containers are left", j.left()) // other tests' runs may remove them, too
	con := newConsole()
	if code := con.run(context.Background(), j.args); code != 0 {
		t.Fatalf("exit code %d: %s", code, con.err.String())
	}
	j.done()
	if n := j.engine.Networks(t, j.out); n > 0 {
		t.Errorf("%d networks are left", n)
	}
}

// TestRecordThatKills: a record that makes its server crash costs that record, also
// where there is one host and nothing else to ask it.
func TestRecordThatKills(t *testing.T) {
	engine := containertest.Find(t)
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.csv"), filepath.Join(dir, "out")
	var text, want bytes.Buffer
	for i := range 8 {
		if i == 5 {
			fmt.Fprintf(&text, "poison\n")
			fmt.Fprintf(&want, "poison,\n")
			continue
		}
		fmt.Fprintf(&text, "%d\n", i)
		fmt.Fprintf(&want, "%d,%d.5\n", i, i)
	}
	if err := os.WriteFile(in, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	con := newConsole()
	code := con.run(context.Background(), []string{"run", "--input", in, "--output", out, "--image", engine.TestHost(t), "--env", "TEST_DIE_OF=poison",
		"--header", "no", "--join", "input", "--progress", "none", "--attempts", "2", "--concurrency", "1"}) // others in flight would break with it
	if code != 3 {
		t.Fatalf("exit code %d: %s", code, con.err.String())
	}
	if got, err := os.ReadFile(filepath.Join(out, "in.csv")); err != nil || string(got) != want.String() {
		t.Errorf("%v: %s\n%s", err, got, con.err.String())
	}
	t.Logf("%d containers ended", strings.Count(con.err.String(), "another one is started"))
}

// TestImageErrors: what is wrong with the image is found before anything is written.
func TestImageErrors(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.csv")
	if err := os.WriteFile(in, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("engine", func(t *testing.T) {
		containertest.Find(t)
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"--image", "batchmill-no-such-image:1"}, "docker pull batchmill-no-such-image:1"},
			{[]string{"--image", "../x?y"}, "no image's name"},
		} {
			expectUsage(t, dir, c.args, 64, c.want)
		}
	})
	broken := filepath.Join(dir, "broken.tar.gz")
	if err := os.WriteFile(broken, []byte("weights"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		engine string
		args   []string
		code   int
		want   string
	}{
		{"unix://" + filepath.Join(dir, "nobody"), []string{"--image", "a"}, 69, "DOCKER_HOST"},
		{"tcp://192.0.2.1:2375", []string{"--image", "a"}, 64, "not on this machine"},
		{"nonsense", []string{"--image", "a"}, 64, "DOCKER_HOST"},
		{"", []string{"--image", "a", "--host", "http://127.0.0.1:1"}, 64, "--image and --host"},
		{"", []string{"--host", "http://127.0.0.1:1", "--gpus", "all"}, 64, "--gpus"},
		{"", []string{"--image", "a", "--env", "TOKEN"}, 64, "TOKEN"},
		{"", []string{"--image", "a", "--env-file", filepath.Join(dir, "none")}, 64, "--env-file"},
		{"", []string{"--image", "a", "--model", filepath.Join(dir, "none")}, 64, "--model"},
		{"", []string{"--image", "a", "--model", broken}, 64, "no gzip"},
		{"", []string{"--image", "a", "--container-allow", "everything"}, 64, "writable-root"},
	} {
		t.Setenv("DOCKER_HOST", c.engine)
		expectUsage(t, dir, c.args, c.code, c.want)
	}
}

func expectUsage(t *testing.T, dir string, args []string, code int, want string) {
	t.Helper()
	con := newConsole()
	out := filepath.Join(dir, "out")
	got := con.run(context.Background(), append([]string{"run", "--input", filepath.Join(dir, "in.csv"), "--output", out, "--header", "no"}, args...))
	if got != code || !strings.Contains(con.err.String(), want) {
		t.Errorf("%q: exit code %d, want %d: %s", args, got, code, con.err.String())
	}
	if _, err := os.Stat(out); err == nil {
		t.Errorf("%q: something was written", args)
	}
}
