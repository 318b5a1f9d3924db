// Package fleet makes the hosts that a [job.Spec] names: by URL, from a command,
// from an image. [Open] is the one call; what it returns goes to transform.Run.
package fleet

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/container"
	"github.com/batchmill/batchmill/workers/hostlog"
	"github.com/batchmill/batchmill/workers/process"
	"github.com/batchmill/batchmill/workers/resolve"
)

// idleConnections is how many connections a host keeps at least: idle connections
// cost nothing, and connections that are not kept would be dialed again and again.
const idleConnections = 64

// Options say where a fleet takes what a spec does not hold. The zero value works.
type Options struct {
	// LookupEnv finds the variables that a spec names; nil is os.LookupEnv.
	LookupEnv func(string) (string, bool)
	// Program is the batchmill binary, which guards the processes of --command;
	// "" is the program that runs.
	Program string
	// Hide is given what returns the secrets that hosts are shown, for no message may
	// hold one of them. Nil keeps nothing from messages.
	Hide func(secrets func() []string)
	// Notice is told what happens beside the job, from any goroutine: text of
	// containers, and warnings. Nil drops the notices.
	Notice func(string)
}

// A Fleet is what a job's hosts are or come from. Its hosts start when a job runs
// with it, and end with the job. A Fleet must be closed.
type Fleet struct {
	workers.Fleet
	Names []string // of hosts and sources, in the spec's order

	options    Options
	logs       *hostlog.Dir // of hosts that are started
	containers *container.Fleet
	closers    []func()
}

// Open makes the fleet that spec names, which must be valid. Open starts and sends
// nothing, but looks for the image and the container engine where the spec has an image. Errors
// are a *[job.Failure], with what to do, or ctx's.
func Open(ctx context.Context, spec *job.Spec, o Options) (_ *Fleet, err error) {
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	if o.Program == "" {
		o.Program, _ = os.Executable() // only --command needs it, and says so
	}
	f := &Fleet{options: o, logs: hostLogs(spec.Output)}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	http := httpOptions(spec)
	http.Notice = o.Notice
	if err := f.addNamed(spec, http); err != nil {
		return nil, err
	}
	if spec.Command != "" {
		if err := f.addProcesses(spec, http); err != nil {
			return nil, err
		}
	}
	if spec.Image != "" {
		return f, f.addContainers(ctx, spec, http)
	}
	return f, nil
}

// Prepare makes ready for a run of p, with which nothing has begun yet. Where hosts
// are containers, Prepare binds p to their image, and removes what killed runs left.
func (f *Fleet) Prepare(ctx context.Context, p *plan.Plan) {
	if f.containers == nil {
		return
	}
	p.SetImage(f.containers.Image())
	if err := f.containers.Sweep(ctx); err != nil && ctx.Err() == nil {
		f.options.Notice("what an earlier run left could not be removed: " + err.Error())
	}
}

// Close gives back connections and logs. No job may use the fleet any more.
func (f *Fleet) Close() {
	for _, c := range f.closers {
		c()
	}
	_ = f.logs.Close() // at worst a temporary folder stays
}

// hostLogs is where the logs of started hosts go: to the job's working state, or
// where that is not on disk to a temporary folder.
func hostLogs(output string) *hostlog.Dir {
	if output == "" || strings.HasPrefix(output, "s3://") {
		return hostlog.Temporary()
	}
	return hostlog.At(filepath.Join(output, plan.WorkDir, "hosts"))
}

// httpOptions are what all hosts of spec have in common.
func httpOptions(spec *job.Spec) workers.HTTPOptions {
	inFlight := int(spec.Concurrency) // 0 is auto, which may go as far as MaxConcurrency
	if inFlight == 0 {
		inFlight = cmp.Or(spec.MaxConcurrency, workers.DefaultMaxConcurrency)
	}
	return workers.HTTPOptions{Timeout: time.Duration(spec.Timeout), MaxResponse: int64(spec.MaxResponse), MaxConns: max(idleConnections, inFlight),
		NewConnections: spec.NoKeepAlive}
}

// addNamed adds what --host names.
func (f *Fleet) addNamed(spec *job.Spec, o workers.HTTPOptions) error {
	o, err := f.access(spec, o)
	if err != nil {
		return err
	}
	warned := false
	for _, host := range spec.Hosts {
		address, err := workers.ParseAddress(host)
		if err == nil {
			err = f.addAddress(address, o)
		}
		if err != nil {
			return job.Usagef("", "%w", err)
		}
		warned = warned || f.warnOfPlainText(spec, address)
	}
	return nil
}

// addAddress adds the host, or the source of hosts, that an address is.
func (f *Fleet) addAddress(address workers.Address, o workers.HTTPOptions) error {
	if !address.Named() {
		h, err := address.NewHost(o)
		if err != nil {
			return err
		}
		f.add(h, h.Close)
		return nil
	}
	s, err := resolve.New(resolve.Options{Address: address, HTTP: o})
	if err != nil {
		return err
	}
	f.Sources = append(f.Sources, s)
	f.Names = append(f.Names, s.Name())
	f.closers = append(f.closers, s.Close)
	return nil
}

// add adds a host that is closed with the fleet.
func (f *Fleet) add(h workers.Host, closer func()) {
	f.Hosts = append(f.Hosts, h)
	f.Names = append(f.Names, h.Name())
	f.closers = append(f.closers, closer)
}

// addProcesses adds the hosts that --command starts. Nothing is started yet.
func (f *Fleet) addProcesses(spec *job.Spec, o workers.HTTPOptions) error {
	hosts, err := process.NewHosts(process.Options{Command: spec.Command, Replicas: spec.Replicas, Program: f.options.Program, Logs: f.logs, HTTP: o})
	if err != nil {
		return job.Usagef("", "--command: %w", err)
	}
	for _, h := range hosts {
		f.add(h, h.Close)
	}
	return nil
}
