package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// What a bucket answers beside what was asked for.
var (
	errNoKey    = errors.New("there is no such object")
	errNoUpload = errors.New("there is no such upload")
	errRefused  = errors.New("the condition does not hold")
)

// Bucket is a bucket as S3 keeps it, in memory, for simulations. It knows whole
// objects with an ETag and metadata, puts and completions on a condition, uploads
// in parts, and ordered listings in pages; all that it answers is true at
// the moment of the answer. It is reached through [Bucket.Connect].
type Bucket struct {
	name    string
	mu      sync.Mutex // never held while time passes
	objects map[string]*bucketObject
	uploads map[int]*bucketUpload
	made    int // objects, uploads and clients so far, for names that never come again
}

// bucketObject is one version of an object. It is never changed.
type bucketObject struct {
	data []byte
	meta map[string]string
	etag string
	mod  time.Time
}

// bucketUpload is an unfinished upload.
type bucketUpload struct {
	name  string
	meta  map[string]string
	parts [][]byte
}

// NewBucket makes an empty one, whose objects' addresses begin with sim://name/.
func NewBucket(name string) *Bucket {
	return &Bucket{name: name, objects: map[string]*bucketObject{}, uploads: map[int]*bucketUpload{}}
}

// Put makes data, which is copied, the content of name, as somebody else would.
func (b *Bucket) Put(name string, data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(name, data, nil)
}

// Snapshot copies all objects as they are now, by name. Segments of logs are among them.
func (b *Bucket) Snapshot() map[string][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make(map[string][]byte, len(b.objects))
	for name, o := range b.objects {
		all[name] = bytes.Clone(o.data)
	}
	return all
}

// Uploads names the objects whose uploads are unfinished, ascending, one name for each.
func (b *Bucket) Uploads() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for _, u := range b.uploads {
		names = append(names, u.name)
	}
	slices.Sort(names)
	return names
}

// next is a number that was never given before. The caller holds b.mu, as do
// those of all that follow here.
func (b *Bucket) next() int {
	b.made++
	return b.made
}

func (b *Bucket) set(name string, data []byte, meta map[string]string) {
	b.objects[name] = &bucketObject{data: bytes.Clone(data), meta: meta, etag: fmt.Sprintf("v%d", b.next()), mod: time.Now()}
}

func (b *Bucket) head(name string) (*bucketObject, error) {
	o, ok := b.objects[name]
	if !ok {
		return nil, errNoKey
	}
	return o, nil
}

// allows tells whether name may be written by one who has seen this ETag, "" for nothing.
func (b *Bucket) allows(name, seen string) error {
	o, there := b.objects[name]
	if there && o.etag == seen || !there && seen == "" {
		return nil
	}
	if !there { // If-Match of what is not there
		return errNoKey
	}
	return errRefused
}

// put makes an object if the name is free, or still bears what was seen.
func (b *Bucket) put(name, seen string, data []byte, meta map[string]string) error {
	if err := b.allows(name, seen); err != nil {
		return err
	}
	b.set(name, data, maps.Clone(meta))
	return nil
}

// get is the object and up to most of its bytes from off on. etag, where it is not
// "", is the version it must have.
func (b *Bucket) get(name, etag string, off, most int64) (*bucketObject, []byte, error) {
	o, err := b.head(name)
	if err != nil {
		return nil, nil, err
	}
	if etag != "" && o.etag != etag {
		return nil, nil, errRefused
	}
	from := min(off, int64(len(o.data)))
	return o, o.data[from:min(from+most, int64(len(o.data)))], nil
}

// bucketEntry is an entry of a listing.
type bucketEntry struct {
	name, etag string
	size       int64
	mod        time.Time
}

// page lists up to most of the names that begin with prefix and come behind after.
func (b *Bucket) page(prefix, after string, most int) (entries []bucketEntry) {
	for _, name := range slices.Sorted(maps.Keys(b.objects)) {
		if name <= after || !strings.HasPrefix(name, prefix) {
			continue
		}
		if len(entries) == most {
			break
		}
		o := b.objects[name]
		entries = append(entries, bucketEntry{name, o.etag, int64(len(o.data)), o.mod})
	}
	return entries
}

func (b *Bucket) begin(name string, meta map[string]string) int {
	id := b.next()
	b.uploads[id] = &bucketUpload{name: name, meta: maps.Clone(meta)}
	return id
}

// part makes data part number of an upload, in the place of what that was before.
func (b *Bucket) part(id, number int, data []byte) error {
	u, ok := b.uploads[id]
	if !ok {
		return errNoUpload
	}
	for len(u.parts) <= number {
		u.parts = append(u.parts, nil)
	}
	u.parts[number] = bytes.Clone(data)
	return nil
}

// complete makes the upload's parts an object, under put's condition. Where that
// does not hold, the upload stays.
func (b *Bucket) complete(id, parts int, seen string) error {
	u, ok := b.uploads[id]
	if !ok {
		return errNoUpload
	}
	if err := b.allows(u.name, seen); err != nil {
		return err
	}
	b.set(u.name, bytes.Join(u.parts[:parts], nil), u.meta)
	delete(b.uploads, id)
	return nil
}
