//go:build unix

package crashtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// s3Bench is where a job on S3 is run again and again, each time into another
// folder of the bucket.
type s3Bench struct {
	job     s3Job
	host    *model
	url     string // of the host
	binary  string
	server  *s3test.Server
	gate    *gate
	env     []string
	input   string
	tries   int
	want    files
	asks    int64 // requests of a run that nothing disturbs
	lasting time.Duration
}

// s3Rig is what all jobs on S3 share.
type s3Rig struct {
	server *s3test.Server
	gate   *gate
	binary string
}

func (rig *s3Rig) bench(t *testing.T, j s3Job) *s3Bench {
	t.Helper()
	b := &s3Bench{job: j, host: newModel(0), binary: rig.binary, server: rig.server, gate: rig.gate}
	b.url = b.host.serve(t)
	b.env = append(rig.server.Env(), "TMPDIR="+t.TempDir())
	b.place(t)
	b.gate.set(0, false, nil)
	began := time.Now()
	out := b.folder()
	if said, exit := b.run(t.Context(), out); exit != j.exit {
		t.Fatalf("an undisturbed run ended with %d: %s", exit, said)
	}
	b.asks, b.lasting = b.gate.count(), time.Since(began)
	b.want = b.read(t, out)
	if err := b.left(out); err != nil {
		t.Fatalf("after an undisturbed run: %v", err)
	}
	if said, exit := b.command(t.Context(), "verify", "--s3-endpoint", b.gate.url, "s3://"+b.server.Bucket+"/"+out); exit != 0 {
		t.Fatalf("verify ended with %d: %s", exit, said)
	}
	return b
}

// place writes the job's inputs.
func (b *s3Bench) place(t *testing.T) {
	t.Helper()
	dir, folder := t.TempDir(), "in-"+strings.ReplaceAll(b.job.name, " ", "-")
	for name, text := range b.job.objects {
		if b.job.inS3 {
			if _, err := b.server.Put(folder+"/"+name, []byte(text)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		p := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o777), os.WriteFile(p, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	if b.input = dir; b.job.inS3 {
		b.input = "s3://" + b.server.Bucket + "/" + folder
	}
}

// folder is one that was never used.
func (b *s3Bench) folder() string {
	b.tries++
	return fmt.Sprintf("out-%s-%d", strings.ReplaceAll(b.job.name, " ", "-"), b.tries)
}

// args are those of a run into a folder of the bucket.
func (b *s3Bench) args(out string) []string {
	args := []string{"run", "--input", b.input, "--output", "s3://" + b.server.Bucket + "/" + out, "--s3-endpoint", b.gate.url,
		"--host", b.url, "--concurrency", "4", "--progress", "none"}
	return append(args, b.job.flags...)
}

// run runs the job to its end, in a process of its own.
func (b *s3Bench) run(ctx context.Context, out string) (said string, exit int) {
	return b.command(ctx, b.args(out)...)
}

func (b *s3Bench) command(ctx context.Context, args ...string) (said string, exit int) {
	cmd, text := b.prepare(ctx, args...)
	return ended(cmd.Run(), text)
}

func (b *s3Bench) prepare(ctx context.Context, args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(ctx, b.binary, args...)
	said := new(bytes.Buffer)
	cmd.Env, cmd.Stdout, cmd.Stderr = b.env, said, said
	return cmd, said
}

// ended is how a process ended: with an exit code, or -1 by a signal.
func ended(err error, said *bytes.Buffer) (string, int) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return said.String(), 0
	case errors.As(err, &exit):
		return said.String(), exit.ExitCode()
	}
	return err.Error(), -1
}

// read is all that a folder of the bucket holds.
func (b *s3Bench) read(t *testing.T, out string) files {
	t.Helper()
	found, err := b.tryRead(out)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// tryRead begins again when an object goes between the list and its turn: the last
// request of a killed run may be carried out meanwhile.
func (b *s3Bench) tryRead(out string) (files, error) {
	objects, err := b.server.Objects(out + "/")
	if err != nil {
		return nil, err
	}
	found := files{}
	for _, o := range objects {
		name := strings.TrimPrefix(o.Key, out+"/")
		var refused *s3test.StatusError
		found[name], _, err = b.server.Get(o.Key)
		if errors.As(err, &refused) && refused.Code == "NoSuchKey" {
			return b.tryRead(out)
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// left says what a job that was run to its end has left that it should not have.
func (b *s3Bench) left(out string) error {
	uploads, err := b.server.Uploads(out + "/")
	if err != nil {
		return err
	}
	if len(uploads) > 0 {
		return fmt.Errorf("%d unfinished uploads, of %s", len(uploads), uploads[0].Key)
	}
	objects, err := b.server.Objects(out + "/" + workDir)
	if err != nil {
		return err
	}
	for _, o := range objects {
		state := strings.TrimPrefix(o.Key, out+"/"+workDir)
		if b.job.exit == 0 || !strings.HasPrefix(state, "log/") {
			return fmt.Errorf("left behind: %s", o.Key)
		}
	}
	return nil
}

// halfDone says what is wrong with what readers can see of a run that died.
func (b *s3Bench) halfDone(out string) error {
	found, err := b.tryRead(out)
	if err != nil {
		return err
	}
	for _, name := range found.outputs() {
		if err := same(name, found[name], b.want); err != nil {
			return err
		}
	}
	if _, ok := found[successName]; ok && len(found.outputs()) < len(b.want.outputs()) {
		return errors.New("the mark of success stands on an unfinished job")
	}
	return nil
}

// complete says what is wrong with a job that was run to its end.
func (b *s3Bench) complete(out string) error {
	found, err := b.tryRead(out)
	if err != nil {
		return err
	}
	if err := b.left(out); err != nil {
		return err
	}
	for name := range found {
		if _, ok := b.want[name]; !ok && !strings.HasPrefix(name, workDir) {
			return fmt.Errorf("left behind: %s", name)
		}
	}
	for name, want := range b.want {
		got, ok := found[name]
		varies := name == manifestName || strings.HasPrefix(name, rejectsDir)
		if !strings.HasPrefix(name, workDir) && (!ok || !varies && !bytes.Equal(got, want)) {
			return fmt.Errorf("%s is missing, or not as an undisturbed run writes it", name)
		}
	}
	return nil
}
