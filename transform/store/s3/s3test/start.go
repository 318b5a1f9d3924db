package s3test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// shared is the one server of a test binary whose TestMain calls [Shared].
var shared struct {
	mu     sync.Mutex
	on     bool // somebody will stop it
	dir    string
	server *Server
	err    error
}

// Start gives a test a bucket of its own on a running server, and sets the
// environment so that AWS clients sign for it; a test that calls it can therefore
// not be parallel. The server is one for all tests where TestMain calls [Shared],
// otherwise it ends with the test.
//
// Where the server was not built the test is skipped, or fails when CI is true.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := startFor(t)
	if errors.Is(err, ErrNoBinary) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value) // puts it back at the end
			os.Unsetenv(name)
		}
	}
	for name, value := range s.settings() {
		t.Setenv(name, value)
	}
	return s
}

func startFor(t testing.TB) (*Server, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.on {
		s, err := Run(t.TempDir())
		if err == nil {
			t.Cleanup(func() { s.Stop() })
		}
		return s, err
	}
	if shared.server == nil && shared.err == nil {
		if shared.dir, shared.err = os.MkdirTemp("", "s3test"); shared.err == nil {
			shared.server, shared.err = Run(shared.dir)
		}
	}
	if shared.err != nil {
		return nil, shared.err
	}
	return shared.server.NewBucket()
}

// Tests are the tests of a package that share a server.
type Tests struct{ m *testing.M }

// Shared makes the tests of a package share one server, which starts with the
// first test that needs it and ends with the last:
//
//	func TestMain(m *testing.M) { os.Exit(s3test.Shared(m).Run()) }
func Shared(m *testing.M) Tests { return Tests{m} }

// Run runs the tests, and returns what to exit with.
func (t Tests) Run() int {
	shared.mu.Lock()
	shared.on = true
	shared.mu.Unlock()
	code := t.m.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.on = false
	if err := endShared(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "s3test:", err)
		return 1
	}
	return code
}

func endShared() (err error) {
	if shared.server != nil {
		err = shared.server.Stop()
	}
	if shared.dir != "" {
		err = errors.Join(err, os.RemoveAll(shared.dir))
	}
	return err
}
