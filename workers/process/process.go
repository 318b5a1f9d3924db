package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/hostlog"
)

// Options describe processes. Command is needed.
type Options struct {
	// Command is a command line; see [Split]. The process is started without a
	// shell, with batchmill's environment and SAGEMAKER_BIND_TO_PORT and PORT.
	Command string
	// Replicas is how many processes there are; 0 is one.
	Replicas int
	// Program is what this program calls itself: its guards are called the same.
	// It must call [Guard] when its first argument is [GuardCommand]. "" is batchmill.
	Program string
	// Logs is where what they print goes; nil is a temporary folder.
	Logs *hostlog.Dir
	// HTTP describes the hosts. Its URL, Dial and Name are not used.
	HTTP workers.HTTPOptions
}

// Validate names what is wrong with the command, or that its program is not there.
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

// A Host is a process that listens on a port of 127.0.0.1, another one each
// time it starts. It is a [workers.Kept] host.
type Host struct {
	*workers.HTTPHost
	number int
	words  []string
	logs   *hostlog.Dir
	ports  *ports
	run    func(ctx context.Context, port int, log *hostlog.Log) error

	served atomic.Bool // the process has answered well

	mu    sync.Mutex
	port  int   // 0 while there is no process
	state error // why there is none, or how the one before ended; nil for the first
}

var _ workers.Kept = (*Host)(nil)

// NewHosts makes the hosts that o describes; nothing is started yet. Close them
// when they are not needed any more.
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
	h := &Host{number: number, words: words, logs: o.Logs, ports: shared, state: errors.New("it has not been started yet")}
	program := cmp.Or(o.Program, "batchmill")
	h.run = func(ctx context.Context, port int, log *hostlog.Log) error {
		return child(ctx, program, words, port, log)
	}
	o.HTTP.URL = "http://localhost"
	o.HTTP.Dial = h.dial
	o.HTTP.Name = fmt.Sprintf("process://%d (%s)", number, Program(o.Command))
	var err error
	h.HTTPHost, err = workers.NewHTTPHost(o.HTTP)
	return h, err
}

// Invoke is that of [workers.HTTPHost]; it notes that the process is good for something.
func (h *Host) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	resp, err := h.HTTPHost.Invoke(ctx, r)
	if err == nil && resp.Status/100 == 2 {
		h.served.Store(true)
	}
	return resp, err
}

// dial connects to the process that there is now.
func (h *Host) dial(ctx context.Context) (net.Conn, error) {
	h.mu.Lock()
	port, state := h.port, h.state
	h.mu.Unlock()
	if port == 0 {
		return nil, fmt.Errorf("there is no process: %w", state)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil && state != nil {
		err = fmt.Errorf("%w: the process before this one: %w", err, state)
	}
	return conn, err
}

// at notes the port of the process that there is, or, with 0, why there is
// none. The state of one that is there is how the one before it ended.
func (h *Host) at(port int, state error) {
	h.mu.Lock()
	h.port, h.state = port, state
	h.mu.Unlock()
	if port == 0 {
		h.HTTPHost.Close() // what is idle leads nowhere
	}
}

// ports are the ports that hosts of one fleet listen on. A port is free when
// the system gives it out and may be taken before the process has it; the
// process fails then and is started again, with another one.
type ports struct {
	mu    sync.Mutex
	taken map[int]bool
}

// take finds a free port that none of the others has.
func (p *ports) take() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return 0, err
		}
		if !p.taken[port] {
			p.taken[port] = true
			return port, nil
		}
	}
	return 0, errors.New("no free port is left")
}

func (p *ports) giveBack(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, port)
}

// firstPause and longestPause bound the pause before a process is started
// again; steady is how long one must have run for its end not to count.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 30 * time.Second
	steady       = time.Minute
	// restarts is how often in a row a process is started again.
	restarts = 5
)
