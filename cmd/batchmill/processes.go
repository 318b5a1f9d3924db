package main

import (
	"path/filepath"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/hostlog"
	"github.com/batchmill/batchmill/workers/process"
)

// addProcesses adds the hosts that --command starts. Nothing is started yet.
func (a *app) addProcesses(f *fleet, spec *transform.Spec, o workers.HTTPOptions) error {
	hosts, err := process.NewHosts(process.Options{Command: spec.Command, Replicas: spec.Replicas, Program: a.program, Logs: f.logs, HTTP: o})
	if err != nil {
		return usageError("", "--command: %w", err)
	}
	for _, h := range hosts {
		f.add(h, h.Close)
	}
	return nil
}

// hostLogs is where the logs of started hosts go: to the job's working state, or
// where that is not on disk to a temporary folder.
func hostLogs(output string) *hostlog.Dir {
	if output == "" || isS3(output) {
		return hostlog.Temporary()
	}
	return hostlog.At(filepath.Join(output, "_batchmill", "hosts"))
}
