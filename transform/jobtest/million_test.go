package jobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// bytesPerObject is how much live memory a job may take for each of its
// objects, beside what every job takes.
const bytesPerObject = 60

// unsteady is by how much the memory of one and the same job differs from run
// to run, in bytes: what stands in its window when the collector looks, and
// what the collector finds out too late.
const unsteady = 6 << 20

// crowd is the input and the output of a job of very many small objects.
// Neither exists: what is read is made up, and of what was written it is only
// known whether it was. The working state and the manifest are files.
type crowd struct {
	*store.Disk // of the output's own files
	state       *fileKeeper
	n           int
	made        []atomic.Uint32 // a bit for each output that was written
	dies        int64           // after so many outputs; 0 never
	count       atomic.Int64
}

var errDied = errors.New("died")

func name(i int) string { return fmt.Sprintf("folder/object-%08d.jsonl", i) }

func index(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "folder/object-")
	i, err := strconv.Atoi(strings.TrimSuffix(digits, ".jsonl"))
	return i, ok && err == nil
}

// input is the record of object i with its line's end, output what comes of it.
func (c *crowd) input(i int) string  { return fmt.Sprintf(`{"id":%d}`+"\n", i) }
func (c *crowd) output(i int) string { return fmt.Sprintf(`{"answer":%d}`+"\n", i) }

// crowdInput is the crowd as a store to read from.
type crowdInput struct{ *crowd }

func (c crowdInput) List(context.Context, string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		for i := range c.n {
			if info, _ := c.Stat(context.Background(), name(i)); !yield(info, nil) {
				return
			}
		}
	}
}

func (c crowdInput) URI(name string) string { return "made-up/" + name }

func (c crowdInput) Stat(_ context.Context, name string) (store.Info, error) {
	i, _ := index(name)
	return store.Info{Name: name, Size: int64(len(c.input(i))), ModTime: time.Unix(1e9, 0)}, nil
}

func (c crowdInput) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	i, _ := index(name)
	info, err := c.Stat(ctx, name)
	return opened{strings.NewReader(c.input(i)), info}, info, err
}

type opened struct {
	*strings.Reader
	info store.Info
}

func (opened) Close() error                { return nil }
func (o opened) Stat() (store.Info, error) { return o.info, nil }

// The crowd itself is a store to write to.

func (c *crowd) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		for info, err := range c.Disk.List(ctx, prefix) {
			if !yield(info, err) || err != nil {
				return
			}
		}
		for i := range c.n {
			if info, err := c.Stat(ctx, name(i)); prefix == "" && err == nil && !yield(info, nil) {
				return
			}
		}
	}
}

func (c *crowd) Stat(ctx context.Context, name string) (store.Info, error) {
	i, ok := index(name)
	if !ok {
		return c.Disk.Stat(ctx, name)
	}
	if c.made[i/32].Load()&(1<<(i%32)) == 0 {
		return store.Info{}, &store.Error{Op: "stat", URI: name, Err: fs.ErrNotExist}
	}
	return store.Info{Name: name, Size: int64(len(c.output(i)))}, nil
}

func (c *crowd) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	i, ok := index(name)
	if !ok {
		return c.Disk.Open(ctx, name)
	}
	info, err := c.Stat(ctx, name)
	return opened{strings.NewReader(c.output(i)), info}, info, err
}

func (c *crowd) Create(ctx context.Context, name string, mode store.Mode) (store.Object, error) {
	i, ok := index(name)
	if !ok {
		return c.Disk.Create(ctx, name, mode)
	}
	return &crowdObject{crowd: c, index: i}, nil
}

// crowdObject takes what an output must hold, and nothing else.
type crowdObject struct {
	crowd *crowd
	index int
	text  []byte
}

func (o *crowdObject) Write(b []byte) (int, error) {
	o.text = append(o.text, b...)
	return len(b), nil
}

func (o *crowdObject) Commit(context.Context) error {
	c := o.crowd
	n := c.count.Add(1)
	if c.dies > 0 && n > c.dies {
		return &store.Error{Op: "commit", URI: name(o.index), Err: errDied}
	}
	bit := uint32(1) << (o.index % 32)
	if string(o.text) != c.output(o.index) || c.made[o.index/32].Or(bit)&bit != 0 {
		return fmt.Errorf("%s: %q is written, or written twice", name(o.index), o.text)
	}
	return nil
}

func (o *crowdObject) Abort() error { return nil }

func (c *crowd) ReadLog(ctx context.Context, name string) (store.Reader, store.Info, error) {
	return c.state.ReadLog(ctx, name)
}
func (c *crowd) Append(ctx context.Context, name string, seen int64) (store.Appender, error) {
	return c.state.Append(ctx, name, seen)
}

// fileKeeper keeps a log in a file that is never synced: a disk would take
// most of the time.
type fileKeeper struct{ dir string }

func (k *fileKeeper) ReadLog(context.Context, string) (store.Reader, store.Info, error) {
	f, err := os.Open(filepath.Join(k.dir, "log"))
	if err != nil {
		return nil, store.Info{}, err
	}
	at, err := f.Stat()
	if err != nil {
		return nil, store.Info{}, errors.Join(err, f.Close())
	}
	info := store.Info{Size: at.Size(), ModTime: at.ModTime()}
	return logFile{f, info}, info, nil
}

type logFile struct {
	*os.File
	info store.Info
}

