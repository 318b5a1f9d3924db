package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/batchmill/batchmill/internal/sink"
	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
)

func TestOnlyLoopbackAddressesAreTaken(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"127.0.0.1:9090", "127.0.0.1:9090"},
		{"127.1.2.3:0", "127.1.2.3:0"},
		{"localhost:9090", "127.0.0.1:9090"},
		{"[::1]:9090", "[::1]:9090"},
		{"[::ffff:127.0.0.1]:80", "127.0.0.1:80"},
	} {
		if got, err := parseLoopback(c.in); got != c.want || err != nil {
			t.Errorf("%q: %q, %v; want %q", c.in, got, err, c.want)
		}
	}
	for in, why := range map[string]string{
		"":                  "not an address and a port",
		"9090":              "not an address and a port",
		"127.0.0.1":         "not an address and a port",
		"::1:9090":          "not an address and a port",
		":9090":             `":9090" is not a loopback address`,
		"0.0.0.0:9090":      "write 127.0.0.1:9090",
		"[::]:7":            "write 127.0.0.1:7",
		"10.0.0.7:9090":     "not a loopback address",
		"example.com:9090":  "not a loopback address",
		"localhost.evil:90": "not a loopback address",
		"127.1:9090":        "not a loopback address",
		"127.0.0.1:http":    "not a port",
		"127.0.0.1:65536":   "not a port",
		"127.0.0.1:-1":      "not a port",
	} {
		if got, err := parseLoopback(in); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %q, %v; want an error that says %s", in, got, err, why)
		}
	}
}

// scrape reads metrics as Prometheus does, and holds their names and texts to its conventions.
func scrape(t *testing.T, url string) families {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %s", url, resp.Status, err, text)
	}
	problems, err := promlint.New(strings.NewReader(string(text))).Lint()
	if err != nil || len(problems) > 0 {
		t.Fatalf("%v, %v in\n%s", err, problems, text)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	f, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return f
}

// announced finds the metrics' address in what is written to it.
type announced struct {
	mu   sync.Mutex
	text strings.Builder
	url  chan string
}

var metricsURL = regexp.MustCompile(`(?m)^batchmill: metrics at (http://\S+)$`)

func (a *announced) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	told := metricsURL.MatchString(a.text.String())
	a.text.Write(p)
	if m := metricsURL.FindStringSubmatch(a.text.String()); m != nil && !told {
		a.url <- m[1]
	}
	return len(p), nil
}

func (a *announced) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.String()
}

// heldHost is ready when ready is closed, and answers the first request at once,
// the others when more is closed.
type heldHost struct {
	ready, more chan struct{}
	asked       atomic.Int64
}

