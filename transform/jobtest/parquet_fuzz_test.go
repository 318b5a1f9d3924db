package jobtest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/batchmill/batchmill/formats/parquet"
	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// countingHost answers every line of a payload with its number.
type countingHost struct{}

func (countingHost) Name() string { return "host" }

func (countingHost) Ready(context.Context) (workers.Parameters, error) {
	return workers.Parameters{}, nil
}

func (countingHost) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	var b bytes.Buffer
	for i := range bytes.Count(r.Body, []byte("\n")) {
		fmt.Fprintf(&b, "%d\n", i)
	}
	if r.Reserve != nil {
		if err := r.Reserve(ctx, b.Len()); err != nil {
			return workers.Response{}, err
		}
	}
	return workers.Response{Status: 200, ContentType: r.Accept, Body: append(r.Into[:0], b.Bytes()...)}, nil
}

// fuzzSeeds are real files: flat and nested, of both kinds of pages. None is
// compressed by what keeps channels, which may not leave their bubble.
func fuzzSeeds(t testing.TB) (seeds [][]byte) {
	records := slices.Concat(matrixObjects()...)
	for i, codec := range []compress.Codec{&pq.Uncompressed, &pq.Snappy, &pq.Gzip, &pq.Lz4Raw} {
		options := []pq.WriterOption{pq.Compression(codec), pq.DataPageVersion(1 + i%2), pq.MaxRowsPerRowGroup(5), pq.PageBufferSize(100)}
		seeds = append(seeds, parquetFile(t, records, options...), parquetFile(t, plainRows(0, 20), options...))
	}
	return append(seeds, plainFile(t, 0, 0))
}

// FuzzParquetJob runs jobs on real files of which three bytes, and then any,
// have been changed. A job ends, gives its memory back and keeps its bounds;
// an object is published with as many rows as its counts say, or not at all.
func FuzzParquetJob(f *testing.F) {
	for i, seed := range fuzzSeeds(f) {
		for k := range uint32(4) {
			f.Add(seed, uint32(i)*40503+k*65_537, k*77, byte(i)+byte(k)<<2)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, at, value uint32, how byte) {
		fuzzJob(t, bent(data, at, value), how)
	})
}

// bent is data with three bytes changed, one of them in the footer: a fuzzer
// finds those too late by itself.
func bent(data []byte, at, value uint32) []byte {
	data = bytes.Clone(data)
	if n := len(data); n > 0 {
		data[int(at)%n] ^= byte(value)
		data[int(at>>8)%n] ^= byte(value >> 8)
		data[n-1-int(at>>16)%min(n, 2000)] ^= byte(value >> 16)
	}
	return data
}

var fuzzNames = []string{"a", "b"}

func fuzzJob(t *testing.T, data []byte, how byte) {
	synctest.Test(t, func(t *testing.T) {
		in, out := store.NewMemory(), store.NewMemory()
		contents := [][]byte{plainFile(t, 0, 9), data}
		if how>>4&1 == 1 { // the schema of the job is then that of the bent file
			slices.Reverse(contents)
		}
		for i, content := range contents {
			if err := in.Put(fuzzNames[i]+".parquet", content); err != nil {
				t.Fatal(err)
			}
		}
		spec := fuzzSpec(how)
		progress := new(transform.Progress)
		res, err := start(t, spec, in, out, countingHost{}, progress)
		if err != nil {
			if c := transform.ClassOf(err); c != job.Usage && c != job.BadInput {
				t.Fatalf("class %d: %v", c, err)
			}
			return
		}
		if in := progress.Inside(); in.Window != 0 || in.Places != 0 || in.WindowPeak > in.WindowBudget+int64(spec.Memory)/2 {
			t.Fatalf("the window holds %d bytes in %d places, and held %d of %d", in.Window, in.Places, in.WindowPeak, in.WindowBudget)
		}
		for i, o := range res.Manifest.Objects {
			checkFuzzed(t, spec, &o, out.Snapshot()[fuzzNames[i]+matrixExtension[spec.OutputFormat]])
		}
	})
}

func fuzzSpec(how byte) job.Spec {
	return job.Spec{
		Input: []string{"mem:in"}, Output: "mem:out", InputFormat: codec.FormatParquet, Join: matrixJoins[how&1],
		OutputFormat: [...]string{codec.FormatParquet, codec.FormatCSV, codec.FormatParquet, codec.FormatJSONL}[how>>1&3],
		OnBad:        [...]string{"placeholder", "skip"}[how>>3&1], BatchRecords: 7, Concurrency: 2,
		Memory: 8 << 20, MaxRecord: 1 << 20, MaxResponse: 1 << 20, Limit: 3000, // few bytes can be many rows
		MaxRejects: &job.Allowance{Percent: 100, IsShare: true},
	}
}

// checkFuzzed: a failed object has a reason and no output, another one an
// output that can be opened and has the rows that the manifest tells of.
func checkFuzzed(t *testing.T, spec job.Spec, o *manifest.Object, data []byte) {
	t.Helper()
	if o.Status != manifest.Published {
		if data != nil || o.Error == "" || o.Status != manifest.Failed {
			t.Fatalf("%+v, and an output of %d bytes", o, len(data))
		}
		return
	}
	if spec.OutputFormat != codec.FormatParquet {
		return
	}
	f, err := parquet.Open(bytes.NewReader(data), int64(len(data)), parquet.Options{})
	if err != nil || f.NumRows() != o.Out {
		t.Fatalf("published with counts %+v, and it cannot be opened, or has other rows: %v", o.Counts, err)
	}
}

// TestBentParquet is the fuzz test for a while, without a fuzzer.
func TestBentParquet(t *testing.T) {
	seeds := fuzzSeeds(t)
	for i := range uint32(1500) {
		data := seeds[int(i)%len(seeds)]
		fuzzJob(t, bent(data, i*2_654_435_761, i*40_503*uint32(len(data))), byte(i))
	}
}