func (l logFile) Stat() (store.Info, error) { return l.info, nil }

func (k *fileKeeper) Append(context.Context, string, int64) (store.Appender, error) {
	f, err := os.OpenFile(filepath.Join(k.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return unsynced{f}, err
}

type unsynced struct{ *os.File }

func (unsynced) Sync() error { return nil }

// fakeAnswers is a host that answers each record with its id.
type fakeAnswers struct{}

func (fakeAnswers) Name() string { return "host" }
func (fakeAnswers) Ready(context.Context) (workers.Parameters, error) {
	return workers.Parameters{}, nil
}

func (fakeAnswers) Invoke(_ context.Context, r *workers.Request) (workers.Response, error) {
	return workers.Response{Status: 200, ContentType: r.Accept, Body: bytes.ReplaceAll(r.Body, []byte(`"id"`), []byte(`"answer"`))}, nil
}

// peak watches how many bytes are live until stop is called, which tells the most.
func peak() (stop func() int64) {
	most, quit := int64(0), make(chan struct{})
	look := func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		most = max(most, int64(live[0].Value.Uint64()))
	}
	var group sync.WaitGroup
	runtime.GC()
	group.Go(func() {
		for {
			look()
			select {
			case <-quit:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	return func() int64 { close(quit); group.Wait(); return most }
}

func newCrowd(t *testing.T, n int) *crowd {
	t.Helper()
	disk, err := store.OpenDisk(t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Close() })
	return &crowd{Disk: disk, state: &fileKeeper{t.TempDir()}, n: n, made: make([]atomic.Uint32, n/32+1)}
}

// run runs the job, and tells how much memory was live at the most.
func (c *crowd) run(t *testing.T) (res *transform.Result, most int64, err error) {
	t.Helper()
	stop := peak()
	defer func() { most = stop() }()
	spec := job.Spec{Input: []string{"made-up"}, Output: "out", InputFormat: "jsonl", Join: "none", Memory: 4 << 20, MaxRecord: 1 << 16, Concurrency: 8}
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	plan, err := plan.New(t.Context(), spec, []plan.Source{{Store: crowdInput{c}}}, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	res, err = transform.Run(t.Context(), plan, workers.Fleet{Hosts: []workers.Host{fakeAnswers{}}}, new(transform.Progress))
	return res, 0, err
}

// TestMemoryOfAMillionObjects: what a job holds does not grow with the number of
// its objects, but for some bytes each: while it is planned and run, while it
// goes on with what a run left that died in the middle, when nothing is left to
// do, and when its status is asked.
func TestMemoryOfAMillionObjects(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // to see what is live, often
	phases := []string{"until it died", "resumed", "all done", "its status"}
	var before []int64
	many := manyObjects()
	t.Attr("objects_in_memory", strconv.Itoa(many))
	for _, n := range []int{many / 2, many} {
		var most []int64
		c := newCrowd(t, n)
		c.dies = int64(n / 2)
		began := time.Now()
		_, live, err := c.run(t)
		if !errors.Is(err, errDied) {
			t.Fatalf("%d objects: %v", n, err)
		}
		most = append(most, live)
		c.dies = 0
		res, live, err := c.run(t)
		if err != nil || res.Objects.Published != int64(n) || res.Manifest.Totals.Answered != int64(n) || c.count.Load() > int64(n)+100 {
			t.Fatalf("%d objects: %+v, %v, %d outputs", n, res, err, c.count.Load())
		}
		most = append(most, live)
		if res, live, err = c.run(t); err != nil || !res.AlreadyDone || res.Objects.Published != int64(n) {
			t.Fatalf("%d objects again: %+v, %v", n, res, err)
		}
		most = append(most, live)
		stop := peak()
		if s, err := ledger.ReadStatus(t.Context(), c, false); err != nil || s.Objects.Published != int64(n) {
			t.Fatalf("status of %d objects: %+v, %v", n, s, err)
		}
		most = append(most, stop())
		t.Logf("%d objects, %v: at the most %d MiB live in the first run, %d resumed, %d when done, %d for the status",
			n, time.Since(began).Round(time.Second), most[0]>>20, most[1]>>20, most[2]>>20, most[3]>>20)
		for i := range before {
			grown, more := most[i]-before[i], int64(n-n/2)
			t.Logf("%s: %d bytes an object", phases[i], grown/more)
			if grown > more*bytesPerObject+unsteady {
				t.Errorf("%s: the memory grew by %d bytes for %d more objects", phases[i], grown, more)
			}
		}
		before = most
	}
}

// TestNoRoomForManyObjects: where temporary files cannot be made, a job of many
// objects ends with an error of the storage that says where, and what to do.
func TestNoRoomForManyObjects(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the folder for temporary files is not named by TMPDIR there")
	}
	c := newCrowd(t, 50_000)
	missing := filepath.Join(t.TempDir(), "missing")
	t.Setenv("TMPDIR", missing)
	spec := job.Spec{Input: []string{"made-up"}, Output: "out", InputFormat: "jsonl", Join: "none"}
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	_, err := plan.New(t.Context(), spec, []plan.Source{{Store: crowdInput{c}}}, c, nil)
	if transform.ClassOf(err) != job.Storage || !strings.Contains(err.Error(), missing) || !strings.Contains(transform.HintOf(err), "TMPDIR") {
		t.Errorf("class %d, hint %q: %v", transform.ClassOf(err), transform.HintOf(err), err)
	}
}
