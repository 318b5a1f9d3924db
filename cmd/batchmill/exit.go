package main

import (
	"errors"
	"syscall"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
)

// The exit codes are a contract with scripts: none of them ever changes.
const (
	exitDone       = 0
	exitInternal   = 1
	exitPartly     = 3
	exitUsage      = 64
	exitInput      = 65
	exitHosts      = 69
	exitStorage    = 74
	exitAgain      = 75
	exitInterrupt  = 130
	exitTerminated = 143
)

// exitHelp ends every help text.
const exitHelp = `Exit codes:
    0  done
    1  internal error
    3  done, with rejects or with held or failed objects
   64  usage or configuration
   65  bad input (every object failed, too many rejects, or not one answer), or verify found a difference
   69  no host available
   74  storage error
   75  interrupted or superseded, run it again
  130  stopped by SIGINT   (answers are kept; the command to continue is printed)
  143  stopped by SIGTERM  (the same)
`

// partly is the end of a job that is not an error and not a plain success
// either. It has been told by the summary already.
type partly struct{ code int }

func (*partly) Error() string { return "done in part" }

// exitCode is the one place that maps an end to a code.
func exitCode(err error) int {
	var (
		part *partly
		stop *signalError
	)
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &part):
		return part.code
	case errors.As(err, &stop):
		if stop.signal == syscall.SIGTERM {
			return exitTerminated
		}
		return exitInterrupt
	}
	switch transform.ClassOf(err) {
	case job.Usage:
		return exitUsage
	case job.BadInput:
		return exitInput
	case job.NoHosts:
		return exitHosts
	case job.Storage:
		return exitStorage
	case job.Superseded, job.Interrupted:
		return exitAgain
	}
	return exitInternal
}

// endOf judges a job that ran to its end: nil when everything is published
// without a reject, an error of the store that cost an object, else *partly.
func endOf(r *transform.Result) error {
	if r.Storage != nil {
		return &job.Failure{Class: job.Storage, Err: r.Storage,
			Hint: "fix the cause, then run the same command again: only the failed objects are retried"}
	}
	n := r.Objects
	switch {
	case n.Failed > 0 && n.Failed == n.All(), r.Manifest.Totals.Unanswered():
		return &partly{exitInput}
	case n.Published < n.All() || r.Manifest.Totals.Rejected > 0:
		return &partly{exitPartly}
	}
	return nil
}
