package plan

import (
	"errors"
	"testing"

	"github.com/batchmill/batchmill/transform/job"
)

// jsonSpec is a job of JSON Lines in memory.
func jsonSpec(t *testing.T) job.Spec {
	t.Helper()
	spec := job.Spec{Input: []string{"mem:in"}, Output: "mem:out", InputFormat: "jsonl", Join: "input"}
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	return spec
}

// closePlan closes the plan at the end of a test.
func closePlan(t *testing.T, p *Plan) *Plan {
	t.Helper()
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// failureOf is the failure that err is; an internal failure where it is none.
func failureOf(err error) job.Failure {
	var failure *job.Failure
	if errors.As(err, &failure) {
		return *failure
	}
	return job.Failure{Class: job.Internal, Err: err}
}
