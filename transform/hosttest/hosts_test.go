package hosttest

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
)

// TestMain lets many rows run at once, for they mostly wait.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "24"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// A row is one way for a host to be odd or hostile, and how the job may end.
type row struct {
	name string
	play func(t *turn) bool // answers a request; false ends the connection
	when func(t *turn) bool // which requests play answers; nil for all
	want want

	echo  bool // responses name their request by its Idempotency-Key
	equal bool // the answers to all records are the same
	think time.Duration
	// behind: a response waits for the late texts of those before, so that none comes after the
	// job's end, however busy the machine is.
	behind bool

	spec     func(*job.Spec)
	options  func(*workers.HTTPOptions)
	path     string                   // of the URL; "" is /invocations, "-" the container contract
	scheme   string                   // "" is http
	server   *tls.Config              // nil for no TLS
	accept   func(h *host)            // in place of accepting connections
	raw      func(h *host, w *wire)   // in place of reading requests
	greeting string                   // said before any request, and known to have come before it
	unread   func(t *turn) (end bool) // called before the request's body is read
}

// want is how a row's job may end.
type want struct {
	whole   bool  // with the right answer to every record but the rejects
	rejects []int // ids
	classes []job.Class
	says    string // what the refusal says
	seen    bool   // outputs that were published before the refusal may hold what is in doubt
	hole    bool   // nothing shows that answers are wrong: docs/security.md says so
}

func (w want) String() string {
	var all []string
	if w.whole {
		all = append(all, "whole")
	}
	for _, c := range w.classes {
		all = append(all, classNames[c])
	}
	return strings.Join(all, " or ")
}

// The ways to end.
var (
	whole = want{whole: true}
	// either: odd enough to be refused, and right if taken.
	either = want{whole: true, classes: []job.Class{job.BadInput, job.NoHosts}}
	// doubted: right, or refused because answers are in doubt.
	doubted = want{whole: true, classes: []job.Class{job.NoHosts, job.Superseded}, says: "sends more than", seen: true}
)

func rejects(ids ...int) want           { return want{whole: true, rejects: ids} }
func refused(classes ...job.Class) want { return want{classes: classes} }
func every(n int) func(*turn) bool      { return func(t *turn) bool { return t.total%n == 0 } }
func first(n int) func(*turn) bool      { return func(t *turn) bool { return t.total <= n } }
func about(id int) func(*turn) bool {
	return func(t *turn) bool { return strings.Contains(t.answer, strconv.Itoa(id)) }
}
func attempts(n int) func(*job.Spec) { return func(s *job.Spec) { s.Attempts = n } }

// forgiving waits for a host that comes back.
func forgiving(s *job.Spec) { s.Attempts = 20 }

func timeout(d time.Duration) func(*workers.HTTPOptions) {
	return func(o *workers.HTTPOptions) { o.Timeout = d }
}

// TestHosts runs the job of every row, and prints how the jobs ended.
func TestHosts(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var table []string
	rows := rows(t)
	ends := make([]string, len(rows))
	t.Run("row", func(t *testing.T) {
		for i := range rows {
			if testing.Short() && i%quick != 0 {
				continue
			}
			t.Run(rows[i].name, func(t *testing.T) {
				t.Parallel()
				said := runRow(t, &rows[i])
				mu.Lock()
				ends[i] = said
				mu.Unlock()
			})
		}
	})
	for i, said := range ends {
		if said != "" {
			table = append(table, fmt.Sprintf("%-72s %s", rows[i].name, said))
		}
	}
	t.Attr("host_modes", strconv.Itoa(len(table)))
	t.Logf("%d modes\n%s", len(table), strings.Join(table, "\n"))
}

// quick: every such row is run in a short test.
const quick = 3

// runRow runs one row, and tells how its job ended.
func runRow(t *testing.T, r *row) string {
	h := serve(t, r)
	o := workers.HTTPOptions{URL: r.url(h), Timeout: patient, MaxConns: 8}
	if r.options != nil {
		r.options(&o)
	}
	if r.greeting != "" {
		o.Dial = func(ctx context.Context) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", h.Addr().String())
			<-h.greeted
			return c, err
		}
	}
	client, err := workers.NewHTTPHost(o)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	j := newRun(t, r)
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	began := time.Now()
	_, err = j.do(ctx, lingering{client, r})
	took := time.Since(began)
	if ctx.Err() != nil {
		t.Fatalf("not ended within %v: %v", bound, err)
	}
	e := j.look(r, err)
	if fault := e.check(r); fault != nil {
		t.Errorf("after %d requests: %v", h.asked(), fault)
	}
	return fmt.Sprintf("%s (%d requests, %.1f s)", e, h.asked(), took.Seconds())
}

// A lingering host gives a busy machine time to send the true response before the last look, where a
// copy may have been taken for that: no client can wait for ever. How long a client waits is tested in http1.
type lingering struct {
	*workers.HTTPHost
	row *row
}

// Examine waits before it looks.
func (l lingering) Examine(ctx context.Context) {
	if l.row.want.seen {
		_ = workers.Sleep(ctx, time.Second)
	}
	l.HTTPHost.Examine(ctx)
}

func (r *row) url(h *host) string {
	scheme, path := r.scheme, r.path
	if scheme == "" {
		scheme = "http"
	}
	switch path {
	case "":
		path = "/invocations"
	case "-":
		path = ""
	}
	return scheme + "://" + h.Addr().String() + path
}
