package floor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/batchmill/batchmill/benchmarks/cheaphost"
	"github.com/batchmill/batchmill/benchmarks/corpus"
	"github.com/batchmill/batchmill/benchmarks/plain"
)

// The two programs have no line in common; that they agree on every byte says
// that both put the answers where they belong.
func TestAgreesWithPlain(t *testing.T) {
	server := httptest.NewServer(cheaphost.Handler())
	defer server.Close()
	for _, format := range []string{"csv", "jsonl"} {
		var in, want bytes.Buffer
		if err := corpus.Write(&in, corpus.Spec{Format: corpus.Format(format), Records: 2503, Seed: 5}); err != nil {
			t.Fatal(err)
		}
		err := plain.Join(t.Context(), bytes.NewReader(in.Bytes()), &want, plain.Config{Format: format, Host: server.URL, Batch: 50, Concurrency: 3})
		if err != nil {
			t.Fatal(err)
		}
		for _, batch := range []int{1, 7, 100, 5000} {
			var got bytes.Buffer
			result, err := Join(t.Context(), iotest.HalfReader(bytes.NewReader(in.Bytes())), &got, Config{Format: format, Host: server.URL, Batch: batch, Concurrency: 8})
			if err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Fatalf("%s, %d a batch: not what plain writes (%v)", format, batch, err)
			}
			if result.Records != 2503 || result.SHA256 != sha256.Sum256(want.Bytes()) {
				t.Errorf("%s, %d a batch: %d records, sha256 %x", format, batch, result.Records, result.SHA256)
			}
		}
	}
}

func TestFaults(t *testing.T) {
	answer := func(text string, status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		})
	}
	in := "id\n" + strings.Repeat("1\n", 1000)
	tests := []struct {
		name string
		in   io.Reader
		out  io.Writer
		host http.Handler
	}{
		{"status", strings.NewReader(in), io.Discard, answer("no", 500)},
		{"too few", strings.NewReader(in), io.Discard, answer("1\n", 200)},
		{"too many", strings.NewReader(in), io.Discard, answer("1\n2\n3\n", 200)},
		{"read", io.MultiReader(strings.NewReader(in), iotest.ErrReader(errors.New("disk on fire"))), io.Discard, cheaphost.Handler()},
		{"open quote", strings.NewReader(in + "\"\n"), io.Discard, cheaphost.Handler()},
		{"write", strings.NewReader(in), failing{}, cheaphost.Handler()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.host)
			defer server.Close()
			if _, err := Join(t.Context(), test.in, test.out, Config{Format: "csv", Host: server.URL, Batch: 2, Concurrency: 3}); err == nil {
				t.Error("no error")
			}
		})
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestStopsWhenCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Join(ctx, strings.NewReader("id\n1\n"), io.Discard, Config{Format: "csv", Host: "http://127.0.0.1:1", Batch: 2, Concurrency: 3})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestValidate(t *testing.T) {
	for _, cfg := range []Config{{}, {Format: "csv"}, {Format: "jsonl", Host: "h", Batch: 1}} {
		if _, err := Join(t.Context(), strings.NewReader(""), io.Discard, cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
