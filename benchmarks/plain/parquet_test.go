package plain

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/benchmarks/cheaphost"
	"github.com/batchmill/batchmill/benchmarks/corpus"
)

func parquetCorpus(t *testing.T, records int64) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := corpus.Write(&b, corpus.Spec{Format: corpus.Parquet, Records: records, Seed: 5}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func parquetRows(t *testing.T, data []byte, n int) []parquet.Row {
	t.Helper()
	reader := parquet.NewGenericReader[any](bytes.NewReader(data))
	defer func() { _ = reader.Close() }()
	rows := make([]parquet.Row, n+1)
	if got, err := reader.ReadRows(rows); got != n || err != nil && err != io.EOF {
		t.Fatalf("%d rows of %d, %v", got, n, err)
	}
	for i := range rows {
		rows[i] = rows[i].Clone()
	}
	return rows[:n]
}

// Every value of the input comes out as it was, nulls too, with its record's answer.
func TestJoinParquet(t *testing.T) {
	server := httptest.NewServer(cheaphost.Handler())
	defer server.Close()
	for _, records := range []int{0, 1, 1203} {
		in := parquetCorpus(t, int64(records))
		var out bytes.Buffer
		err := JoinParquet(t.Context(), bytes.NewReader(in), int64(len(in)), &out, Config{Format: "parquet", Host: server.URL, Batch: 50, Concurrency: 3})
		if err != nil {
			t.Fatal(err)
		}
		want, got := parquetRows(t, in, records), parquetRows(t, out.Bytes(), records)
		for i, row := range got {
			answer := row[len(row)-1]
			if !row[:len(row)-1].Equal(want[i]) || answer.Double() != float64((i+1)%997) {
				t.Fatalf("row %d: got %v, want %v with its answer", i+1, row, want[i])
			}
		}
	}
}

func TestParquetFaults(t *testing.T) {
	answer := func(text string, status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		})
	}
	in := parquetCorpus(t, 200)
	tests := []struct {
		name string
		in   []byte
		host http.Handler
	}{
		{"status", in, answer("no", 500)},
		{"too few", in, answer("1\n", 200)},
		{"too many", in, answer(strings.Repeat("1\n", 51), 200)},
		{"no number", in, answer(strings.Repeat("x\n", 50), 200)},
		{"cut off", in[:len(in)-1], cheaphost.Handler()},
		{"text", []byte("id\n1\n2\n3\n4\n"), cheaphost.Handler()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.host)
			defer server.Close()
			cfg := Config{Format: "parquet", Host: server.URL, Batch: 50, Concurrency: 3}
			if err := JoinParquet(t.Context(), bytes.NewReader(test.in), int64(len(test.in)), io.Discard, cfg); err == nil {
				t.Error("no error")
			}
		})
	}
	cfg := Config{Format: "parquet", Host: "http://127.0.0.1:1", Batch: 2, Concurrency: 3}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := JoinParquet(ctx, bytes.NewReader(in), int64(len(in)), io.Discard, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled run ended with %v", err)
	}
	if err := Join(t.Context(), strings.NewReader(""), io.Discard, cfg); err == nil {
		t.Error("a stream of Parquet was accepted")
	}
	if err := JoinParquet(t.Context(), bytes.NewReader(in), int64(len(in)), io.Discard, Config{}); err == nil {
		t.Error("an empty configuration was accepted")
	}
}
