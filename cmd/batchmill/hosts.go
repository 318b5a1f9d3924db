package main

import (
	"context"

	"github.com/batchmill/batchmill/internal/sink"
	"github.com/batchmill/batchmill/transform/fleet"
	"github.com/batchmill/batchmill/transform/job"
)

// notice tells on stderr what happens beside the job. notice may be called at any
// time, from any goroutine; text may come from a container.
func (a *app) notice(text string) { a.stderr.Tell(sink.Message{Notice: text}) }

// openFleet makes the fleet that spec names; nothing is started or sent yet.
func (a *app) openFleet(ctx context.Context, spec *job.Spec) (*fleet.Fleet, error) {
	if err := checkRedacted(spec); err != nil {
		return nil, err
	}
	return fleet.Open(ctx, spec, fleet.Options{LookupEnv: a.lookupSecret, Program: a.program, Notice: a.notice, Hide: a.stderr.Hide})
}
