package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/goleak"
	"golang.org/x/sync/semaphore"
)

// fake is a service in memory, of what writing needs. A test can have it fail at
// any request, before or after it did what was asked.
type fake struct {
	t         *testing.T
	leastPart int
	ignores   string        // a request whose conditions are ignored
	noSums    bool          // refuses requests with sums
	partETag  func() string // instead of the ETag of a part

	mu sync.Mutex
	// fault says what becomes of request number n of an operation: "" for
	// nothing, "lost" for no answer, a code, or "200 " and a code. "done "
	// before it: after the request was carried out.
	fault func(op string, n int) string
	// before runs before a request is looked at.
	before func(op string, n int)

	objects map[string]*fakeObject
	uploads map[string]*fakeUpload
	seen    map[string]int
	made    int
}

type fakeObject struct {
	data []byte
	etag string
	meta map[string]string
	part []int // sizes of its parts
}

type fakeUpload struct {
	key   string
	meta  map[string]string
	parts map[int][]byte
}

// reply is what the fake answers.
type reply struct {
	status int
	code   string
	header map[string]string
	body   string
}

var codes = map[string]int{
	"PreconditionFailed": 412, "ConditionalRequestConflict": 409, "NoSuchUpload": 404, "NoSuchKey": 404,
	"SlowDown": 503, "InternalError": 500, "BadDigest": 400, "AccessDenied": 403, "NotImplemented": 501,
	"InvalidRequest": 400, "EntityTooSmall": 400, "InvalidPart": 400, "InvalidArgument": 400,
}

func refusal(code string) reply {
	return reply{status: codes[code], code: code, body: fmt.Sprintf("<Error><Code>%s</Code><Message>as the test wants it</Message></Error>", code)}
}

// newFake starts a fake, and checks in the end that nothing goes on.
func newFake(t *testing.T, o Options) (*fake, *Store) {
	t.Helper()
	f := &fake{t: t, objects: map[string]*fakeObject{}, uploads: map[string]*fakeUpload{}, seen: map[string]int{}}
	current := goleak.IgnoreCurrent()
	server := httptest.NewServer(f)
	s := fakeStore(server.URL, o)
	t.Cleanup(func() {
		server.Close()
		err := errors.New("not looked")
		for try := 0; err != nil && try < 20; try++ { // a connection that nobody needed may be made late
			s.client.Options().HTTPClient.(*http.Client).CloseIdleConnections()
			err = goleak.Find(current)
		}
		if err != nil {
			t.Error(err)
		}
	})
	return f, s
}

