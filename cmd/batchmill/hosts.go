package main

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/workers"
)

// idleConnections is how many a host keeps where concurrency is not fixed: more
// than are in use cost nothing, fewer would be dialed again and again.
const idleConnections = 64

// maxHeaderFile bounds the file that a header's value is read from, in bytes.
const maxHeaderFile = 64 << 10

// fleet is what a job's hosts are or come from, and how to be done with them.
type fleet struct {
	workers.Fleet
	names   []string // of hosts and sources, as a plan shows them
	closers []func()
}

// openFleet makes the fleet that spec names; nothing is started or sent yet.
// Close it when no job uses it any more.
func (a *app) openFleet(spec *transform.Spec) (_ *fleet, err error) {
	f := new(fleet)
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	options, err := a.hostOptions(spec)
	if err != nil {
		return nil, err
	}
	for _, url := range spec.Hosts {
		options.URL = url
		if err := f.addURL(options); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// hostOptions are what all hosts of spec have in common.
func (a *app) hostOptions(spec *transform.Spec) (workers.HTTPOptions, error) {
	headers, err := a.headers(spec.HostHeader)
	return workers.HTTPOptions{Timeout: time.Duration(spec.Timeout), MaxResponse: int64(spec.MaxResponse),
		MaxConns: max(idleConnections, int(spec.Concurrency)), Headers: headers}, err
}

// addURL adds the host that one --host names.
func (f *fleet) addURL(o workers.HTTPOptions) error {
	h, err := workers.NewHTTPHost(o)
	if err != nil {
		return usageError("", "%w", err)
	}
	f.add(h, h.Close)
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
}

// headers resolves what --host-header names. A value on the command line would
// stand in the list of processes and in the shell's history, so it is refused.
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
	kind, from := "", ""
	if source != "" {
		kind, from = source[:1], source[1:]
	}
	switch {
	case kind == "@" && from != "":
		text, err := readSecret(from)
		if err != nil {
			return "", usageError("put the header's value into that file", "--host-header %s: %w", name, err)
		}
		return text, nil
	case kind == "$" && from != "":
		from = strings.TrimSuffix(strings.TrimPrefix(from, "{"), "}")
		value, ok := a.lookupEnv(from)
		if !ok {
			return "", usageError("export it, or name another one", "--host-header %s: the environment has no variable %s", name, from)
		}
		return value, nil
	}
	return "", usageError("write --host-header "+name+"=@FILE, or --host-header '"+name+"=$VARIABLE' in single quotes",
		"--host-header %s: its value stands on the command line, where other processes and the shell's history can see it", name)
}

// readSecret reads a small file, less the line end that editors leave.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxHeaderFile))
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}
