package main

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/container"
	"github.com/batchmill/batchmill/workers/hostlog"
	"github.com/batchmill/batchmill/workers/resolve"
)

// idleConnections is how many a host keeps at least: more than are in use cost
// nothing, fewer than are in use would be dialed again and again.
const idleConnections = 64

// fleet is what a job's hosts are or come from, and how to be done with them.
type fleet struct {
	workers.Fleet
	names   []string     // of hosts and sources, as a plan shows them
	logs    *hostlog.Dir // of hosts that are started
	closers []func()

	containers *container.Fleet // nil without --image
}

// openFleet makes the fleet that spec names; nothing is started or sent yet.
// Close it when no job uses it any more.
func (a *app) openFleet(ctx context.Context, spec *transform.Spec) (_ *fleet, err error) {
	f := &fleet{logs: hostLogs(spec.Output)}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if err := checkRedacted(spec); err != nil {
		return nil, err
	}
	options := hostOptions(spec)
	if err := a.addNamed(f, spec, options); err != nil {
		return nil, err
	}
	if spec.Command != "" {
		if err := a.addProcesses(f, spec, options); err != nil {
			return nil, err
		}
	}
	if spec.Image != "" {
		return f, a.addContainers(ctx, f, spec, options)
	}
	return f, nil
}

// hostOptions are what all hosts of spec have in common.
func hostOptions(spec *transform.Spec) workers.HTTPOptions {
	inFlight := int(spec.Concurrency) // 0 is auto, which may go as far as
	if inFlight == 0 {
		inFlight = cmp.Or(spec.MaxConcurrency, workers.DefaultMaxConcurrency)
	}
	return workers.HTTPOptions{Timeout: time.Duration(spec.Timeout), MaxResponse: int64(spec.MaxResponse), MaxConns: max(idleConnections, inFlight)}
}

// addNamed adds what --host names.
func (a *app) addNamed(f *fleet, spec *transform.Spec, o workers.HTTPOptions) error {
	o, err := a.access(spec, o)
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
			return usageError("", "%w", err)
		}
		warned = warned || a.warnOfPlainText(spec, address)
	}
	return nil
}

// addAddress adds the host, or the source of hosts, that an address is.
func (f *fleet) addAddress(address workers.Address, o workers.HTTPOptions) error {
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
	f.names = append(f.names, s.Name())
	f.closers = append(f.closers, s.Close)
	return nil
}

// add adds a host that is closed with the fleet.
func (f *fleet) add(h workers.Host, closer func()) {
	f.Hosts = append(f.Hosts, h)
	f.names = append(f.names, h.Name())
	f.closers = append(f.closers, closer)
}

func (f *fleet) close() {
	for _, c := range f.closers {
		c()
	}
	_ = f.logs.Close() // at worst a temporary folder stays
}

// headers resolves what --host-header names.
func (a *app) headers(list []string) ([]workers.HeaderValue, error) {
	var headers []workers.HeaderValue
	for _, h := range list {
		name, source, ok := strings.Cut(h, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			return nil, usageError("write NAME=@FILE or NAME=$VARIABLE", "--host-header: no name and source")
		}
		value, err := a.secret(name, source)
		if err != nil {
			return nil, err
		}
		headers = append(headers, workers.HeaderValue{Name: name, Value: value})
	}
	return headers, nil
}

// secret reads a header's value. No error repeats a value.
func (a *app) secret(name, source string) (string, error) {
	flag := "--host-header " + name
	file, value, err := a.origin(flag, name+"=", source)
	if err != nil || file == "" {
		return value, err
	}
	if value, err = workers.ReadSecret(file); err != nil {
		return "", usageError("put the header's value into that file", "%s: %w", flag, err)
	}
	return value, nil
}
