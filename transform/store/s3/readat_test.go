package s3

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"
)

// TestReadAtEdges holds ReadAt against io.ReaderAt's words.
func TestReadAtEdges(t *testing.T) {
	const size = firstStretch + 3*chunkSize + 77
	data := randomBytes(size)
	f, s := serve(t, data, Options{})
	r := f.open(s)
	for _, test := range []struct {
		off  int64
		n    int
		want int
		err  error
	}{
		{0, 0, 0, nil}, {0, 1, 1, nil}, {size - 1, 1, 1, nil}, {size - 1, 2, 1, io.EOF}, {size, 1, 0, io.EOF}, {size, 0, 0, nil},
		{size + 1000, 1, 0, io.EOF}, {1<<63 - 1, 10, 0, io.EOF}, {0, size, size, nil}, {0, size + 1, size, io.EOF},
		{firstStretch - 1, 2, 2, nil}, {firstStretch + chunkSize - 1, 2, 2, nil}, {firstStretch + 1, 3*chunkSize + 100, 3*chunkSize + 76, io.EOF},
	} {
		got := make([]byte, test.n)
		n, err := r.ReadAt(got, test.off)
		if n != test.want || err != test.err {
			t.Errorf("%d bytes at %d: %d, %v; want %d, %v", test.n, test.off, n, err, test.want, test.err)
		}
		if n > 0 && !bytes.Equal(got[:n], data[test.off:test.off+int64(n)]) {
			t.Errorf("%d bytes at %d: wrong bytes", n, test.off)
		}
	}
	_, err := r.ReadAt(make([]byte, 1), -1)
	wantStoreError(t, err, fs.ErrInvalid)
}

// TestReadAtRequests counts what patterns of reads cost.
func TestReadAtRequests(t *testing.T) {
	const size = 40_000_000
	data := randomBytes(size)
	at := func(t *testing.T, r *reader, off int64, n int) {
		t.Helper()
		got := make([]byte, n)
		if _, err := r.ReadAt(got, off); err != nil || !bytes.Equal(got, data[off:off+int64(n)]) {
			t.Errorf("%d bytes at %d: %v, or wrong bytes", n, off, err)
		}
	}
	streams := func(count int, each int64, piece int) func(*testing.T, *reader) {
		return func(t *testing.T, r *reader) {
			for off := int64(0); off < each; off += int64(piece) {
				for k := range int64(count) {
					at(t, r, 2_000_000+k*each+off, int(min(int64(piece), each-off)))
				}
			}
		}
	}
	for _, test := range []struct {
		name string
		read func(*testing.T, *reader)
		want int64 // bytes that are read
		most int   // requests, the one of Open besides
		over int64 // bytes that may be fetched and not wanted
	}{
		{"a footer", func(t *testing.T, r *reader) { at(t, r, size-8, 8); at(t, r, size-100_008, 100_000) }, 100_008, 1, 1 << 20},
		{"one by one", streams(1, 8_000_000, 10_000), 8_000_000, 16, 3 << 20},
		{"twenty columns", streams(20, 1_500_000, 20_000), 30_000_000, 160, 3 << 20},
		{"two hundred columns", streams(200, 180_000, 30_000), 36_000_000, 500, 24 << 20},
		{"a row group", func(t *testing.T, r *reader) { at(t, r, 10_000_000, 13_000_000) }, 13_000_000, 4, 0},
		{"a page", func(t *testing.T, r *reader) { at(t, r, 10_000_000, 1_500_000) }, 1_500_000, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			f, s := serve(t, data, Options{})
			var fetched int64 // under the lock of f
			f.fault = func(_ int, from, to int64) fault { fetched += to - from; return fault{} }
			r := f.open(s)
			test.read(t, r)
			r.Close()
			wantFree(t, s)
			if n := f.count() - 1; n > test.most {
				t.Errorf("%d requests, want at most %d", n, test.most)
			}
			if fetched > firstStretch+test.want+test.over {
				t.Errorf("%d bytes were fetched for %d", fetched, test.want)
			}
			t.Logf("%d requests, %d bytes for %d", f.count()-1, fetched, test.want)
		})
	}
}

