package plan

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
)

// onS3 is the switch that names the stores: disk and S3. A place of another
// kind is an error.
func onS3(flag, place string) (bool, error) {
	scheme, _, remote := strings.Cut(place, "://")
	if remote && scheme != "s3" {
		return false, job.Usagef("name a path on disk, or s3://bucket/prefix", "%s: nothing can be reached by %s://", flag, scheme)
	}
	return remote, nil
}

// parseS3 reads an address on S3.
func parseS3(flag, uri string) (s3.Location, error) {
	at, err := s3.Parse(uri)
	if err != nil {
		return at, job.Usagef("write s3://bucket or s3://bucket/prefix", "%s %w", flag, err)
	}
	return at, nil
}

// s3Options are the options of a store that shares its memory with share-1 other stores of
// its kind: stores that are read have a quarter of --memory, and the output has a quarter too.
func s3Options(s *job.Spec, share int) s3.Options {
	return s3.Options{Endpoint: s.S3Endpoint, PathStyle: s.S3PathStyle, Memory: int64(cmp.Or(s.Memory, job.DefaultMemory)) / 4 / int64(max(1, share)),
		Terms: s3.Terms{Encryption: s.S3SSE, KMSKey: s.S3KMSKey, ACL: s.S3ACL, Tags: s.S3Tags, Payer: s.S3Payer}}
}

// unreachable sorts the errors of a store on S3 from before anything was sent to hosts or
// written: what the user has to mend is wrong usage.
func unreachable(flag string, err error) error {
	var known *job.Failure
	if err == nil || errors.As(err, &known) || s3.Temporary(err) {
		return err
	}
	if flag != "" {
		flag += ": "
	}
	return job.Usagef("", "%s%w", flag, err)
}

// OpenOutput opens the output, and makes a directory that is missing.
func OpenOutput(ctx context.Context, s *job.Spec) (store.Store, error) {
	out, err := PeekOutput(ctx, s)
	if err != nil {
		return nil, err
	}
	return MakeOutput(s, out)
}

// MakeOutput gives the store to write to for a store that PeekOutput has opened.
// MakeOutput makes a directory that is missing; on S3 there is nothing to make.
func MakeOutput(s *job.Spec, peeked store.Store) (store.Store, error) {
	if remote, err := onS3("--output", s.Output); remote || err != nil {
		return peeked, err
	}
	return store.OpenDisk(s.Output, true)
}

// PeekOutput opens the output as it is, to plan a job or to look at a job. PeekOutput
// writes nothing, and a directory that is missing looks like an empty directory. On S3
// PeekOutput makes sure that there is a bucket which these credentials may list.
func PeekOutput(ctx context.Context, s *job.Spec) (store.Store, error) {
	if err := s.CheckS3(); err != nil {
		return nil, err
	}
	remote, err := onS3("--output", s.Output)
	if err != nil {
		return nil, err
	}
	if err := outsideInputs(s, remote); err != nil {
		return nil, err
	}
	if remote {
		return peekBucket(ctx, s)
	}
	if _, err := os.Stat(s.Output); errors.Is(err, os.ErrNotExist) {
		return unmade{store.NewMemory(), s.Output}, nil
	}
	return store.OpenDisk(s.Output, false)
}

func peekBucket(ctx context.Context, s *job.Spec) (store.Store, error) {
	at, err := parseS3("--output", s.Output)
	if err != nil {
		return nil, err
	}
	o := s3Options(s, 1)
	o.Anonymous = s.S3Anonymous && len(s.Input) == 0 && s.InputManifest == "" // a job's inputs may be public; its output is not
	out, err := s3.Open(ctx, at, o)
	if err != nil {
		return nil, unreachable("", err)
	}
	return out, unreachable("", out.Reach(ctx, ""))
}

// unmade is a directory that is not there yet.
type unmade struct {
	*store.Memory
	dir string
}

func (u unmade) URI(name string) string { return filepath.Join(u.dir, filepath.FromSlash(name)) }

// Unmade tells whether out, which PeekOutput has opened, is a directory that is not there.
func Unmade(out store.Store) bool {
	_, ok := out.(unmade)
	return ok
}

// outsideInputs makes sure that no output can become an input of the next run.
func outsideInputs(s *job.Spec, remote bool) error {
	if remote {
		return outsideS3Inputs(s)
	}
	out := realPath(s.Output)
	for _, in := range s.Input {
		if info, err := os.Stat(in); err != nil || !info.IsDir() {
			continue
		}
		rel, err := filepath.Rel(realPath(in), out)
		if err == nil && filepath.IsLocal(rel) {
			return job.Usagef("choose a directory beside it", "--output %s is inside --input %s", s.Output, in)
		}
	}
	return nil
}

// outsideS3Inputs refuses an input inside the output too: an object that is both input and
// output could not be told, since no two addresses on S3 can be compared by looking.
func outsideS3Inputs(s *job.Spec) error {
	out, err := parseS3("--output", s.Output)
	if err != nil {
		return err
	}
	for _, in := range s.Input {
		at, err := s3.Parse(in)
		switch {
		case err != nil || at.Bucket != out.Bucket: // on disk, or what OpenInputs refuses
		case below(out.Key, at.Key):
			return job.Usagef("choose a prefix beside it", "--output %s is inside --input %s", s.Output, in)
		case below(at.Key, out.Key):
			return job.Usagef("choose another prefix for the outputs", "--input %s is inside --output %s", in, s.Output)
		}
	}
	return nil
}

// below tells whether a key is that of a folder, or of what is in the folder; "" is the bucket.
func below(key, folder string) bool {
	rest, ok := strings.CutPrefix(key, folder)
	return ok && (folder == "" || rest == "" || rest[0] == '/')
}

// realPath is the absolute path, with links resolved as far as the path exists.
func realPath(p string) string {
	abs, err := filepath.Abs(p)
	if err != nil {
		return p
	}
	rest := ""
	for dir := abs; ; dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		rest = filepath.Join(filepath.Base(dir), rest)
		if dir == filepath.Dir(dir) {
			return abs
		}
	}
}

// RecordedOutput is the output as the job of a manifest named it; "" where the
// manifest does not tell.
func RecordedOutput(m *manifest.Manifest) string {
	var config struct{ Output string }
	if json.Unmarshal(m.Config, &config) != nil {
		return ""
	}
	return config.Output
}

// OutputName is the name in an output of the file that a manifest names by uri.
// written is the output as the job's configuration has it; the output may have
// been moved since, to another kind of store too. A manifest is input: false
// means that uri is not below the output.
func OutputName(written, uri string) (string, bool) {
	if at, err := s3.Parse(written); err == nil {
		at.Folder = at.Key != ""
		folder := strings.TrimSuffix(at.String(), "/") + "/"
		name, ok := strings.CutPrefix(uri, folder)
		return name, ok && store.ValidName(name)
	}
	rel, err := filepath.Rel(written, uri)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	name := filepath.ToSlash(rel)
	return name, store.ValidName(name)
}

// SameOutput tells whether two addresses name one output: two directories by
// what they are, two on S3 by what they say.
func SameOutput(a, b string) (bool, error) {
	there, err := s3.Parse(a)
	if err == nil {
		other, err := s3.Parse(b)
		there.Folder, other.Folder = false, false
		return err == nil && there == other, nil
	}
	here, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(here, other), nil
}
