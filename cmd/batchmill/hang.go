package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/transform/job"
)

const (
	// lastSecond is how long a job may take to end after its grace.
	lastSecond = 750 * time.Millisecond
	// hostsEnd is how long hosts that were started for the job may take to end, too.
	hostsEnd = 25 * time.Second
)

// errHung says that a job did not end when it was told to.
var errHung = errors.New("a disk, a bucket or an engine does not answer, so the job was left behind as it was")

// withinGrace calls do, and waits for its end. Once ctx has ended, it waits at most for
// the grace and what comes on top: a system call on a disk that hangs returns to nobody, and
// ends only with the process. What the log holds by then is as after a crash.
func withinGrace(ctx context.Context, spec *job.Spec, do func() error) error {
	done := make(chan error, 1)
	caught.Start(func() { done <- caught.Err(do) })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	most := time.Duration(spec.Grace) + lastSecond
	if spec.Image != "" || spec.Command != "" {
		most += hostsEnd
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("%w; %w", errHung, context.Canceled)
	}
}