// fakeStore is a store that takes nothing from the environment.
func fakeStore(endpoint string, o Options) *Store {
	o = o.withDefaults()
	s := &Store{bucket: "bucket", prefix: "out/", o: o,
		reading: semaphore.NewWeighted(o.Memory / 2), writing: semaphore.NewWeighted(o.Memory / 2)}
	s.client = s3.New(s3.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "testtest12"}, nil
		}),
		HTTPClient:                 &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		Retryer: retry.NewStandard(func(so *retry.StandardOptions) {
			so.MaxAttempts, so.MaxBackoff = 3, time.Millisecond
		}),
	})
	s.checksum.Store(true)
	return s
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	op := operationOf(r)
	f.mu.Lock()
	f.seen[op]++
	n, before, fault := f.seen[op], f.before, f.fault
	f.mu.Unlock()
	if before != nil {
		before(op, n)
	}
	what := ""
	if fault != nil {
		what = fault(op, n)
	}
	what, done := strings.CutPrefix(what, "done ")
	a := reply{}
	if what == "" || done {
		f.mu.Lock()
		a = f.answer(op, r, body)
		f.mu.Unlock()
	}
	code, ok := strings.CutPrefix(what, "200 ")
	switch {
	case what == "lost":
		panic(http.ErrAbortHandler)
	case what != "":
		a = refusal(code)
	}
	if ok {
		a.status = 200
	}
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if r.Method == http.MethodHead && a.status != 200 {
		a.body = ""
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (f *fake) onFault(fault func(op string, n int) string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

func (f *fake) onBefore(before func(op string, n int)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

func operationOf(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == "PUT" && q.Has("partNumber") && r.Header.Get("X-Amz-Copy-Source") != "":
		return "copy"
	case r.Method == "PUT" && q.Has("partNumber"):
		return "part"
	case r.Method == "POST" && q.Has("uploads"):
		return "create"
	case r.Method == "POST":
		return "complete"
	case r.Method == "DELETE" && q.Has("uploadId"):
		return "abort"
	case r.Method == "GET" && q.Has("uploads"):
		return "uploads"
	}
	return strings.ToLower(r.Method)
}

// answer carries out a request. The mutex is held.
func (f *fake) answer(op string, r *http.Request, body []byte) reply {
	key := strings.TrimPrefix(r.URL.Path, "/bucket/")
	if given := r.Header.Get("X-Amz-Checksum-Crc64nvme"); given != "" && op != "complete" {
		if f.noSums {
			return refusal("InvalidRequest")
		}
		if given != sumOf(body).String() {
			return refusal("BadDigest")
		}
	}
	switch op {
	case "put":
		if refused := f.condition(r, key); refused != nil {
			return *refused
		}
		return f.make(key, body, metadata(r), nil)
	case "create":
		f.made++
		id := fmt.Sprint("upload-", f.made)
		f.uploads[id] = &fakeUpload{key, metadata(r), map[int][]byte{}}
		return reply{status: 200, body: "<InitiateMultipartUploadResult><UploadId>" + id + "</UploadId></InitiateMultipartUploadResult>"}
	case "uploads":
		return f.listUploads(r)
	case "head", "get":
		return f.get(r, key)
	case "delete":
		delete(f.objects, key)
		return reply{status: 204}
	}
	return f.ofUpload(op, r, key, body)
}

func (f *fake) make(key string, data []byte, meta map[string]string, parts []int) reply {
	f.made++
	o := &fakeObject{bytes.Clone(data), fmt.Sprintf(`"etag-%d"`, f.made), meta, parts}
	f.objects[key] = o
	return reply{status: 200, header: map[string]string{"ETag": o.etag}}
}

// condition is the refusal of a request whose condition does not hold.
func (f *fake) condition(r *http.Request, key string) *reply {
	o, refused := f.objects[key], refusal("PreconditionFailed")
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	switch {
	case f.ignores != "" && f.ignores == operationOf(r)+" "+map[bool]string{true: "If-Match", false: "If-None-Match"}[match != ""]:
		return nil
	case match != "" && o == nil:
		refused = refusal("NoSuchKey")
		return &refused
	case match != "" && o.etag != match, none != "" && o != nil:
		return &refused
	}
	return nil
}

func (f *fake) get(r *http.Request, key string) reply {
	o := f.objects[key]
	if o == nil {
		return refusal("NoSuchKey")
	}
	if refused := f.condition(r, key); refused != nil {
		return *refused
	}
	a := reply{status: 200, header: map[string]string{"ETag": o.etag, "Content-Length": strconv.Itoa(len(o.data))}, body: string(o.data)}
	for k, v := range o.meta {
		a.header[k] = v
	}
	return a
}

func metadata(r *http.Request) map[string]string {
	meta := map[string]string{}
	for k := range r.Header {
		if strings.HasPrefix(k, "X-Amz-Meta-") {
			meta[k] = r.Header.Get(k)
		}
	}
	return meta
}

// foreign puts an object there that is not ours.
func (f *fake) foreign(key, data string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.make(key, []byte(data), nil, nil)
}

func (f *fake) content(key string) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.objects[key]; o != nil {
		return string(o.data), true
	}
	return "", false
}

func (f *fake) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[op]
}

// wantNoUploads checks that no upload was left.
func (f *fake) wantNoUploads() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.uploads) > 0 {
		f.t.Errorf("%d uploads were left", len(f.uploads))
	}
}
