package workers

import (
	"errors"
	"io"
	"net/http"
	"testing"
)

// TestEchoedKey: a response that names another request than its own is none; one that names
// its request is in no doubt.
func TestEchoedKey(t *testing.T) {
	for echoed, taken := range map[string]bool{"": true, "j/a%20b/1/2": true, "j/a%20b/1/3": false, "j/a b/1/2": false} {
		h := piped(t, HTTPOptions{}, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if echoed != "" {
				w.Header().Set(idempotencyKey, echoed)
			}
			_, _ = io.WriteString(w, "1\n")
		})
		_, err := h.Invoke(t.Context(), &Request{Body: []byte("x\n"), Key: "j/a b/1/2"})
		if (err == nil) != taken || err != nil && (!errors.Is(err, errAnotherRequest) || Classify(Response{}, err).Cause != Broken) {
			t.Errorf("%q: %v", echoed, err)
		}
	}
}
