package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/hostlog"
)

// Options describe the processes of one job. Command is needed.
type Options struct {
	// Command is a command line; see [Split]. The process starts without a shell,
	// with batchmill's environment and the variables SAGEMAKER_BIND_TO_PORT and PORT.
	Command string
	// Replicas is the number of processes; 0 is one.
	Replicas int
	// Program is the name of this program, which its guards show as theirs; "" is
	// batchmill. The program must call [Guard] when its first argument is [GuardCommand].
	Program string
	// Logs keeps what the processes print; nil is a temporary folder.
	Logs *hostlog.Dir
	// HTTP describes the hosts. HTTP.URL, HTTP.Dial and HTTP.Name are ignored.
	HTTP workers.HTTPOptions
}

// Validate says what is wrong with the options, or that the command's program is
// missing.
func (o Options) Validate() error {
	if err := supported(); err != nil {
		return err
	}
	words, err := Split(o.Command)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		return fmt.Errorf("%w: look at the name, and at PATH; no shell is used, so what only one understands needs sh -c '...'", err)
	}
	if o.Replicas < 0 {
		return fmt.Errorf("%d replicas: give a number of at least 1", o.Replicas)
	}
	return nil
}

// A Host is the [workers.Kept] host of a process that listens on a port of 127.0.0.1,
// a new port for each start.
type Host struct {
	*workers.HTTPHost
	number int
	words  []string
	logs   *hostlog.Dir
	ports  *ports
	run    func(ctx context.Context, port int, log *hostlog.Log) error

	answered atomic.Bool // the process has answered an invocation with a 2xx

	mu      sync.Mutex
	port    int       // 0 while no process runs
	began   time.Time // when the process that runs was started
	log     string    // the file with what processes printed; may be empty
	absence error     // why no process runs, or how the process before ended; nil for a first process
}

var _ workers.Kept = (*Host)(nil)

// NewHosts makes the hosts that o describes; nothing is started yet. The caller closes
// the hosts when they are not needed any more.
func NewHosts(o Options) ([]*Host, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	words, err := Split(o.Command)
	if err != nil {
		return nil, err
	}
	if o.Logs == nil {
		o.Logs = hostlog.Temporary()
	}
	shared := &ports{taken: map[int]bool{}}
	hosts := make([]*Host, max(o.Replicas, 1))
	for i := range hosts {
		if hosts[i], err = newHost(o, i+1, words, shared); err != nil {
			return nil, err
		}
	}
	return hosts, nil
}

func newHost(o Options, number int, words []string, shared *ports) (*Host, error) {
	h := &Host{number: number, words: words, logs: o.Logs, ports: shared, absence: errors.New("it has not been started yet")}
	program := cmp.Or(o.Program, "batchmill")
	h.run = func(ctx context.Context, port int, log *hostlog.Log) error {
		return runChild(ctx, program, words, port, log)
	}
	o.HTTP.URL = "http://localhost"
	o.HTTP.Dial = h.dial
	o.HTTP.Name = fmt.Sprintf("process://%d (%s)", number, Program(o.Command))
	var err error
	h.HTTPHost, err = workers.NewHTTPHost(o.HTTP)
	return h, err
}

// Invoke is that of [workers.HTTPHost], and remembers that the process has answered.
func (h *Host) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	resp, err := h.HTTPHost.Invoke(ctx, r)
	if err == nil && resp.Status/100 == 2 {
		h.answered.Store(true)
	}
	return resp, err
}

// dial connects to the process that runs now.
func (h *Host) dial(ctx context.Context) (net.Conn, error) {
	h.mu.Lock()
	port, state, began, log := h.port, h.absence, h.began, h.log
	h.mu.Unlock()
	if port == 0 {
		return nil, fmt.Errorf("there is no process: %w", state)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", loopback(port))
	if err != nil {
		err = deaf(ctx, err, port, usualPort, time.Since(began), log)
	}
	if err != nil && state != nil {
		err = fmt.Errorf("%w: the process before this one: %w", err, state)
	}
	return conn, err
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// usualPort is where a server listens that knows nothing of its variables.
const usualPort = 8080

// deaf is err with what a person needs to know of a process that does not take
// connections on its port, and whether another port, the usual one, takes some.
func deaf(ctx context.Context, err error, port, usual int, lives time.Duration, log string) error {
	text := fmt.Sprintf("the process has run for %v and does not listen on port %d, which the variables SAGEMAKER_BIND_TO_PORT and PORT name",
		lives.Round(time.Second), port)
	if log != "" {
		text += "; its log is " + log
	}
	var d net.Dialer
	if conn, refused := d.DialContext(ctx, "tcp", loopback(usual)); refused == nil {
		_ = conn.Close()
		text += fmt.Sprintf("; a program listens on port %d: if that is the process, have it take the port from a variable", usual)
	}
	return fmt.Errorf("%w: %s", err, text)
}

// setPort sets the port of the process that runs, with how the process before ended,
// or port 0 with why no process runs.
func (h *Host) setPort(port int, state error) {
	h.mu.Lock()
	h.port, h.absence, h.began = port, state, time.Now()
	h.mu.Unlock()
	if port == 0 {
		h.HTTPHost.Close() // idle connections lead to an ended process
	}
}

// ports are the ports that the hosts of one job listen on.
type ports struct {
	mu    sync.Mutex
	taken map[int]bool
}

// Ports are looked for in a range that systems do not choose from when a program listens
// on port 0 or connects (Linux begins at 32768, others at 49152). Between reserve and
// the process's own listening nothing holds the port: a server of another program that
// got it by chance would be taken for the process, and be sent the records.
const (
	lowestPort  = 20000
	highestPort = 29999
)

// reserve finds a free port that no other host has. Where another program takes the port
// before the process listens, the process fails, and is started again with another port.
func (p *ports) reserve() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for try := range 200 {
		want := lowestPort + rand.IntN(highestPort-lowestPort+1)
		if try >= 100 {
			want = 0 // the range is full, or forbidden: any port will do
		}
		port, err := freePort(want)
		switch {
		case err != nil && want == 0:
			return 0, err
		case err == nil && !p.taken[port]:
			p.taken[port] = true
			return port, nil
		}
	}
	return 0, errors.New("no free port is left")
}

// freePort is want if that port is free now, or for 0 one that the system chooses.
func freePort(want int) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(want)))
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (p *ports) release(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, port)
}

// firstPause and longestPause bound the pause before a process is started again. The
// end of a process that ran for steadyRun, and has answered, does not count.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 30 * time.Second
	steadyRun    = time.Minute
	// mostRestarts is how often in a row a process is started again.
	mostRestarts = 5
)
