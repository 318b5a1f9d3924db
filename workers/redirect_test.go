package workers

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// TestRedirectsAreNotFollowed: a redirect that could be followed comes back as
// it is, and nothing, payload and headers least of all, goes where it points.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var reached atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		h := served(t, HTTPOptions{Headers: []HeaderValue{{"Authorization", "Bearer s3cret"}}}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL+"/invocations")
			w.WriteHeader(status)
		})
		resp, err := h.Invoke(t.Context(), &Request{Body: []byte("1,2\n"), ContentType: "text/csv"})
		if err != nil || resp.Status != status || resp.Location != elsewhere.URL+"/invocations" {
			t.Errorf("%d: %+v, %v", status, resp, err)
		}
		if _, err := h.Ready(t.Context()); err == nil {
			t.Errorf("%d: a ping that redirects counts as ready", status)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d requests went where a redirect points", n)
	}
}