// TestReadAtShared: those who miss the same bytes wait for one request.
func TestReadAtShared(t *testing.T) {
	data := randomBytes(3_000_000)
	f, s := serve(t, data, Options{})
	r := f.open(s)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			got := make([]byte, 1000)
			off := int64(2_000_000 + i*100)
			if _, err := r.ReadAt(got, off); err != nil || !bytes.Equal(got, data[off:off+1000]) {
				t.Errorf("at %d: %v", off, err)
			}
		})
	}
	wg.Wait()
	if n := f.count() - 1; n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestReadAtWithoutMemory: where others hold everything, a reader still goes on.
func TestReadAtWithoutMemory(t *testing.T) {
	data := randomBytes(10_000_000)
	f, s := serve(t, data, Options{Memory: 4 << 20})
	s.reading.TryAcquire(2 << 20)
	r := f.open(s)
	within(t, func() {
		for off := int64(0); off < 8_000_000; off += 200_000 {
			for k := range int64(40) {
				got := make([]byte, 1000)
				at := off + k*40_000
				if _, err := r.ReadAt(got, at); err != nil || !bytes.Equal(got, data[at:at+1000]) {
					t.Fatalf("at %d: %v", at, err)
				}
			}
		}
		if n := r.chunks.own; n > ownChunks {
			t.Errorf("it holds %d chunks", n)
		}
		wantAll(t, r, data)
	})
	r.Close()
	s.reading.Release(2 << 20)
	wantFree(t, s)
}

// TestReadAtTriesAgain: a chunk that could not be fetched is not remembered.
func TestReadAtTriesAgain(t *testing.T) {
	data := randomBytes(3_000_000)
	f, s := serve(t, data, Options{})
	f.fault = func(_ int, from, _ int64) fault {
		if from == 0 {
			return fault{}
		}
		return fault{status: 403, code: "AccessDenied"}
	}
	r := f.open(s)
	got := make([]byte, 100)
	_, err := r.ReadAt(got, 2_000_000)
	wantStoreError(t, err, nil)
	f.set(func() { f.fault = nil })
	if _, err := r.ReadAt(got, 2_000_000); err != nil || !bytes.Equal(got, data[2_000_000:2_000_100]) {
		t.Errorf("then %v", err)
	}
}

// TestRandomReads: whatever is read where, by however many at once, and
// whatever breaks, the bytes are the object's.
func TestRandomReads(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			data := randomBytes(1 + rng.IntN(12_000_000))
			o := quick
			o.Memory = 2 << (20 + rng.IntN(5))
			o.Attempts = 50 // none of it is meant to last
			f, s := serve(t, data, o)
			f.ignoreRange = seed%4 == 3
			var mu sync.Mutex
			faults := rand.New(rand.NewPCG(seed, 1))
			f.fault = func(_ int, from, to int64) fault {
				mu.Lock()
				defer mu.Unlock()
				keep := faults.Int64N(to - from + 1)
				switch faults.IntN(12) {
				case 0:
					return fault{cut: true, keep: keep}
				case 1:
					return fault{stall: faults.IntN(4) == 0, keep: keep}
				case 2:
					return fault{status: 503 * faults.IntN(2), code: "SlowDown"}
				}
				return fault{}
			}
			r := f.open(s)
			within(t, func() {
				var wg sync.WaitGroup
				for range 4 {
					own := rand.New(rand.NewPCG(rng.Uint64(), 2))
					wg.Go(func() { readRandomly(t, r, data, own) })
				}
				wantAll(t, r, data)
				wg.Wait()
			})
			r.Close()
			wantFree(t, s)
		})
	}
}

// readRandomly reads in order, by turns, and anywhere.
func readRandomly(t *testing.T, r io.ReaderAt, data []byte, rng *rand.Rand) {
	var streams [5]int64
	for range 150 {
		k := rng.IntN(len(streams))
		if rng.IntN(10) == 0 {
			streams[k] = rng.Int64N(int64(len(data)))
		}
		n := 1 + rng.IntN(1<<(4+rng.IntN(18)))
		got := make([]byte, n)
		want := data[min(streams[k], int64(len(data))):]
		want = want[:min(n, len(want))]
		m, err := r.ReadAt(got, streams[k])
		if !bytes.Equal(got[:m], want) || err != nil && err != io.EOF || (err == io.EOF) != (len(want) < n) {
			t.Errorf("%d bytes at %d: %d, %v; want %d, or they differ", n, streams[k], m, err, len(want))
			return
		}
		streams[k] += int64(m)
	}
}
