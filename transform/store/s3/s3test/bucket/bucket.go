// Package bucket is a bucket of S3 in memory, for tests of package s3 and of what
// runs on it. What the bucket answers is true at the moment of the answer, as S3
// promises. The package knows requests and conditions, and nothing of what package
// s3 makes of them: a fake that repeats a protocol tests itself.
//
//	bucket.go   objects, and the conditions by which they change
//	upload.go   uploads and their parts
//	client.go   the SDK's calls, answered without a connection: for simulations
//	weather.go  what becomes of a client's requests: losses, sleep, death
//	http.go     the same bucket behind HTTP, for tests in which the SDK takes part
//	parse.go    what a request of HTTP asks for, and how answers are written
package bucket

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/minio/crc64nvme"

	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// A Bucket is reached through [Bucket.Connect], or as an http.Handler or
// http.RoundTripper. Its fields say how the service behaves, and are set before the
// first request.
type Bucket struct {
	Page      int           // most keys of a listing's page; 0 is 1,000
	LeastPart int           // least bytes of a part that is not the last
	NoSums    bool          // requests with sums are refused
	Ignores   string        // a condition that is ignored: an operation and a header's name
	PartETag  func() string // replaces the ETags of parts
	// Fault says what befalls request number n, from 1, of an operation; "" is
	// nothing. "lost" is no answer. Any other text is the code of a refusal;
	// "200 " before the code makes the answer one that looks well. Where "done " stands
	// before all that, the request is carried out all the same. Nothing is locked while
	// Fault runs, requests at the same time call it at the same time, and it is set or
	// changed only while there are none.
	Fault func(op s3test.Op, key string, n int) string

	name    string
	mu      sync.Mutex // never held while time passes
	keys    []string   // of the objects, ascending
	objects map[string]*Object
	uploads map[string]*upload
	seen    map[s3test.Op]int
	made    int     // objects, uploads and clients so far, for names that never come again
	source  *Bucket // a second bucket, which parts can be copied from
}

// Object is one version of an object. It is never changed.
type Object struct {
	Data     []byte
	Meta     map[string]string // names are in lower case
	ETag     string            // with its quotes; the same for the same bytes in the same parts
	Modified time.Time
	Parts    []int // their sizes; nil for an object of one put
}

// New makes an empty bucket.
func New(name string) *Bucket {
	return &Bucket{name: name, objects: map[string]*Object{}, uploads: map[string]*upload{}, seen: map[s3test.Op]int{}}
}

// Put makes data the content of key, as somebody else would. It takes data over.
func (b *Bucket) Put(key string, data []byte) *Object { return b.PutAs(key, data, nil) }

// PutAs is Put for an object with metadata.
func (b *Bucket) PutAs(key string, data []byte, meta map[string]string) *Object {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.set(key, data, meta, nil)
}

// Get is what stands at key; nil is nothing.
func (b *Bucket) Get(key string) *Object {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.objects[key]
}

// Delete removes objects.
func (b *Bucket) Delete(keys ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range keys {
		b.remove(key)
	}
}

// Clear removes all objects.
func (b *Bucket) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keys = nil
	clear(b.objects)
}

// Keys are the keys of all objects, ascending.
func (b *Bucket) Keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.keys)
}

// Snapshot is the content of all objects as they are now, by key. It must not be changed.
func (b *Bucket) Snapshot() map[string][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make(map[string][]byte, len(b.objects))
	for key, o := range b.objects {
		all[key] = o.Data
	}
	return all
}

// Count is how many requests for an operation have come through HTTP.
func (b *Bucket) Count(op s3test.Op) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen[op]
}

// Forget sets all counts to zero.
func (b *Bucket) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.seen)
}

// Requests is how many requests have come through HTTP.
func (b *Bucket) Requests() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, seen := range b.seen {
		n += seen
	}
	return n
}

// CopiesFrom lets parts of uploads be copied from another bucket too.
func (b *Bucket) CopiesFrom(source *Bucket) { b.source = source }

// refusal is an answer that tells why not.
type refusal struct {
	smithy.GenericAPIError
	status int
}

func (r *refusal) HTTPStatusCode() int { return r.status }

var statuses = map[string]int{
	"PreconditionFailed": 412, "ConditionalRequestConflict": 409, "NoSuchUpload": 404, "NoSuchKey": 404, "NotFound": 404,
	"SlowDown": 503, "InternalError": 500, "BadDigest": 400, "AccessDenied": 403, "NotImplemented": 501, "InvalidRange": 416, "InvalidObjectState": 403,
	"InvalidRequest": 400, "EntityTooSmall": 400, "InvalidPart": 400, "InvalidArgument": 400, "MalformedXML": 400,
}

func refuse(code string) error {
	return &refusal{smithy.GenericAPIError{Code: code, Message: "as the test wants it"}, statuses[code]}
}

// next is a number that was never given before. The caller holds b.mu, as do
// the callers of all methods that follow.
func (b *Bucket) next() int {
	b.made++
	return b.made
}

