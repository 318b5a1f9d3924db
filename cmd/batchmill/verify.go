package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/ordered"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

func (a *app) verifyCommand() *cobra.Command {
	where := new(job.Spec)
	cmd := &cobra.Command{
		Use:   "verify OUTPUT [flags]",
		Short: "read everything a manifest names, and compare",
		Long: `Read every output and rejects file that the manifest in OUTPUT names, compare
sizes and checksums, and check that the counts add up. The first difference ends
the command with exit code 65. OUTPUT may have been moved since it was written.`,
		Example: "  batchmill verify out/\n  batchmill verify s3://bucket/scored/",
		Args:    oneOutput,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.verify(cmd.Context(), outputAt(where, args[0]))
		},
	}
	cmd.Flags().AddFlagSet(s3Flags(where))
	return cmd
}

func (a *app) verify(ctx context.Context, where *job.Spec) error {
	out, done, err := peek(ctx, where)
	if err != nil {
		return err
	}
	defer done()
	if plan.Unmade(out) {
		return noJob(where.Output)
	}
	// Read twice: what is wrong with its sums is told before anything else is
	// read, and what its names begin with may stand behind them.
	var checker manifest.Checker
	m, pin, err := readManifest(ctx, out, func(o *manifest.Object) error {
		checker.Object(o)
		return nil
	})
	if err != nil {
		return err
	}
	if err := checker.Check(m); err != nil {
		return badManifest(out, err)
	}
	v := newVerification(out, plan.RecordedOutput(m))
	again, err := v.all(ctx, out)
	if err != nil {
		return err
	}
	if pin != again {
		return &job.Failure{Class: job.Storage, Err: fmt.Errorf("%s changed while it was read", out.URI(plan.ManifestName)), Hint: "verify it again"}
	}
	files, bytes := v.read()
	fmt.Fprintf(a.stdout, "verified: %s (%s of outputs) are what the manifest says: records in %s, out %s, rejected %s; blank lines %s%s\n",
		plural(files, "file"), size(float64(bytes)), grouped(m.Totals.In), grouped(m.Totals.Out), grouped(m.Totals.Rejected), grouped(m.Totals.Blank), skippedLines(m))
	writeLimit(a.stdout, m.Limit)
	return nil
}

// skippedLines tells of lines that were passed over, where there are any.
func skippedLines(m *manifest.Manifest) string {
	if m.Totals.SkippedLines == 0 {
		return ""
	}
	return "; skipped lines " + grouped(m.Totals.SkippedLines)
}

// readManifest reads the manifest of an output as manifest.Read does, and
// tells which version of it was read. It must be there.
func readManifest(ctx context.Context, out store.Store, each func(*manifest.Object) error) (*manifest.Manifest, store.Info, error) {
	m, info, err := ledger.ReadManifest(ctx, out, each)
	if err == nil && m == nil {
		err = usageError("it is written when every object is settled; finish the job first", "%s is not there", out.URI(plan.ManifestName))
	}
	return m, info, err
}

func badManifest(out store.Store, err error) error {
	return &job.Failure{Class: job.BadInput, Err: fmt.Errorf("%s: %w", out.URI(plan.ManifestName), err)}
}

// differs sorts what a verification ends with: a difference, or a file that cannot be read.
func differs(err error) error {
	var d *manifest.Difference
	var outside *outsideError
	switch {
	case errors.As(err, &d):
		return &job.Failure{Class: job.BadInput, Err: err, Hint: "to make the outputs again, run the job with --overwrite"}
	case errors.As(err, &outside):
		return &job.Failure{Class: job.BadInput, Err: err}
	case errors.Is(err, context.Canceled):
		return err
	}
	return &job.Failure{Class: job.Storage, Err: err}
}

// errFound ends the reading of a manifest once a difference was found.
var errFound = errors.New("a difference was found")

// A verification compares objects with their files: one at a time, or as many
// as a distant store wants.
type verification struct{ free chan *manifest.Verifier }

// newVerification verifies files of an output. A manifest is input, and must
// not lead out of it: its names are those below written, what the output
// was called then, and are looked for below what it is now.
func newVerification(out store.Store, written string) *verification {
	open := func(ctx context.Context, uri string) (io.ReadCloser, error) {
		name, ok := plan.OutputName(written, uri)
		if !ok {
			return nil, &outsideError{uri}
		}
		f, _, err := out.Open(ctx, name)
		return f, err
	}
	n := 1
	if d, ok := out.(store.Distant); ok {
		n = d.Concurrency()
	}
	v := &verification{make(chan *manifest.Verifier, n)}
	for range n {
		v.free <- manifest.NewVerifier(open)
	}
	return v
}

// outsideError is a manifest that names a file outside of its output.
type outsideError struct{ uri string }

func (e *outsideError) Error() string {
	return fmt.Sprintf("the manifest names %s, which is not in its output", e.uri)
}

// all compares every object of the output's manifest, and tells which version of
// that was read. The error is about the first object, in the manifest's order, that differs from its files.
func (v *verification) all(ctx context.Context, out store.Store) (read store.Info, err error) {
	objects := func(yield func(*manifest.Object, error) bool) {
		var err error
		_, read, err = readManifest(ctx, out, func(o *manifest.Object) error {
			if !yield(copied(o), nil) {
				return errFound
			}
			return nil
		})
		if err != nil && !errors.Is(err, errFound) {
			yield(nil, err)
		}
	}
	compare := func(ctx context.Context, o *manifest.Object) (difference, _ error) {
		one := <-v.free
		defer func() { v.free <- one }()
		return one.Object(ctx, o), nil
	}
	for difference, err := range ordered.Map(ctx, cap(v.free), objects, compare, nil) {
		if err != nil {
			return read, err
		}
		if difference != nil {
			return read, differs(difference)
		}
	}
	return read, nil
}

func copied(o *manifest.Object) *manifest.Object {
	own := *o
	if o.Output != nil {
		out := *o.Output
		own.Output = &out
	}
	if o.Rejects != nil {
		rejects := *o.Rejects
		own.Rejects = &rejects
	}
	return &own
}

// read tells how many files were read, and how many bytes of outputs.
func (v *verification) read() (files, bytes int64) {
	for range len(v.free) {
		one := <-v.free
		files += one.Files
		bytes += one.Bytes
	}
	return files, bytes
}
