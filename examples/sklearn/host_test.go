// Package sklearn_test runs batchmill against a real model host: scikit-learn
// behind Flask and gunicorn, with the habits such hosts have.
package sklearn_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// work is a folder for what all tests share: the binary, the model, the rows.
var work string

func TestMain(m *testing.M) {
	var err error
	if work, err = os.MkdirTemp("", "sklearn"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(work)
	os.Exit(code)
}

// dataset is the rows that scikit-learn ships, and what its own predict_proba
// says of them, each as lines without line ends.
type dataset struct {
	header          string // of the CSV
	csv, jsonl      []string
	wantCSV, wantJS []string // the answers, as CSV and as JSON
}

// errNoPython says that the host's packages are missing; it holds serve's advice.
var errNoPython = errors.New("cannot run the host")

// loadDataset trains the model and writes the rows, once for all tests.
var loadDataset = sync.OnceValues(func() (*dataset, error) {
	cmd := exec.Command("./serve", "--data", work)
	cmd.Env = hostEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 69 {
			return nil, fmt.Errorf("%w: %s", errNoPython, out)
		}
		return nil, fmt.Errorf("serve --data: %w\n%s", err, out)
	}
	var d dataset
	for name, into := range map[string]*[]string{
		"cancer.csv": &d.csv, "cancer.jsonl": &d.jsonl, "expected.csv": &d.wantCSV, "expected.jsonl": &d.wantJS,
	} {
		text, err := os.ReadFile(filepath.Join(work, name))
		if err != nil {
			return nil, err
		}
		*into = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	d.header, d.csv = d.csv[0], d.csv[1:]
	if n := len(d.csv); n < 500 || len(d.jsonl) != n || len(d.wantCSV) != n || len(d.wantJS) != n {
		return nil, fmt.Errorf("%d, %d, %d and %d lines: want as many of each", n, len(d.jsonl), len(d.wantCSV), len(d.wantJS))
	}
	return &d, nil
})

// needDataset skips the test where the host's packages are missing. Under CI
// that is a failure: a test that nobody runs protects nothing. Short runs need
// nothing but Go, and leave it out.
func needDataset(t *testing.T) *dataset {
	t.Helper()
	if testing.Short() {
		t.Skip("the tests of the Python host are left out with -short")
	}
	d, err := loadDataset()
	switch {
	case errors.Is(err, errNoPython) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	return d
}

// hostEnv is the environment of a host, without settings of the one who runs the tests.
func hostEnv(extra ...string) []string {
	env := append(os.Environ(), "MODEL="+filepath.Join(work, "model.joblib"),
		"HOST=127.0.0.1", "PORT=0", "START_DELAY=0", "MAX_CONTENT_LENGTH=6291456", "KEEPALIVE=5")
	return append(env, extra...)
}

// hostLog collects what the host writes, and finds its URL in it.
type hostLog struct {
	mu   sync.Mutex
	text bytes.Buffer
	url  chan string // gets one value
	told bool
}

var listening = regexp.MustCompile(`Listening at: (http://\S+)`)

func (l *hostLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if m := listening.FindSubmatch(l.text.Bytes()); m != nil && !l.told {
		l.told = true
		l.url <- string(m[1])
	}
	return len(p), nil
}

func (l *hostLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// startHost starts the host on a free port and returns its URL. It listens by
// then, but with a START_DELAY it is not ready. When the test ends it is told
// to stop, and must do so in good order.
func startHost(t *testing.T, settings ...string) string {
	t.Helper()
	needDataset(t)
	log := &hostLog{url: make(chan string, 1)}
	cmd := exec.Command("./serve")
	cmd.Env = hostEnv(settings...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { stopHost(t, cmd, ended, log) })

	select {
	case url := <-log.url:
		return url
	case err := <-ended:
		ended <- err
		t.Fatalf("the host ended before it listened: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the host does not listen after a minute")
	}
	return ""
}

func stopHost(t *testing.T, cmd *exec.Cmd, ended <-chan error, log *hostLog) {
	_ = cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended, which the exit code tells
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the host did not end cleanly on SIGTERM: %v", err)
		}
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
		t.Error("the host does not end on SIGTERM")
	}
	if t.Failed() {
		t.Logf("the host wrote:\n%s", log)
	}
}

// waitReady waits until the host's ping is answered with 200.
func waitReady(t *testing.T, url string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(url + "/ping")
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("%s/ping is not answered with 200 after a minute", url)
}
