package s3

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/store"
)

// TestRefusals: what the service says becomes one line that tells what to do.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		status int
		code   string
		kind   error
		text   string
	}{
		{404, "NoSuchKey", fs.ErrNotExist, "NoSuchKey: Text of NoSuchKey (request R1)"},
		{404, "SomethingElse", fs.ErrNotExist, "SomethingElse"},
		{404, "NoSuchBucket", nil, "make the bucket"},
		{403, "AccessDenied", nil, "AccessDenied: Text of AccessDenied (request R1); the credentials lack a permission"},
		{301, "PermanentRedirect", nil, "set AWS_REGION"},
		{307, "TemporaryRedirect", nil, "set AWS_REGION"},
		{403, "InvalidAccessKeyId", nil, "check AWS_ACCESS_KEY_ID"},
		{403, "SignatureDoesNotMatch", nil, "check AWS_SECRET_ACCESS_KEY"},
		{403, "RequestTimeTooSkewed", nil, "clock"},
		{503, "SlowDown", nil, "tried 3 times; the service wants fewer requests"},
		{412, "PreconditionFailed", errPrecondition, "PreconditionFailed"},
		{403, "InvalidObjectState", nil, "restore it"},
		{501, "NotImplemented", nil, "NotImplemented"},
	} {
		f, s := serve(t, nil, Options{})
		f.handler = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", f.url+"/elsewhere") // and nobody goes there
			if r.URL.Path != "/data/o" {
				t.Errorf("a request for %s", r.URL)
			}
			refuse(w, test.status, test.code)
		}
		_, _, err := s.Open(t.Context(), "o")
		wantStoreError(t, err, test.kind)
		if !strings.Contains(err.Error(), test.text) || len(err.Error()) > 250 || status(err) != test.status || code(err) != test.code {
			t.Errorf("%d %s: %v", test.status, test.code, err)
		}
		missing := test.kind == fs.ErrNotExist
		if errors.Is(err, fs.ErrNotExist) != missing || isPrecondition(err) != (test.status == 412) || isNotImplemented(err) != (test.status == 501) {
			t.Errorf("%s is taken for what it is not", test.code)
		}
	}
}

// TestHeadRefusals have a status and nothing else.
func TestHeadRefusals(t *testing.T) {
	for status, kind := range map[int]error{404: fs.ErrNotExist, 403: nil, 400: nil, 412: errPrecondition, 301: nil} {
		f, s := serve(t, nil, Options{})
		f.handler = func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }
		_, err := s.Stat(t.Context(), "o")
		wantStoreError(t, err, kind)
		if errors.Is(err, fs.ErrNotExist) != (status == 404) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestNetworkErrors: no timeout of the network looks like the end of a context.
func TestNetworkErrors(t *testing.T) {
	f, s := serve(t, nil, Options{Stall: 50 * time.Millisecond, Attempts: 2})
	f.handler = func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	_, err := s.Stat(t.Context(), "o")
	wantStoreError(t, err, nil)
	if errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "tried 2 times; check the endpoint and the network") {
		t.Errorf("no answer: %v", err)
	}
	// A port that was free a moment ago may be another test's now.
	s, err = Open(t.Context(), Location{Bucket: "data"}, Options{Endpoint: "http://127.0.0.1:1", Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Stat(t.Context(), "o")
	wantStoreError(t, err, nil)
	if !strings.Contains(err.Error(), "connection refused") || len(err.Error()) > 200 {
		t.Errorf("nobody there: %v", err)
	}
}

func TestContextErrors(t *testing.T) {
	f, s := serve(t, nil, Options{})
	f.handler = func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Stat(ctx, "o"); err != context.DeadlineExceeded {
		t.Errorf("a deadline: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	f.set(func() {
		f.handler = func(w http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }
	})
	if _, err := s.Stat(ctx, "o"); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	for _, err := range s.List(ctx, "") {
		if err != context.Canceled {
			t.Errorf("list: %v", err)
		}
	}
}

func TestWrapKeepsOthers(t *testing.T) {
	known := &store.Error{Op: "read", URI: "s3://b/k", Err: fs.ErrClosed}
	if err := wrap("open", "s3://b/k", known); err != error(known) {
		t.Errorf("wrapped twice: %v", err)
	}
	if err := wrap("open", "s3://b/k", nil); err != nil {
		t.Errorf("nothing became %v", err)
	}
	if got := clean("a\x1b[31m\nb\xffc\u202e", 300); got != "a [31m bc " {
		t.Errorf("cleaned: %q", got)
	}
	if got := clean("ééé", 3); got != "é" {
		t.Errorf("cut: %q", got)
	}
}
