package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/spf13/cobra"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

const manifestName = "_manifest.json"

func (a *app) verifyCommand() *cobra.Command {
	where := new(transform.Spec)
	cmd := &cobra.Command{
		Use:   "verify OUTPUT [flags]",
		Short: "re-read everything a manifest names, and compare",
		Long: `Re-read every output and rejects file that the manifest in OUTPUT names, compare
sizes and checksums, and check that the counts add up. The first difference is
named, with exit code 65. OUTPUT may have been moved since it was written.`,
		Example: "  batchmill verify out/\n  batchmill verify s3://bucket/scored/",
		Args:    oneOutput,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.verify(cmd.Context(), outputAt(where, args[0]))
		},
	}
	cmd.Flags().AddFlagSet(s3Flags(where))
	return cmd
}

func (a *app) verify(ctx context.Context, where *transform.Spec) error {
	out, done, err := peek(ctx, where)
	if err != nil {
		return err
	}
	defer done()
	if transform.Unmade(out) {
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
	v := newVerification(out, transform.RecordedOutput(m))
	_, again, err := readManifest(ctx, out, func(o *manifest.Object) error { return v.object(ctx, o) })
	if err := v.wait(); err != nil {
		return differs(err)
	}
	if err != nil {
		return err
	}
	if pin != again {
		return &transform.Failure{Class: transform.Storage, Err: fmt.Errorf("%s changed while it was read", out.URI(manifestName)), Hint: "verify it again"}
	}
	files, bytes := v.read()
	fmt.Fprintf(a.stdout, "verified: %s (%s of outputs) are what the manifest says: records in %s, out %s, rejected %s\n",
		plural(files, "file"), size(float64(bytes)), grouped(m.Totals.In), grouped(m.Totals.Out), grouped(m.Totals.Rejected))
	return nil
}

// readManifest reads the manifest of an output as manifest.Read does, and
// tells which version of it was read. It must be there.
func readManifest(ctx context.Context, out store.Store, each func(*manifest.Object) error) (*manifest.Manifest, store.Info, error) {
	f, info, err := out.Open(ctx, manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, info, usageError("it is written when every object is settled; finish the job first", "%s is not there", out.URI(manifestName))
	}
	if err != nil {
		return nil, info, err
	}
	defer f.Close()
	m, err := manifest.Read(f, each)
	var stored *store.Error
	if err != nil && ctx.Err() == nil && !errors.As(err, &stored) && !errors.Is(err, errFound) {
		err = badManifest(out, err)
	}
	return m, info, err
}

func badManifest(out store.Store, err error) error {
	return &transform.Failure{Class: transform.BadInput, Err: fmt.Errorf("%s: %w", out.URI(manifestName), err)}
}

// differs sorts what a verification ends with: a difference, or a file that cannot be read.
func differs(err error) error {
	var d *manifest.Difference
	var outside *outsideError
	switch {
	case errors.As(err, &d):
		return &transform.Failure{Class: transform.BadInput, Err: err, Hint: "to make the outputs again, run the job with --overwrite"}
	case errors.As(err, &outside):
		return &transform.Failure{Class: transform.BadInput, Err: err}
	case errors.Is(err, context.Canceled):
		return err
	}
	return &transform.Failure{Class: transform.Storage, Err: err}
}

// errFound ends the reading of a manifest once a difference was found.
var errFound = errors.New("a difference was found")

// A verification compares objects with their files: one at a time, or as many
// as a distant store wants. It tells the first difference in the manifest's order.
type verification struct {
	free  chan *manifest.Verifier
	ends  sync.WaitGroup
	given int // objects

	mu    sync.Mutex
	first int // the object that err is about
	err   error
}

// newVerification verifies files of an output. A manifest is input, and must
// not lead out of it: its names are those below written, what the output
// was called then, and are looked for below what it is now.
func newVerification(out store.Store, written string) *verification {
	open := func(ctx context.Context, uri string) (io.ReadCloser, error) {
		name, ok := transform.OutputName(written, uri)
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
	v := &verification{free: make(chan *manifest.Verifier, n)}
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

// object begins to compare an object, which need not be valid afterwards.
func (v *verification) object(ctx context.Context, o *manifest.Object) error {
	free := <-v.free
	if v.failed() != nil {
		v.free <- free
		return errFound
	}
	place, own := v.given, copied(o)
	v.given++
	v.ends.Go(func() {
		err := free.Object(ctx, own)
		v.free <- free
		v.note(place, err)
	})
	return nil
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

func (v *verification) failed() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

func (v *verification) note(place int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil && (v.err == nil || place < v.first) {
		v.first, v.err = place, err
	}
}

// wait ends the verification, and returns the error of the first object that has one.
func (v *verification) wait() error {
	v.ends.Wait()
	return v.err
}

// read tells how many files were read, and how many bytes of outputs; after wait.
func (v *verification) read() (files, bytes int64) {
	for range len(v.free) {
		one := <-v.free
		files += one.Files
		bytes += one.Bytes
	}
	return files, bytes
}
