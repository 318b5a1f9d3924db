package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/manifest"
)

const manifestName = "_manifest.json"

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify OUTPUT",
		Short: "re-read everything a manifest names, and compare",
		Long: `Re-read every output and rejects file that the manifest in OUTPUT names, compare
sizes and checksums, and check that the counts add up. The first difference is
named, with exit code 65. OUTPUT may have been moved since it was written.`,
		Example: "  batchmill verify out/",
		Args:    oneOutput,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.verify(cmd.Context(), args[0]) },
	}
}

func (a *app) verify(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return usageError("name the directory that --output named", "verify: %w", err)
	}
	defer root.Close()
	m, err := readManifest(root, dir)
	if err != nil {
		return err
	}
	if err := m.Check(); err != nil {
		return &transform.Failure{Class: transform.BadInput, Err: fmt.Errorf("%s: %w", filepath.Join(dir, manifestName), err)}
	}
	opener := outputOpener{root: root, written: outputOf(m)}
	if err := m.Verify(ctx, opener.open); err != nil {
		return differs(err)
	}
	var bytes int64
	files := int64(0)
	for i := range m.Objects {
		if out := m.Objects[i].Output; out != nil {
			bytes += out.Size
			files++
		}
		if m.Objects[i].Rejects != nil {
			files++
		}
	}
	fmt.Fprintf(a.stdout, "verified: %s (%s of outputs) are what the manifest says: records in %s, out %s, rejected %s\n",
		plural(files, "file"), size(float64(bytes)), grouped(m.Totals.In), grouped(m.Totals.Out), grouped(m.Totals.Rejected))
	return nil
}

func readManifest(root *os.Root, dir string) (*manifest.Manifest, error) {
	path := filepath.Join(dir, manifestName)
	f, err := root.Open(manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usageError("it is written when every object is settled; finish the job first", "%s is not there", path)
	}
	if err != nil {
		return nil, &transform.Failure{Class: transform.Storage, Err: err}
	}
	defer f.Close()
	m, err := manifest.Decode(f)
	if err != nil {
		return nil, &transform.Failure{Class: transform.BadInput, Err: fmt.Errorf("%s: %w", path, err)}
	}
	return m, nil
}

// differs sorts what Verify returns: a difference, or a file that cannot be read.
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

// outputOf is the output directory as the manifest's job named it.
func outputOf(m *manifest.Manifest) string {
	var config struct{ Output string }
	_ = json.Unmarshal(m.Config, &config) // without it nothing is found, and verify says so
	return config.Output
}

// outputOpener opens what a manifest names, below the directory where the
// manifest stands now: a manifest is input, and must not lead anywhere else.
type outputOpener struct {
	root    *os.Root
	written string // the directory's name when the manifest was written
}

// outsideError is a manifest that names a file outside of its output.
type outsideError struct{ uri string }

func (e *outsideError) Error() string {
	return fmt.Sprintf("the manifest names %s, which is not in its output", e.uri)
}

func (o outputOpener) open(_ context.Context, uri string) (io.ReadCloser, error) {
	rel, err := filepath.Rel(o.written, uri)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, &outsideError{uri}
	}
	return o.root.Open(rel)
}
