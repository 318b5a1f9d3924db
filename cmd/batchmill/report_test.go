package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/internal/sink"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
)

// What several stages of a run end with is said once, in one line; what a name
// holds is not taken for a line's end.
func TestReport(t *testing.T) {
	taken := func() error {
		return &store.Error{Op: "sync", URI: "s3://bucket/out/_batchmill/log", Err: store.ErrSuperseded}
	}
	full := &store.Error{Op: "write", URI: "out/a", Err: errors.New("no space left")}
	const superseded = "batchmill: sync s3://bucket/out/_batchmill/log: a later run has taken over\n"
	for _, c := range []struct {
		name string
		err  error
		want string // before the hint
		code int
	}{
		{"one", taken(), superseded, exitAgain},
		{"twice", errors.Join(taken(), taken()), superseded, exitAgain},
		{"nested", &interruptedRun{err: errors.Join(nil, errors.Join(taken(), taken()), taken())}, superseded, exitAgain},
		{"within another", errors.Join(taken(), fmt.Errorf("a.csv: %w", taken())),
			"batchmill: a.csv: sync s3://bucket/out/_batchmill/log: a later run has taken over\n", exitAgain},
		{"two", errors.Join(full, errors.New("remove out/x: denied")), "batchmill: write out/a: no space left; remove out/x: denied\n", exitStorage},
		{"a name with a line's end", &job.Failure{Class: job.BadInput, Err: errors.New("a\na: bad")}, "batchmill: a\\na: bad\n", exitInput},
		{"joined in words", fmt.Errorf("%w, then %w", full, context.Canceled), "batchmill: write out/a: no space left, then context canceled\n", exitStorage},
	} {
		var b bytes.Buffer
		(&app{stderr: sink.New(&b)}).report(c.err)
		if got, hint, _ := strings.Cut(b.String(), "  hint: "); got != c.want || strings.Count(hint, "\n") > 1 {
			t.Errorf("%s: %q", c.name, b.String())
		}
		if code := exitCode(c.err); code != c.code {
			t.Errorf("%s: exit code %d", c.name, code)
		}
	}
}