func (b *Bucket) set(key string, data []byte, meta map[string]string, parts []int) *Object {
	tag := fmt.Sprintf("%q", strconv.FormatUint(crc64nvme.Checksum(data), 16))
	if parts != nil {
		tag = fmt.Sprintf("%s-%d\"", tag[:len(tag)-1], len(parts))
	}
	o := &Object{data, meta, tag, time.Now(), parts}
	if i, there := slices.BinarySearch(b.keys, key); !there {
		b.keys = slices.Insert(b.keys, i, key)
	}
	b.objects[key] = o
	return o
}

func (b *Bucket) remove(key string) {
	if i, there := slices.BinarySearch(b.keys, key); there {
		b.keys = slices.Delete(b.keys, i, i+1)
		delete(b.objects, key)
	}
}

// allows refuses a request whose condition does not hold.
func (b *Bucket) allows(op s3test.Op, key string, match, noneMatch *string) error {
	o := b.objects[key]
	switch {
	case match != nil && b.Ignores == string(op)+" If-Match", noneMatch != nil && b.Ignores == string(op)+" If-None-Match":
		return nil
	case match != nil && o == nil:
		return refuse("NoSuchKey")
	case match != nil && o.ETag != *match, noneMatch != nil && o != nil:
		return refuse("PreconditionFailed")
	}
	return nil
}

// checkSum holds what a request says of its bytes against them.
func (b *Bucket) checkSum(given *string, data []byte) error {
	switch {
	case given == nil:
		return nil
	case b.NoSums:
		return refuse("InvalidRequest")
	case *given != SumOf(data):
		return refuse("BadDigest")
	}
	return nil
}

// SumOf is the CRC64NVME of data as requests bear it.
func SumOf(data []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum(data)))
}

// put makes an object of data, which it takes over.
func (b *Bucket) put(in *s3.PutObjectInput, data []byte) (*s3.PutObjectOutput, error) {
	err := cmp.Or(b.checkSum(in.ChecksumCRC64NVME, data), b.allows(s3test.Put, *in.Key, in.IfMatch, in.IfNoneMatch))
	if err != nil {
		return nil, err
	}
	o := b.set(*in.Key, data, maps.Clone(in.Metadata), nil)
	return &s3.PutObjectOutput{ETag: &o.ETag}, nil
}

func (b *Bucket) head(in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	o := b.objects[*in.Key]
	if o == nil {
		return nil, refuse("NotFound")
	}
	size := int64(len(o.Data))
	return &s3.HeadObjectOutput{ETag: &o.ETag, ContentLength: &size, LastModified: &o.Modified, Metadata: o.Meta}, nil
}

func (b *Bucket) get(in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	o := b.objects[*in.Key]
	if o == nil {
		return nil, refuse("NoSuchKey")
	}
	if err := b.allows(s3test.Get, *in.Key, in.IfMatch, nil); err != nil {
		return nil, err
	}
	out := &s3.GetObjectOutput{ETag: &o.ETag, LastModified: &o.Modified, Metadata: o.Meta}
	data := o.Data
	if in.Range != nil {
		from, end, ok := span(*in.Range, len(data))
		if !ok {
			return nil, refuse("InvalidRange")
		}
		out.ContentRange = aws.String(fmt.Sprintf("bytes %d-%d/%d", from, end-1, len(data)))
		data = data[from:end]
	}
	out.ContentLength = aws.Int64(int64(len(data)))
	out.Body = io.NopCloser(bytes.NewReader(data))
	return out, nil
}

// span reads bytes=FROM-LAST for an object of size bytes.
func span(s string, size int) (from, end int, ok bool) {
	first, last, _ := strings.Cut(strings.TrimPrefix(s, "bytes="), "-")
	from, err := strconv.Atoi(first)
	end, err2 := strconv.Atoi(last)
	return from, min(end+1, size), cmp.Or(err, err2) == nil && from < size && from <= end
}

func (b *Bucket) list(in *s3.ListObjectsV2Input) *s3.ListObjectsV2Output {
	prefix, after := aws.ToString(in.Prefix), cmp.Or(aws.ToString(in.ContinuationToken), aws.ToString(in.StartAfter))
	most := cmp.Or(b.Page, 1000)
	if in.MaxKeys != nil {
		most = min(most, int(*in.MaxKeys))
	}
	out := &s3.ListObjectsV2Output{IsTruncated: aws.Bool(false)}
	i, _ := slices.BinarySearch(b.keys, max(prefix, after))
	for ; i < len(b.keys) && strings.HasPrefix(b.keys[i], prefix); i++ {
		key := b.keys[i]
		if key <= after {
			continue
		}
		if len(out.Contents) == most {
			out.IsTruncated, out.NextContinuationToken = aws.Bool(true), out.Contents[most-1].Key
			break
		}
		o := b.objects[key]
		out.Contents = append(out.Contents, types.Object{
			Key: &key, Size: aws.Int64(int64(len(o.Data))), ETag: &o.ETag, LastModified: &o.Modified,
		})
	}
	return out
}
