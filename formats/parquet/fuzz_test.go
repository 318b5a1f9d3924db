package parquet

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/batchmill/batchmill/formats"
)

// FuzzReader reads real files after three of their bytes, and then any, have
// been changed. Errors have the types that are promised, batches keep their
// bounds, and memory stays small.
func FuzzReader(f *testing.F) {
	for i, codec := range []compress.Codec{&pq.Uncompressed, &pq.Snappy, &pq.Gzip, &pq.Zstd, &pq.Brotli, &pq.Lz4Raw} {
		data, _ := mixed(f, rand.New(rand.NewPCG(uint64(i), 5)), 20, pq.Compression(codec), pq.DataPageVersion(1+i%2), pq.PageBufferSize(200))
		f.Add(data, uint32(4*i), uint32(i))
	}
	for _, test := range hostile() {
		if data := test.file.bytes(); len(data) < 1<<10 {
			f.Add(data, uint32(0), uint32(0))
		}
	}
	o := Options{MaxRecord: 4 << 10, MaxPage: 256 << 10, MaxFooter: 1 << 20, Memory: 1 << 20}
	f.Fuzz(func(t *testing.T, data []byte, at, value uint32) {
		data = bytes.Clone(data)
		if len(data) > 0 { // a change of its own, which a fuzzer finds too late in a file
			data[int(at)%len(data)] ^= byte(value)
			data[int(at>>8)%len(data)] ^= byte(value >> 8)
			data[int(at>>16)%len(data)] ^= byte(value >> 16)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		readFuzzed(t, data, o)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 32<<20 {
			t.Errorf("took %d bytes for a file of %d", took, len(data))
		}
	})
}

func readFuzzed(t *testing.T, data []byte, o Options) {
	f, err := Open(bytes.NewReader(data), int64(len(data)), o)
	if err != nil {
		checkError(t, err)
		return
	}
	var b formats.Batch
	var row formats.Row
	caps := formats.Caps{Records: 50, Bytes: 8 << 10}
	r := NewReader(f, f.Schema(), nil)
	for n := int64(0); n < 1000; n += int64(b.Len()) {
		if err := r.Next(&b, caps); err != nil {
			if err == io.EOF && n != f.NumRows() {
				t.Fatalf("%d records of %d", n, f.NumRows())
			}
			checkError(t, err)
			return
		}
		if b.Len() > caps.Records || b.Len() > 1 && b.Size() > caps.Bytes || b.Size() > o.MaxRecord+caps.Bytes {
			t.Fatalf("%d records of %d bytes", b.Len(), b.Size())
		}
		r.Check(&b)
		for i := range b.Len() {
			if _, err := record(&b, i, &row); err != nil {
				t.Fatalf("record %d: %v", n+int64(i)+1, err)
			}
		}
	}
}

// checkError holds an error to what is promised about errors.
func checkError(t *testing.T, err error) {
	var bad *FormatError
	var secret *EncryptedError
	if err != io.EOF && !errors.As(err, &bad) && !errors.As(err, &secret) {
		t.Fatalf("an error of another type: %v", err)
	}
}
