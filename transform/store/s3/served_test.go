package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/internal/calls"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
)

// served is a service that has one object, "o" in the bucket "data", and whose
// answers to requests for its bytes can be made to go wrong.
type served struct {
	t   testing.TB
	url string
	*bucket.Bucket

	mu          sync.Mutex
	noETag      bool
	ignoreRange bool
	fault       func(asked int, from, to int64) fault // asked counts from 1
	asked       int                                   // requests for bytes
	handler     http.HandlerFunc                      // answers instead, if set
}

// A fault is what is wrong with an answer. The zero value is none.
type fault struct {
	status   int    // the answer is a refusal
	code     string // its code
	cut      bool   // the body ends after keep bytes
	stall    bool   // the body brings nothing after keep bytes
	keep     int64
	span     string // Content-Range
	size     int64  // the size in it
	length   string // Content-Length
	etag     string
	modified string
	then     func() // runs behind the answer
}

// randomBytes are the same in every run.
func randomBytes(n int) []byte {
	data := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(data)
	return data
}

// setKeys makes the environment that of a test alone, with credentials in a
// file, so that they can be rotated.
func setKeys(t testing.TB) (rotate func(key string)) {
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value) // puts it back
			os.Unsetenv(name)
		}
	}
	file := filepath.Join(t.TempDir(), "credentials")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_CONFIG_FILE", file+"-none")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	rotate = func(key string) {
		text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = sesame\n", key)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rotate("first")
	return rotate
}

// serve starts a service and opens a store on it.
func serve(t testing.TB, data []byte, o Options) (*served, *Store) {
	t.Helper()
	setKeys(t)
	f := &served{t: t, Bucket: bucket.New("data")}
	f.Put("o", data)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url, o.Endpoint = server.URL, server.URL
	if o.Attempts == 0 {
		o.Attempts = 3
	}
	s, err := Open(t.Context(), Location{Bucket: "data"}, o)
	if err != nil {
		t.Fatal(err)
	}
	s.Hasten()
	return f, s
}

// sdk is the SDK's client that the store speaks through.
func (s *Store) sdk() *s3.Client { return s.client.Reads.(*s3.Client) }

// Hasten makes retries follow each other at once: faults are many, and tests short.
func (s *Store) Hasten() {
	so := s.sdk().Options()
	so.Retryer = hasty{so.Retryer}
	s.client = calls.Of(s3.New(so))
}

// hasty retries with hardly a wait.
type hasty struct{ aws.Retryer }

func (hasty) RetryDelay(int, error) (time.Duration, error) { return time.Millisecond, nil }

func (f *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	handler := f.handler
	f.mu.Unlock()
	if handler != nil {
		handler(w, r)
		return
	}
	if r.URL.Path != "/data/o" {
		refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	f.object(w, r)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Amz-Request-Id", "R1")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>Text of %s.</Message></Error>", code, code)
}

// object answers as the bucket does, but for what is made to go wrong.
func (f *served) object(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	if f.ignoreRange {
		r.Header.Del("Range")
	}
	size := int64(len(f.Get("o").Data))
	from, to := int64(0), size
	ranged := r.Header.Get("Range") != ""
	if ranged {
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
		to = min(to+1, size)
	}
	var bad fault
	if r.Method == http.MethodGet {
		f.asked++
		if f.fault != nil {
			bad = f.fault(f.asked, from, to)
		}
	}
	f.mu.Unlock()
	if bad.status != 0 {
		refuse(w, bad.status, bad.code)
		return
	}
	a := httptest.NewRecorder()
	f.Bucket.ServeHTTP(a, r)
	if bad.then != nil {
		bad.then()
	}
	h := a.Header()
	if ranged && a.Code == http.StatusPartialContent {
		h.Set("Content-Range", cmp.Or(bad.span, fmt.Sprintf("bytes %d-%d/%d", from, to-1, max(size, bad.size))))
	}
	for name, value := range map[string]string{"Last-Modified": bad.modified, "Etag": bad.etag, "Content-Length": bad.length} {
		if value != "" {
			h.Set(name, value)
		}
	}
	if f.noETag {
		h.Del("Etag")
	}
	maps.Copy(w.Header(), h)
	w.WriteHeader(a.Code)
	f.body(w, r, a.Body.Bytes(), bad)
}

func (f *served) body(w http.ResponseWriter, r *http.Request, data []byte, bad fault) {
	if bad.cut || bad.stall {
		data = data[:min(int64(len(data)), bad.keep)]
	}
	w.Write(data)
	w.(http.Flusher).Flush()
	if bad.stall {
		<-r.Context().Done()
	}
	if bad.cut {
		panic(http.ErrAbortHandler)
	}
}

func (f *served) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *served) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// open opens the object; it is closed at the end of the test, after which no
// memory may be held.
func (f *served) open(s *Store) *reader {
	f.t.Helper()
	r, info, err := s.Open(context.Background(), "o")
	if err != nil {
		f.t.Fatal(err)
	}
	if stat, err := s.Stat(context.Background(), "o"); err != nil || stat != info {
		f.t.Errorf("stat %+v, %v; open said %+v", stat, err, info)
	}
	f.t.Cleanup(func() { r.Close() })
	return r.(*reader)
}

// wantFree checks that the readers of s hold nothing.
func wantFree(t testing.TB, s *Store) {
	t.Helper()
	if !s.reading.TryAcquire(s.o.Memory / 2) {
		t.Fatal("memory is held after all readers were closed")
	}
	s.reading.Release(s.o.Memory / 2)
}

// wantAll reads r to its end.
func wantAll(t testing.TB, r io.Reader, want []byte) {
	t.Helper()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes, %v; want %d, or they differ", len(got), err, len(want))
	}
}

// wantStoreError checks an error as package store promises it.
func wantStoreError(t testing.TB, err, want error) {
	t.Helper()
	var e *store.Error
	if !errors.As(err, &e) || want != nil && !errors.Is(err, want) {
		t.Fatalf("error %v (%T), want a *store.Error of %v", err, err, want)
	}
	if strings.Contains(err.Error(), "operation error") {
		t.Errorf("the error shows the SDK's chain: %v", err)
	}
}

// within ends everything, and shows where it stood, when f takes longer than
// any machine should.
func within(t testing.TB, f func()) {
	name := t.Name()
	watch := time.AfterFunc(10*time.Minute, func() { panic(name + " does not end") })
	defer watch.Stop()
	f()
}
