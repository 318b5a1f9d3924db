// Package containertest builds images for tests of containers, and looks what
// is left behind. Only tests import it.
package containertest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// A Probe is what the test host found that it can do.
type Probe struct {
	Args, Env                                 []string
	UID, PID                                  int
	WriteRoot, WriteTmp, WriteRun, WriteModel string            // "written", or the error
	Model                                     string            // what is in /opt/ml/model/weights
	Status                                    map[string]string // /proc/self/status
	Dial                                      string            // "connected", or the error
}

// An Engine is a client of the real one.
type Engine struct{ *client.Client }

// Find finds the engine. Where there is none, the test is skipped, and says so; in
// short runs, which need nothing but Go, it always is.
func Find(t testing.TB) Engine {
	t.Helper()
	if testing.Short() {
		t.Skip("the tests of containers are left out with -short")
	}
	c, err := client.New(client.FromEnv)
	if err == nil {
		_, err = c.Ping(t.Context(), client.PingOptions{NegotiateAPIVersion: true})
	}
	if err != nil && os.Getenv("CI") == "true" && expected() {
		t.Fatalf("a container engine should be here, and does not answer: %v", err)
	}
	if err != nil {
		t.Skipf("SKIPPED: this test needs a container engine, and none answers: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return Engine{c}
}

// expected tells whether somebody has set an engine up here.
func expected() bool {
	_, err := os.Stat("/var/run/docker.sock")
	return err == nil || os.Getenv("DOCKER_HOST") != ""
}

// TestHost builds an image of the test host from scratch, and returns its name.
func (c Engine) TestHost(t testing.TB) string {
	t.Helper()
	return c.Build(t, "batchmill-testhost", Program(t, "github.com/batchmill/batchmill/workers/container/containertest/testhost"))
}

// Program builds the program of a package, statically, and returns its path.
func Program(t testing.TB, program string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	return binary
}

// Build builds an image from scratch, with nothing in it but a static program,
// whose entry point is the program with args. It returns the image's name.
// Nothing is fetched.
func (c Engine) Build(t testing.TB, name, binary string, args ...string) string {
	t.Helper()
	entry, err := json.Marshal(append([]string{"/program"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("FROM scratch\nCOPY program /program\nENTRYPOINT %s\n", entry)
	c.BuildFrom(t, name, text, map[string]string{"program": binary})
	return name
}

// BuildFrom builds an image from a Dockerfile and files, by their names in it.
func (c Engine) BuildFrom(t testing.TB, name, dockerfile string, files map[string]string) {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	put := func(name string, text []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	put("Dockerfile", []byte(dockerfile))
	for name, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		put(name, text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	built, err := c.ImageBuild(t.Context(), &archive, client.ImageBuildOptions{Tags: []string{name}, Remove: true, ForceRemove: true})
	if err != nil {
		t.Fatal(err)
	}
	defer built.Body.Close()
	said, err := io.ReadAll(built.Body)
	if err != nil || bytes.Contains(said, []byte(`"error"`)) {
		t.Fatalf("building %s: %v\n%s", name, err, said)
	}
	image, err := c.ImageInspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // unless another test has one of the same content
		_, _ = c.ImageRemove(context.Background(), image.ID, client.ImageRemoveOptions{PruneChildren: true})
	})
}

// Containers lists the containers that batchmill made, running or not, whose
// label batchmill.for is owner.
func (c Engine) Containers(t testing.TB, owner string) []container.Summary {
	t.Helper()
	list, err := c.ContainerList(t.Context(), client.ContainerListOptions{All: true,
		Filters: make(client.Filters).Add("label", "batchmill=1", "batchmill.for="+owner)})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// Networks counts the networks that batchmill made, with that label.
func (c Engine) Networks(t testing.TB, owner string) int {
	t.Helper()
	list, err := c.NetworkList(t.Context(), client.NetworkListOptions{
		Filters: make(client.Filters).Add("label", "batchmill=1", "batchmill.for="+owner)})
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Items)
}

// Kill kills a container as the kernel would.
func (c Engine) Kill(t testing.TB, id string) {
	t.Helper()
	if _, err := c.ContainerKill(t.Context(), id, client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		t.Fatal(err)
	}
}
