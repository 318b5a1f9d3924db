package main

import (
	"context"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// s3Flags are the flags of commands that are given an output and may have to be
// told how to reach it.
func s3Flags(where *job.Spec) *pflag.FlagSet {
	b := binder{set: pflag.NewFlagSet("s3", pflag.ContinueOnError)}
	b.set.SortFlags = false
	bindS3(&b, where)
	return b.set
}

// outputAt is where with an output.
func outputAt(where *job.Spec, output string) *job.Spec {
	where.Output = output
	return where
}

// peek opens an output that is there, to look at it: it writes nothing. A directory that is
// missing looks like an empty one.
func peek(ctx context.Context, where *job.Spec) (_ store.Store, done func(), err error) {
	out, err := plan.PeekOutput(ctx, where)
	if err != nil {
		return nil, nil, err
	}
	done = func() {
		if c, ok := out.(io.Closer); ok {
			_ = c.Close() // it was only read
		}
	}
	return out, done, nil
}

// isS3 tells whether a place is an address on S3, and no path.
func isS3(place string) bool { return strings.HasPrefix(place, "s3://") }

// folder writes an output's address with a separator at its end.
func folder(output string) string {
	if isS3(output) {
		return strings.TrimRight(output, "/") + "/"
	}
	return filepath.Clean(output) + string(filepath.Separator)
}

// inFolder writes the address of a name in an output.
func inFolder(output, name string) string {
	if isS3(output) {
		return folder(output) + name
	}
	return filepath.Join(output, filepath.FromSlash(name))
}
