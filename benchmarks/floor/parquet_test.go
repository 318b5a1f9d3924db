package floor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/benchmarks/cheaphost"
	"github.com/batchmill/batchmill/benchmarks/corpus"
	"github.com/batchmill/batchmill/benchmarks/plain"
)

// parquetCorpus makes a corpus with small pages, and row groups of 700 rows.
func parquetCorpus(t testing.TB, records int64) []byte {
	t.Helper()
	var whole, cut bytes.Buffer
	if err := corpus.Write(&whole, corpus.Spec{Format: corpus.Parquet, Records: records, Seed: 5}); err != nil {
		t.Fatal(err)
	}
	reader := parquet.NewGenericReader[any](bytes.NewReader(whole.Bytes()))
	writer := parquet.NewGenericWriter[any](&cut, reader.Schema(), parquet.Compression(&parquet.Snappy),
		parquet.MaxRowsPerRowGroup(700), parquet.PageBufferSize(1000))
	_, err := parquet.CopyRows(writer, reader)
	if err := errors.Join(err, writer.Close(), reader.Close()); err != nil {
		t.Fatal(err)
	}
	return cut.Bytes()
}

func parquetRows(t *testing.T, data []byte) []parquet.Row {
	t.Helper()
	reader := parquet.NewGenericReader[any](bytes.NewReader(data))
	defer func() { _ = reader.Close() }()
	var all []parquet.Row
	some := make([]parquet.Row, 100)
	for {
		n, err := reader.ReadRows(some)
		for _, row := range some[:n] {
			all = append(all, row.Clone())
		}
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The two programs read and write in different ways; that they agree on every
// value says that both put the answers where they belong.
func TestParquetAgreesWithPlain(t *testing.T) {
	server := httptest.NewServer(cheaphost.Handler())
	defer server.Close()
	for _, records := range []int64{0, 1, 2503} {
		in := parquetCorpus(t, records)
		var out bytes.Buffer
		err := plain.JoinParquet(t.Context(), bytes.NewReader(in), int64(len(in)), &out, plain.Config{Format: "parquet", Host: server.URL, Batch: 50, Concurrency: 3})
		if err != nil {
			t.Fatal(err)
		}
		want := parquetRows(t, out.Bytes())
		if len(want) != int(records) {
			t.Fatalf("plain wrote %d rows of %d", len(want), records)
		}
		for _, batch := range []int{1, 33, 5000} {
			out.Reset()
			result, err := JoinParquet(t.Context(), bytes.NewReader(in), int64(len(in)), &out, Config{Format: "parquet", Host: server.URL, Batch: batch, Concurrency: 8})
			if err != nil || result.Records != records || result.SHA256 != sha256.Sum256(out.Bytes()) {
				t.Fatalf("%d a batch: %+v, %v", batch, result, err)
			}
			if got := parquetRows(t, out.Bytes()); !slices.EqualFunc(got, want, parquet.Row.Equal) {
				t.Fatalf("%d rows, %d a batch: not what plain writes", records, batch)
			}
		}
	}
}

// Each page of the answers must be found through the index as well: a reader
// that jumps to a row goes that way.
func TestAnswersCanBeSeeked(t *testing.T) {
	server := httptest.NewServer(cheaphost.Handler())
	defer server.Close()
	in := parquetCorpus(t, 1500)
	var out bytes.Buffer
	if _, err := JoinParquet(t.Context(), bytes.NewReader(in), int64(len(in)), &out, Config{Format: "parquet", Host: server.URL, Batch: 100, Concurrency: 2}); err != nil {
		t.Fatal(err)
	}
	reader := parquet.NewGenericReader[any](bytes.NewReader(out.Bytes()))
	defer func() { _ = reader.Close() }()
	if names := reader.Schema().Columns(); !slices.Equal(names[len(names)-1], []string{"prediction"}) {
		t.Errorf("the last column is %q", names[len(names)-1])
	}
	row := make([]parquet.Row, 1)
	for _, at := range []int64{1499, 700, 699, 0, 1234} {
		if err := reader.SeekToRow(at); err != nil {
			t.Fatal(err)
		}
		if _, err := reader.ReadRows(row); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if id, answer := row[0][0].Int64(), row[0][len(row[0])-1].Double(); id != at+1 || answer != float64(id%997) {
			t.Errorf("row %d: id %d, prediction %v", at+1, id, answer)
		}
	}
}

func TestParquetPayload(t *testing.T) {
	word := []byte("\"a\n\"\"b\"\"\"")
	b := rows{n: 3, columns: []cells{
		{kind: parquet.Int64, ints: []int64{7, -8, 9}},
		{kind: parquet.Double, levels: []byte{1, 0, 1}, doubles: []float64{0.1, 1e21}},
		{kind: parquet.ByteArray, levels: []byte{0, 1, 1}, words: [][]byte{word, []byte("x")}},
	}}
	want := "7,0.1,\n-8,,\"a\n\"\"b\"\"\"\n9,1000000000000000000000,x\n"
	if got := string(b.appendCSV(nil)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseAnswers(t *testing.T) {
	two := make([]float64, 2)
	if err := parseAnswers(two, []byte("5\n-1.5e3\n")); err != nil || two[0] != 5 || two[1] != -1500 {
		t.Errorf("got %v, %v", two, err)
	}
	for _, answers := range []string{"", "5\n", "5\n6", "5\n6\n7\n", "5\nx\n"} {
		if err := parseAnswers(two, []byte(answers)); err == nil {
			t.Errorf("%q was taken for two answers", answers)
		}
	}
}

func TestParquetFaults(t *testing.T) {
	fail := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	few := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "1\n") })
	in := parquetCorpus(t, 1500)
	damaged := slices.Concat(in[:200], bytes.Repeat([]byte{0xff}, 2000), in[2200:])
	tests := []struct {
		name string
		in   []byte
		out  io.Writer
		host http.Handler
	}{
		{"status", in, io.Discard, fail},
		{"too few", in, io.Discard, few},
		{"cut off", in[:len(in)-1], io.Discard, cheaphost.Handler()},
		{"damaged pages", damaged, io.Discard, cheaphost.Handler()},
		{"text", []byte("id\n1\n2\n3\n4\n"), io.Discard, cheaphost.Handler()},
		{"write", in, failing{}, cheaphost.Handler()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.host)
			defer server.Close()
			cfg := Config{Format: "parquet", Host: server.URL, Batch: 20, Concurrency: 3}
			if _, err := JoinParquet(t.Context(), bytes.NewReader(test.in), int64(len(test.in)), test.out, cfg); err == nil {
				t.Error("no error")
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := JoinParquet(ctx, bytes.NewReader(in), int64(len(in)), io.Discard, Config{Format: "parquet", Host: "http://127.0.0.1:1", Batch: 2, Concurrency: 3})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled run ended with %v", err)
	}
}

// Text and Parquet have a function each; neither takes the other's format.
func TestParquetIsNoStream(t *testing.T) {
	_, err := Join(t.Context(), strings.NewReader(""), io.Discard, Config{Format: "parquet", Host: "h", Batch: 1, Concurrency: 1})
	if err == nil {
		t.Error("a stream of Parquet was accepted")
	}
	if _, err := JoinParquet(t.Context(), strings.NewReader(""), 0, io.Discard, Config{}); err == nil {
		t.Error("an empty configuration was accepted")
	}
}

// What decoding and rendering cost by themselves.
func BenchmarkParquetStages(b *testing.B) {
	var in bytes.Buffer
	if err := corpus.Write(&in, corpus.Spec{Format: corpus.Parquet, Records: 50_000, Seed: 1}); err != nil {
		b.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(in.Bytes()), int64(in.Len()))
	if err != nil {
		b.Fatal(err)
	}
	var batch rows
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			t := table{groups: file.RowGroups()}
			for t.next(&batch, 1000) == nil {
			}
		}
	})
	b.Run("render", func(b *testing.B) {
		t := table{groups: file.RowGroups()}
		if err := t.next(&batch, 1000); err != nil {
			b.Fatal(err)
		}
		t.close()
		var dst []byte
		for b.Loop() {
			dst = batch.appendCSV(dst[:0])
		}
	})
}
