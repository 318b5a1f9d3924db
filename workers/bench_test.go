package workers

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func BenchmarkInvoke(b *testing.B) {
	answer := make([]byte, 400)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(answer)
	}))
	defer srv.Close()
	h, err := NewHTTPHost(HTTPOptions{URL: srv.URL})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	r := &Request{Body: make([]byte, 10<<10), ContentType: "text/csv", Accept: "text/csv", Key: "j/o/1/100", Object: "o", First: 1, Into: make([]byte, 0, 1000)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Invoke(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