func (h *heldHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		select {
		case <-h.ready:
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	if h.asked.Add(1) > 1 {
		select {
		case <-h.more:
		case <-r.Context().Done():
		}
	}
	w.Header().Set("Content-Type", "text/csv")
	_, _ = io.WriteString(w, "1\n")
}

// A running job can be scraped before a host is ready and while it is asked, and
// not any more once it has ended.
func TestScrapeOfARunningJob(t *testing.T) {
	h := &heldHost{ready: make(chan struct{}), more: make(chan struct{})}
	host, err := startHost("127.0.0.1:0", h)
	if err != nil {
		t.Fatal(err)
	}
	defer host.close()
	defer http.DefaultClient.CloseIdleConnections()
	dir := t.TempDir()
	in := filepath.Join(dir, "in.csv")
	if err := os.WriteFile(in, []byte("1,2\n3,4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	con, err2 := newConsole(), &announced{url: make(chan string, 1)}
	con.stderr = sink.New(err2)
	ended := make(chan int, 1)
	go func() {
		ended <- con.run(t.Context(), []string{"run", "--input", in, "--output", filepath.Join(dir, "out"), "--host", host.url,
			"--batch-records", "1", "--concurrency", "1", "--metrics", "127.0.0.1:0"})
	}()
	var url string
	select {
	case url = <-err2.url:
	case <-time.After(hang):
		t.Fatal("no address: " + err2.String())
	}

	f := until(t, url, "batchmill_objects", 1)
	if f.value("batchmill_records_total") != 0 || f.value("batchmill_hosts", "up") != 0 {
		t.Errorf("before a host is ready: %v", f)
	}
	close(h.ready)
	until(t, url, "batchmill_records_total", 1)
	f = until(t, url, "batchmill_requests_in_flight", 1)
	checkWhileAsked(t, f, host.url)
	answersOnlyScrapes(t, url)

	close(h.more)
	if code := <-ended; code != exitDone {
		t.Errorf("exit code %d: %s", code, err2.String())
	}
	if _, err := http.Get(url); err == nil {
		t.Error("metrics are served after the job's end")
	}
	if n := strings.Count(err2.String(), url); n != 1 {
		t.Errorf("the address was told %d times", n)
	}
}

// checkWhileAsked looks at a job of 8 bytes whose one host has answered one
// request and has another one in flight.
func checkWhileAsked(t *testing.T, f families, host string) {
	t.Helper()
	for name, want := range map[string]float64{"batchmill_host_records_total": 1, "batchmill_host_up": 1, "batchmill_host_requests_in_flight": 1,
		"batchmill_host_concurrency_limit": 1, "batchmill_host_requests_total": 1} {
		if got := f.value(name, host); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := f.quantile("batchmill_host_request_duration_seconds", host, 0.99); !(got > 0) {
		t.Errorf("the answer took %v s", got)
	}
	if f.value("batchmill_input_size_bytes") != 8 || f.value("batchmill_build_info", job.Version) != 1 {
		t.Errorf("size or version is wrong: %v, %v", f["batchmill_input_size_bytes"], f["batchmill_build_info"])
	}
	for _, name := range []string{"go_goroutines", "process_start_time_seconds", "promhttp_metric_handler_errors_total"} {
		if f[name] == nil {
			t.Errorf("no %s", name)
		}
	}
}

// until scrapes until the metric has this value.
func until(t *testing.T, url, name string, want float64) families {
	t.Helper()
	for end := time.Now().Add(hang); ; time.Sleep(time.Millisecond) {
		f := scrape(t, url)
		if f.value(name) == want {
			return f
		}
		if time.Now().After(end) {
			t.Fatalf("%s is %v after %v, want %v", name, f.value(name), hang, want)
		}
	}
}

func answersOnlyScrapes(t *testing.T, url string) {
	t.Helper()
	for _, c := range []struct {
		method, url, host string
		want              int
	}{
		{http.MethodGet, url, "localhost:9090", 200},
		{http.MethodHead, url, "", 200},
		{http.MethodGet, url, "evil.example", 421},
		{http.MethodGet, url, "10.0.0.1:9090", 421},
		{http.MethodPost, url, "", 405},
		{http.MethodGet, strings.TrimSuffix(url, metricsPath) + "/", "", 404},
		{http.MethodGet, strings.TrimSuffix(url, metricsPath) + "/debug/pprof/", "", 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s %s, Host %q: status %d, want %d", c.method, c.url, c.host, resp.StatusCode, c.want)
		}
	}
}

// A job that has not begun, or never will, has metrics too.
func TestScrapeBeforeTheJob(t *testing.T) {
	server := httptest.NewServer(metricsHandler(new(transform.Progress)))
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	f := scrape(t, server.URL+metricsPath)
	for _, state := range []string{"up", "down", "dropped"} {
		if got := f.value("batchmill_hosts", state); got != 0 {
			t.Errorf("%v hosts are %s", got, state)
		}
	}
	if f.value("batchmill_records_total") != 0 || f["batchmill_host_up"] != nil {
		t.Errorf("a job that has not begun: %v", f)
	}
}

// A port that is taken is found before anything is sent or written, and the job does not go on without metrics.
func TestMetricsPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var asked atomic.Int64
	host, err := startHost("127.0.0.1:0", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	if err != nil {
		t.Fatal(err)
	}
	defer host.close()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.csv"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte("1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	con := newConsole()
	code := con.run(t.Context(), []string{"run", "--input", in, "--output", out, "--host", host.url, "--metrics", l.Addr().String()})
	if code != exitUsage || !strings.Contains(con.err.String(), "address already in use") || !strings.Contains(con.err.String(), "hint: choose another port for --metrics") {
		t.Errorf("exit code %d: %s", code, con.err.String())
	}
	if _, err := os.Stat(out); err == nil || asked.Load() > 0 {
		t.Errorf("something was written or asked: %v, %d", err, asked.Load())
	}
}
