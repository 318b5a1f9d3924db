// Package s3 keeps objects in a bucket of Amazon S3, or of anything that speaks
// its protocol and honours conditional writes. It is the only package that
// imports the AWS SDK.
//
//	client.go    region, endpoint, addressing: from the usual environment
//	keys.go      credentials, and new ones when they have expired
//	transport.go what stalls is ended, what the SDK reads into memory is bounded
//	errors.go    what a request ended with, in a line, and what to do next
//	list.go      listing; stat.go: describing; oddkeys.go: keys that are no paths
//	terms.go     what a bucket's owner asks of requests: encryption, access, tags, who pays
//	read.go      reads from the beginning: ranged, in parallel, of one version of an object
//	readat.go    reads at any place: few requests for many small reads
//	fetch.go     what both read through: a response that breaks off is asked for again
//	write.go     one conditional put, or a multipart upload completed on a condition
//	log.go       the answer log as numbered segments, and who owns it
//	clean.go     uploads that nobody will finish
//	probe.go     whether the service keeps what the rest relies on
//	internal/calls  the requests by name: tests answer them from memory
//
// Requests that the service may repeat without harm are retried by the SDK, and
// nowhere else. What remains ambiguous after its last attempt (was the object
// made, was the log's segment ours?) is resolved by looking.
package s3

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/internal/calls"
)

var (
	_ store.Store   = (*Store)(nil)
	_ store.Keeper  = (*Store)(nil)
	_ store.Distant = (*Store)(nil)
	_ store.Owner   = (*Store)(nil)
	_ store.Cleaner = (*Store)(nil)
	_ store.Prober  = (*Store)(nil)
	_ store.Namer   = (*Store)(nil)
)

// maxKey is how many bytes of UTF-8 a key may have, by Amazon's page "Naming
// Amazon S3 objects".
const maxKey = 1024

// A Store is a bucket, or a folder of it: its objects' keys begin with one prefix.
type Store struct {
	client calls.Client
	bucket string
	prefix string // of all keys: "" or a folder with its final slash
	o      Options

	job      atomic.Pointer[string] // see Own
	logs     sync.Map               // names of logs that were read, and the marks of what was read
	checksum atomic.Bool            // uploads carry CRC64NVME sums: the service takes them
	reading  *semaphore.Weighted    // bytes that may be read ahead
	writing  *semaphore.Weighted    // bytes that may wait to be sent
}

// Location is a parsed s3://bucket/key.
type Location struct {
	Bucket string
	Key    string // without a final slash; "" for the whole bucket
	Folder bool   // it was written with a final slash, and names no object
}

// Open opens the folder that at names: its objects are those whose keys begin
// with at.Key and a slash. Nothing is sent but what finds the bucket's region.
func Open(ctx context.Context, at Location, o Options) (*Store, error) {
	o = o.withDefaults()
	client, err := newClient(ctx, at.Bucket, o)
	if err != nil {
		return nil, err
	}
	return Over(calls.Of(client), at, o), nil
}

// Over is Open for tests: its requests go to a client that answers them without a
// connection, as the bucket of package s3test/bucket does. Nobody else can make one.
func Over(client calls.Client, at Location, o Options) *Store {
	o = o.withDefaults()
	prefix := strings.Trim(at.Key, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &Store{
		client: o.Terms.on(client), bucket: at.Bucket, prefix: prefix, o: o,
		reading: semaphore.NewWeighted(o.Memory / 2), writing: semaphore.NewWeighted(o.Memory / 2),
	}
}

// URI is s3://bucket/key.
func (s *Store) URI(name string) string { return "s3://" + s.bucket + "/" + s.key(name) }

// key is the key of the object called name.
func (s *Store) key(name string) string {
	if s.o.OddKeys {
		name = keyOf(name)
	}
	return s.prefix + name
}

// Concurrency is how many requests are worth having under way at a time.
func (s *Store) Concurrency() int { return s.o.Concurrency }

// Memory is what readers and objects of the store hold at most, all together.
func (s *Store) Memory() int64 { return s.o.Memory }

// Own says whose objects are created from now on.
func (s *Store) Own(job string) { s.job.Store(&job) }

// CheckName refuses what is no name at all, and what has too long a key: the
// service would refuse it only when the object is whole.
func (s *Store) CheckName(name string) error { return s.checkName("create", name) }

func (s *Store) checkName(op, name string) error {
	err := store.ErrBadName
	if n := len(s.key(name)); n > maxKey {
		err = fmt.Errorf("%w: the key has %d bytes, and S3 takes %d; choose a shorter name or prefix", err, n, maxKey)
	} else if store.ValidName(name) {
		return nil
	}
	return &store.Error{Op: op, URI: s.URI(name), Err: err}
}

// begin refuses what no request should be made for.
func (s *Store) begin(ctx context.Context, op, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.checkName(op, name)
}
