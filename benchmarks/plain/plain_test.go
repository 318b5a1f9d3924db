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
	"testing/iotest"

	"github.com/batchmill/batchmill/benchmarks/cheaphost"
)

func TestJoin(t *testing.T) {
	server := httptest.NewServer(cheaphost.Handler())
	defer server.Close()
	tests := []struct{ name, format, in, want string }{
		{"empty csv", "csv", "", ""},
		{"header only", "csv", "id,t\n", "id,t,prediction\n"},
		{"csv", "csv", "id,t\n1,\"a\nb\"\n2,007\n3,c", "id,t,prediction\n1,\"a\nb\",1\n2,007,2\n3,c,3\n"},
		{"empty json", "jsonl", "", ""},
		{"json", "jsonl", "{\"id\":1,\"n\":1.10}\n{\"id\":2}\n{\"id\":3}", "{\"id\":1,\"n\":1.10,\"prediction\":1}\n{\"id\":2,\"prediction\":2}\n{\"id\":3,\"prediction\":3}\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			err := Join(t.Context(), strings.NewReader(test.in), &out, Config{Format: test.format, Host: server.URL, Batch: 2, Concurrency: 2})
			if err != nil || out.String() != test.want {
				t.Errorf("got %q, %v; want %q", &out, err, test.want)
			}
		})
	}
}

// Whatever goes wrong, Join comes back with an error: it neither hangs on a
// promise that nobody keeps nor takes a part for the whole.
func TestFaults(t *testing.T) {
	answer := func(text string, status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		})
	}
	csvIn := "id\n" + strings.Repeat("1\n", 100)
	jsonIn := strings.Repeat("{\"id\":1}\n", 100)
	broken := func(text string) io.Reader {
		return io.MultiReader(strings.NewReader(text), iotest.ErrReader(errors.New("disk on fire")))
	}
	tests := []struct {
		name, format string
		in           io.Reader
		host         http.Handler
	}{
		{"status", "csv", strings.NewReader(csvIn), answer("no", 500)},
		{"too few csv", "csv", strings.NewReader(csvIn), answer("1\n", 200)},
		{"too many csv", "csv", strings.NewReader(csvIn), answer("1\n2\n3\n", 200)},
		{"too few json", "jsonl", strings.NewReader(jsonIn), answer("1\n", 200)},
		{"too many json", "jsonl", strings.NewReader(jsonIn), answer("1\n2\n3\n", 200)},
		{"read csv", "csv", broken(csvIn), cheaphost.Handler()},
		{"read json", "jsonl", broken(jsonIn), cheaphost.Handler()},
		{"ragged", "csv", strings.NewReader(csvIn + "1,2\n"), cheaphost.Handler()},
		{"no json", "jsonl", strings.NewReader(jsonIn + "{]\n"), cheaphost.Handler()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.host)
			defer server.Close()
			if err := Join(t.Context(), test.in, io.Discard, Config{Format: test.format, Host: server.URL, Batch: 2, Concurrency: 3}); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestStops(t *testing.T) {
	server := httptest.NewServer(cheaphost.Handler())
	defer server.Close()
	cfg := Config{Format: "csv", Host: server.URL, Batch: 2, Concurrency: 3}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Join(ctx, strings.NewReader("id\n1\n"), io.Discard, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled run ended with %v", err)
	}
	pr, pw := io.Pipe()
	_ = pr.Close() // every write fails
	if err := Join(t.Context(), strings.NewReader("id\n"+strings.Repeat("1\n", 100_000)), pw, cfg); err == nil {
		t.Error("a failed write was swallowed")
	}
	for _, cfg := range []Config{{}, {Format: "csv"}, {Format: "jsonl", Host: "h", Batch: 1}} {
		if err := Join(t.Context(), strings.NewReader(""), io.Discard, cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
