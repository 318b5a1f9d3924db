package transform

import (
	"encoding/binary"
	"errors"
	"iter"
	"math"
	"time"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform/roster"
	"github.com/batchmill/batchmill/transform/store"
)

// object is one input and where it goes.
type object struct {
	index   int // in the job
	source  store.Store
	info    store.Info // pins the content; info.Name is the name in the source
	rel     string     // path below the input
	out     string     // name in the output store
	rejects string

	compression compress.Codec // of its bytes, by its name
}

func (o *object) uri() string { return o.source.URI(o.info.Name) }

// maxObjects is how many objects a job may have: log entries and indexes count no further.
const maxObjects = math.MaxInt32

// objects are a job's inputs in their order. There may be millions: what was
// listed of them is in a roster, and an object is made of it whenever one is needed.
type objects struct {
	inputs []Source
	listed roster.List
	bytes  int64 // of all objects
}

// add takes the next object, which is of input number source.
func (s *objects) add(source int, info store.Info) error {
	if s.listed.Len() >= maxObjects {
		return usage("run it as several jobs", "--input: more than %d files", maxObjects)
	}
	_, err := s.listed.Add(packInfo(nil, source, info))
	s.bytes += info.Size
	return rosterError(err)
}

func packInfo(dst []byte, source int, info store.Info) []byte {
	dst = binary.AppendUvarint(dst, uint64(source))
	dst = appendText(dst, info.Name)
	dst = binary.AppendVarint(dst, info.Size)
	dst = binary.AppendVarint(dst, info.ModTime.Unix())
	dst = binary.AppendUvarint(dst, uint64(info.ModTime.Nanosecond()))
	return appendText(dst, info.ETag)
}

func (p *Plan) count() int { return p.objects.listed.Len() }

// object makes object i. It is the caller's, and may be called at any time.
func (p *Plan) object(i int) (*object, error) {
	var room [512]byte
	record, err := p.objects.listed.Get(room[:0], i)
	if err != nil {
		return nil, rosterError(err)
	}
	u := unpacker{rest: record}
	source := u.count()
	info := store.Info{Name: u.text(), Size: u.number(), ModTime: time.Unix(u.number(), int64(u.count())).UTC(), ETag: u.text()}
	if u.failed || source >= uint64(len(p.objects.inputs)) {
		return nil, rosterError(errUnpacked)
	}
	in := &p.objects.inputs[source]
	o := &object{index: i, source: in.Store, info: info, rel: in.relative(info.Name)}
	o.compression, _ = compress.OfFileName(info.Name)
	if p.codec != nil {
		o.out = outputName(o.rel, p.codec.in, p.codec.out, p.codec.compression)
	}
	o.rejects = rejectsDir + "/" + o.rel + ".jsonl"
	return o, nil
}

// all yields the objects in their order. An error ends the sequence.
func (p *Plan) all() iter.Seq2[*object, error] {
	return func(yield func(*object, error) bool) {
		for i := range p.count() {
			o, err := p.object(i)
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// errUnpacked is a record of a roster that is not what was put there.
var errUnpacked = errors.New("a record is not what was written")

// rosterError says of a roster's error what to do about it.
func rosterError(err error) error {
	if err == nil {
		return nil
	}
	return &Failure{Class: Storage, Err: err, Hint: "see that the folder for temporary files has room, then run the same command again; TMPDIR names another folder"}
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// unpacker reads what was packed into a record. After the first thing that
// cannot be, failed is set, and all that follows is zero.
type unpacker struct {
	rest   []byte
	failed bool
}

func (u *unpacker) count() uint64 {
	v, n := binary.Uvarint(u.rest)
	u.skip(n)
	return v
}

func (u *unpacker) number() int64 {
	v, n := binary.Varint(u.rest)
	u.skip(n)
	return v
}

func (u *unpacker) text() string {
	n := u.count()
	if n > uint64(len(u.rest)) {
		u.skip(0)
		return ""
	}
	text := string(u.rest[:n])
	u.rest = u.rest[n:]
	return text
}

// skip passes over n bytes; there is always one.
func (u *unpacker) skip(n int) {
	if n <= 0 {
		u.failed, u.rest = true, nil
		return
	}
	u.rest = u.rest[n:]
}
