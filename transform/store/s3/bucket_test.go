package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/semaphore"
)

// memBucket is a bucket in memory, behind the SDK's own requests: what the log
// needs of S3, and all of it at once, as S3 promises.
type memBucket struct {
	mu       sync.Mutex
	objects  map[string]memEntry
	page     int // keys in a listing's page
	requests map[string]int
	fault    func(op, key string) *memFault // by whom a request is met; nil for nobody
}

type memEntry struct {
	data []byte
	tag  string
	meta http.Header
	mod  time.Time
}

// memFault is what befalls a request instead of its answer.
type memFault struct {
	apply  bool // it is carried out
	status int  // 0: the connection breaks
	code   string
}

var errLost = errors.New("connection reset by peer")

func newMemBucket() *memBucket {
	return &memBucket{objects: map[string]memEntry{}, page: 1000, requests: map[string]int{}}
}

// doer lets a function be the SDK's connection.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// store is a Store below prefix whose requests go through do. Attempts are the
// SDK's, without its pauses.
func (m *memBucket) store(prefix string, attempts int, do doer) *Store {
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String("http://bucket.invalid"), Region: "us-east-1", UsePathStyle: true, HTTPClient: do,
		Credentials: aws.AnonymousCredentials{},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = attempts
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	})
	o := Options{Attempts: attempts}.withDefaults()
	return &Store{
		client: client, bucket: "b", prefix: prefix, o: o,
		reading: semaphore.NewWeighted(o.Memory / 2), writing: semaphore.NewWeighted(o.Memory / 2),
	}
}

// newMemStore is a store alone in its bucket.
func newMemStore(t *testing.T) (*Store, *memBucket) {
	t.Helper()
	m := newMemBucket()
	return m.store("out/", 3, m.Do), m
}

// keys are the keys of all objects.
func (m *memBucket) keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.objects))
}

// counted tells how often an operation was asked for, since the last call.
func (m *memBucket) counted(op string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.requests[op]
	delete(m.requests, op)
	return n
}

// operation names a request: put, get, head, list, deletes, delete.
func operation(r *http.Request) (op, key string) {
	key = strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/b"), "/")
	switch {
	case r.Method == http.MethodGet && r.URL.Query().Get("list-type") != "":
		return "list", key
	case r.Method == http.MethodPost:
		return "deletes", key
	}
	return strings.ToLower(r.Method), key
}

// Do carries out a request. Each is one instant.
func (m *memBucket) Do(r *http.Request) (*http.Response, error) {
	op, key := operation(r)
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests[op]++
	var f *memFault
	if m.fault != nil {
		f = m.fault(op, key)
	}
	if f == nil || f.apply {
		if resp := m.serve(op, key, r, body); f == nil {
			return resp, nil
		}
	}
	if f.status == 0 {
		return nil, errLost
	}
	return memReply(r, f.status, nil, memProblem(f.code)), nil
}

func (m *memBucket) serve(op, key string, r *http.Request, body []byte) *http.Response {
	o, there := m.objects[key]
	switch op {
	case "list":
		return m.list(r)
	case "deletes":
		var in struct {
			Object []struct{ Key string }
		}
		if err := xml.Unmarshal(body, &in); err != nil || len(in.Object) > 1000 {
			return memReply(r, http.StatusBadRequest, nil, memProblem("MalformedXML"))
		}
		for _, o := range in.Object {
			delete(m.objects, o.Key)
		}
		return memReply(r, http.StatusOK, nil, []byte("<DeleteResult/>"))
	case "delete":
		delete(m.objects, key)
		return memReply(r, http.StatusNoContent, nil, nil)
	case "put":
		if r.Header.Get("If-None-Match") == "*" && there {
			return memReply(r, http.StatusPreconditionFailed, nil, memProblem("PreconditionFailed"))
		}
		meta := http.Header{}
		for k, v := range r.Header {
			if strings.HasPrefix(strings.ToLower(k), "x-amz-meta-") {
				meta[http.CanonicalHeaderKey(k)] = v
			}
		}
		m.objects[key] = memEntry{body, memTag(body), meta, time.Now()}
		return memReply(r, http.StatusOK, http.Header{"Etag": {m.objects[key].tag}}, nil)
	}
	if !there {
		return memReply(r, http.StatusNotFound, nil, memProblem("NoSuchKey"))
	}
	return o.answer(r)
}

// answer describes an object, or gives a range of it.
func (o memEntry) answer(r *http.Request) *http.Response {
	head := o.meta.Clone()
	head.Set("ETag", o.tag)
	head.Set("Last-Modified", o.mod.UTC().Format(http.TimeFormat))
	if match := r.Header.Get("If-Match"); match != "" && match != o.tag {
		return memReply(r, http.StatusPreconditionFailed, nil, memProblem("PreconditionFailed"))
	}
	data, code := o.data, http.StatusOK
	var from, to int
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n == 2 {
		head.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(data)))
		data, code = data[from:to+1], http.StatusPartialContent
	}
	resp := memReply(r, code, head, data)
	if r.Method == http.MethodHead {
		resp.Body = http.NoBody
	}
	return resp
}

func (m *memBucket) list(r *http.Request) *http.Response {
	q := r.URL.Query()
	after := q.Get("start-after")
	if token := q.Get("continuation-token"); token != "" {
		after = token
	}
	page := m.page
	if most, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		page = min(page, most)
	}
	var out bytes.Buffer
	out.WriteString("<ListBucketResult><EncodingType>url</EncodingType>")
	n, last := 0, ""
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		if !strings.HasPrefix(key, q.Get("prefix")) || key <= after {
			continue
		}
		if n++; n > page {
			fmt.Fprintf(&out, "<IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>", last)
			break
		}
		o := m.objects[key]
		fmt.Fprintf(&out, "<Contents><Key>%s</Key><Size>%d</Size><ETag>%s</ETag><LastModified>%s</LastModified></Contents>",
			url.QueryEscape(key), len(o.data), o.tag, o.mod.UTC().Format(time.RFC3339))
		last = key
	}
	out.WriteString("</ListBucketResult>")
	return memReply(r, http.StatusOK, nil, out.Bytes())
}

func memTag(data []byte) string {
	sum := md5.Sum(data)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func memProblem(code string) []byte { return fmt.Appendf(nil, "<Error><Code>%s</Code></Error>", code) }

func memReply(r *http.Request, code int, head http.Header, body []byte) *http.Response {
	if head == nil {
		head = http.Header{}
	}
	head.Set("Content-Length", strconv.Itoa(len(body)))
	return &http.Response{
		StatusCode: code, Header: head, Request: r, ContentLength: int64(len(body)),
		Body: io.NopCloser(bytes.NewReader(body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}
