package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers/reference"
)

const hostHelp = `Start a small reference host that follows the container contract, for trying
things out. It can be slow or faulty on purpose. You can check its model by hand:
  ` + reference.Model + `

The host takes and answers text/csv, application/jsonlines and application/json.

The argument serve has no effect. SageMaker starts containers with it, so an image
can run batchmill host; there, use --listen 0.0.0.0:8080.`

const hostExample = `  batchmill host --latency 20ms --jitter 10ms
  batchmill host --listen 127.0.0.1:8081 --fault-rate 0.05 --fault 503 --fault reset`

func (a *app) hostCommand() *cobra.Command {
	var (
		listen  string
		options reference.Options
		faults  []string
		maxBody job.Bytes
	)
	cmd := &cobra.Command{
		Use:     "host [serve] [flags]",
		Short:   "run a small reference host, slow or faulty on purpose",
		Long:    hostHelp,
		Example: hostExample,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "serve" {
				return nil
			}
			return noArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range faults {
				f, err := reference.ParseFault(name)
				if err != nil {
					return usageError("", "--fault: %w", err)
				}
				options.FaultKinds = append(options.FaultKinds, f)
			}
			options.MaxBody = int64(maxBody)
			return a.serveHost(cmd.Context(), listen, options)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&listen, "listen", "127.0.0.1:8080", "ADDRESS\taddress to listen on; port 0 takes a free one")
	bindModel(f, &options)
	f.TextVar(&maxBody, "max-body", job.Bytes(0), "SIZE\tlargest payload; above it, answer 413 (default no limit)")
	f.Lookup("max-body").DefValue = ""
	f.Float64Var(&options.FaultRate, "fault-rate", 0, "SHARE\tshare of invocations that fail on purpose, 0 to 1")
	f.StringArrayVar(&faults, "fault", nil, fmt.Sprintf("KIND\tkind of fault, one of %v; repeatable (default all)", reference.Faults()))
	f.Uint64Var(&options.Seed, "seed", 0, "N\tseed for the choice of faults; the same seed repeats it")
	return cmd
}

func bindModel(f *pflag.FlagSet, o *reference.Options) {
	f.DurationVar(&o.Latency, "latency", 0, "TIME\thow long each invocation takes")
	f.DurationVar(&o.Jitter, "jitter", 0, "TIME\trandom extra time, at most this")
	f.DurationVar(&o.PerRecord, "per-record", 0, "TIME\textra time for each record of an invocation")
	f.Float64Var(&o.Growth, "growth", 0, "SHARE\tshare by which each invocation in progress lengthens a new one")
	f.IntVar(&o.MaxConcurrent, "max-concurrent", 0, "N\tinvocations at once; above it, answer 429 (default no limit)")
	f.BoolVar(&o.Queue, "queue", false, "queue invocations above --max-concurrent instead of answering 429")
	f.DurationVar(&o.ReadyAfter, "ready-after", 0, "TIME\thow long until the host is ready")
	f.BoolVar(&o.Tell, "tell", false, "answer /execution-parameters")
	f.BoolVar(&o.Objects, "objects", false, `answer JSON records with {"score":n}`)
	f.BoolVar(&o.Cheap, "cheap", false, "cost almost nothing: the answer is 0.d, d the last digit of the first field")
	f.StringVar(&o.BadValue, "bad-value", "", "TEXT\tfail with 500 every payload that contains TEXT")
}

// serveHost serves until ctx ends, which is how this command is meant to end.
func (a *app) serveHost(ctx context.Context, address string, o reference.Options) error {
	model, err := reference.New(o)
	if err != nil {
		return usageError("", "%w", err)
	}
	server, err := startHost(address, model)
	if err != nil {
		return usageError("choose another --listen, or stop what listens there", "%w", err)
	}
	defer server.close()
	fmt.Fprintf(a.stdout, "listening on %s\n%s\n", server.url, reference.Model)
	if !server.local {
		a.notice("other machines can reach this host; --listen 127.0.0.1:8080 keeps it to this one")
	}
	select {
	case err := <-server.failed:
		return err
	case <-ctx.Done():
		requests, records := model.Served()
		fmt.Fprintf(a.stdout, "served %s and %s\n", plural(requests, "request"), plural(records, "record"))
		return ctx.Err()
	}
}

// localHost is a host that this process serves.
type localHost struct {
	url    string
	local  bool // reachable from this machine only
	server *http.Server
	failed chan error // gets the error that ended serving, or is closed
}

// startHost listens on address and serves h. Close it.
func startHost(address string, h http.Handler) (*localHost, error) {
	return startServer(address, &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute})
}

// startServer listens on address and lets server serve there; on a loopback
// address only what asks for a local name. Close it.
func startServer(address string, server *http.Server) (*localHost, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	at, ok := l.Addr().(*net.TCPAddr)
	local := ok && at.IP.IsLoopback()
	if local {
		server.Handler = onlyLocalNames(server.Handler)
	}
	s := &localHost{url: "http://" + l.Addr().String(), local: local, failed: make(chan error, 1), server: server}
	caught.Start(func() {
		defer close(s.failed)
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	})
	return s, nil
}

// close ends serving, requests in flight included, and waits until nothing listens.
func (s *localHost) close() {
	_ = s.server.Close()
	for range s.failed {
		continue // until it is closed
	}
}

// onlyLocalNames refuses requests whose Host is a name from outside: a web page
// could otherwise reach a loopback listener through a name of its own.
func onlyLocalNames(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			name = r.Host
		}
		if ip := net.ParseIP(name); name != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this host answers to local names only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
