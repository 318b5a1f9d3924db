package s3

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/batchmill/batchmill/transform/store/s3/internal/calls"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
)

// doer lets a function be the SDK's connection.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// storeOver is a store of out/ in a bucket, and takes nothing from the environment.
// The SDK makes o.Attempts without its pauses, of which there are 3 by default.
func storeOver(o Options, do doer) *Store {
	if o.Attempts == 0 {
		o.Attempts = 3
	}
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String("http://bucket.invalid"), Region: "us-east-1", UsePathStyle: true, HTTPClient: do,
		Credentials:                aws.AnonymousCredentials{},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		Retryer: retry.NewStandard(func(so *retry.StandardOptions) {
			so.MaxAttempts = o.Attempts
			so.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	})
	s := Over(calls.Of(client), Location{Bucket: "bucket", Key: "out"}, o)
	s.checksum.Store(true)
	return s
}

// newBucket is a bucket in memory, and a store in it.
func newBucket(o Options) (*bucket.Bucket, *Store) {
	b := bucket.New("bucket")
	return b, storeOver(o, b.Do)
}

// before is a fault that is none: do runs before each request.
func before(do func(op s3test.Op, n int)) func(s3test.Op, string, int) string {
	return func(op s3test.Op, _ string, n int) string {
		do(op, n)
		return ""
	}
}

// always is a fault that befalls every request for an operation.
func always(op s3test.Op, fault string) func(s3test.Op, string, int) string {
	return func(now s3test.Op, _ string, _ int) string {
		if now == op {
			return fault
		}
		return ""
	}
}

// content is what stands at key, and whether anything does.
func content(b *bucket.Bucket, key string) (string, bool) {
	if o := b.Get(key); o != nil {
		return string(o.Data), true
	}
	return "", false
}

// putKeys makes objects that are no segments, and whose content is their key.
func putKeys(b *bucket.Bucket, keys ...string) {
	for _, key := range keys {
		b.Put(key, []byte(key))
	}
}

// reply is an answer with a body.
func reply(r *http.Request, body string) *http.Response {
	w := httptest.NewRecorder()
	w.WriteString(body)
	resp := w.Result()
	resp.Request = r
	return resp
}

// wantNoUploads checks that no upload was left.
func wantNoUploads(t *testing.T, b *bucket.Bucket) {
	t.Helper()
	if left := b.Uploads(); len(left) > 0 {
		t.Errorf("uploads were left: %q", left)
	}
}

// wantEmpty checks that nothing was left.
func wantEmpty(t *testing.T, b *bucket.Bucket) {
	t.Helper()
	wantNoUploads(t, b)
	if left := b.Keys(); len(left) > 0 {
		t.Errorf("left are %s", strings.Join(left, ", "))
	}
}

// wantGiven checks that what waits to be sent holds no memory.
func wantGiven(t *testing.T, s *Store) {
	t.Helper()
	if !s.writing.TryAcquire(s.o.Memory / 2) {
		t.Fatal("memory was not given back")
	}
	s.writing.Release(s.o.Memory / 2)
}
