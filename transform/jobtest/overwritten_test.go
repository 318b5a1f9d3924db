package jobtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// TestOverwrittenInput: an input on disk that is overwritten in place while it is
// read, before any of the reads or between two readings, fails, and nothing of it is published. The same bytes
// are written, so that nothing but the second look can tell. A Parquet file is read
// here and there, and once more when its output is made.
func TestOverwrittenInput(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func() *world{
		"jsonl": func() *world { return smallJob(1, 60) },
		"csv":   func() *world { return csvJob(60, 3) },
		"held":  func() *world { w := csvJob(60, 3); w.spec.OnBad = "fail"; return w },
		"parquet": func() *world { // is read to its end before its output is begun
			w := parquetJob(t, plainFile(t, 0, 24))
			w.spec.BatchRecords, w.hosts[0].latency = 100, 20*time.Millisecond
			return w
		},
		"parquet to jsonl": func() *world {
			w := parquetJob(t, plainFile(t, 0, 24))
			w.spec.OutputFormat = "jsonl"
			return w
		},
		"limit": func() *world { w := smallJob(1, 60); w.spec.Limit = 20; return w },
	} {
		t.Run(name, func(t *testing.T) {
			reads := overwrite(t, make(), -1, false)
			if reads == 0 {
				t.Fatal("nothing was read")
			}
			for at := range reads {
				overwrite(t, make(), at, false)
				overwrite(t, make(), at, true)
			}
		})
	}
}

// overwrite runs a job whose one input is overwritten before read number at of the run (to open is one), if
// there are so many, and returns how many there were. With timeKept the file has its
// old time again.
func overwrite(t *testing.T, w *world, at int, timeKept bool) int {
	t.Helper()
	dir := t.TempDir()
	for name, data := range w.input.Snapshot() {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	disk, err := store.OpenDisk(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	in := &overwritten{Disk: disk, at: -1, timeKept: timeKept}
	out := replacing{Store: w.output, Keeper: w.output, Locker: w.output, replace: func() { in.reads, in.at = 0, at }}
	res, err := w.runOn(t.Context(), in, out)
	if err != nil || in.err != nil {
		t.Fatalf("overwritten before read %d: %v, %v", at, err, in.err)
	}
	o, want := res.Manifest.Objects[0], manifest.Failed
	switch {
	case in.done && !(timeKept && at == 0): // but before it was opened first, nothing can tell, nor matters
	case w.spec.OnBad == "fail":
		want = manifest.Held
	default:
		want = manifest.Published
	}
	if o.Status != want || want == manifest.Failed && (o.Output != nil || !strings.Contains(o.Error, "run the job again")) {
		t.Errorf("overwritten before read %d, time kept: %v: %+v", at, timeKept, o)
	}
	for name := range w.output.Snapshot() {
		if want == manifest.Failed && strings.HasPrefix(name, "o0") {
			t.Errorf("overwritten before read %d, time kept: %v: %s is visible", at, timeKept, name)
		}
	}
	return in.reads
}

// overwritten is a folder with one file, which is overwritten before one of its reads.
type overwritten struct {
	*store.Disk
	timeKept bool

	mu    sync.Mutex
	reads int   // so far
	at    int   // before which the file is overwritten; below 0 never
	done  bool  // the file was overwritten
	err   error // of overwriting
}

func (d *overwritten) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	d.before(d.URI(name))
	r, info, err := d.Disk.Open(ctx, name)
	return overwrittenReader{r, d, d.URI(name)}, info, err
}

// before is called before file is opened, and before each read.
func (d *overwritten) before(file string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reads++; d.reads-1 == d.at {
		d.done, d.err = true, d.overwrite(file)
	}
}

// overwrite writes the same bytes again.
func (d *overwritten) overwrite(file string) error {
	was, err := os.Stat(file)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil && d.timeKept {
		err = os.Chtimes(file, was.ModTime(), was.ModTime())
	}
	return errors.Join(err, f.Close())
}

type overwrittenReader struct {
	store.Reader
	d    *overwritten
	file string
}

func (r overwrittenReader) Read(b []byte) (int, error) {
	r.d.before(r.file)
	return r.Reader.Read(b)
}

func (r overwrittenReader) ReadAt(b []byte, off int64) (int, error) {
	r.d.before(r.file)
	return r.Reader.ReadAt(b, off)
}
