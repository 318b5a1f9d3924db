package plan

import (
	"encoding/binary"
	"errors"
	"iter"
	"math"
	"time"

	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/roster"
	"github.com/batchmill/batchmill/transform/store"
)

// Object is one input and where it goes.
type Object struct {
	Index   int // in the job
	Source  store.Store
	Info    store.Info // pins the content; info.Name is the name in the source
	Path    string     // path below the input
	Output  string     // name in the output store
	Rejects string     // name of the rejects file in the output store
}

// Content is what formats have to know of the object beside its bytes.
func (o *Object) Content() codec.Input {
	return codec.InputOf(o.Path, o.Info.Name, o.Info.Encoding, o.Info.Size)
}

// URI is the object's address in its source.
func (o *Object) URI() string { return o.Source.URI(o.Info.Name) }

// Input is the object as a manifest names it.
func (o *Object) Input() manifest.Input {
	return manifest.Input{URI: o.URI(), Size: o.Info.Size, ETag: o.Info.ETag, MTime: o.Info.ModTime.UTC()}
}

// maxObjects is how many objects a job may have: log entries and indexes count no further.
const maxObjects = math.MaxInt32

// objects are a job's inputs in their order. There may be millions: what was
// listed is in a roster, and an object is made of its record whenever it is needed.
type objects struct {
	inputs []Source
	listed roster.List
	// unnamed are objects whose names tell no format. They are the job's where no name does.
	unnamed roster.List
	// Bytes of all that is in a list.
	bytes, unnamedBytes int64
}

// add takes the next object, which is of input number source.
func (s *objects) add(source int, info store.Info) error {
	s.bytes += info.Size
	return addTo(&s.listed, source, info)
}

// addUnnamed takes the next object whose name tells no format.
func (s *objects) addUnnamed(source int, info store.Info) error {
	s.unnamedBytes += info.Size
	return addTo(&s.unnamed, source, info)
}

func addTo(l *roster.List, source int, info store.Info) error {
	if l.Len() >= maxObjects {
		return job.Usagef("run it as several jobs", "--input: more than %d files", maxObjects)
	}
	_, err := l.Add(packInfo(nil, source, info))
	return TempFailure(err)
}

// list is the list of the job's objects, once all inputs were listed, and their bytes.
func (s *objects) list() (*roster.List, int64) {
	if s.listed.Len() == 0 {
		return &s.unnamed, s.unnamedBytes
	}
	return &s.listed, s.bytes
}

func (s *objects) close() error {
	return TempFailure(errors.Join(s.listed.Close(), s.unnamed.Close()))
}

func packInfo(dst []byte, source int, info store.Info) []byte {
	dst = binary.AppendUvarint(dst, uint64(source))
	dst = roster.AppendText(dst, info.Name)
	dst = binary.AppendVarint(dst, info.Size)
	dst = binary.AppendVarint(dst, info.ModTime.Unix())
	dst = binary.AppendUvarint(dst, uint64(info.ModTime.Nanosecond()))
	return roster.AppendText(dst, info.ETag)
}

// Count is the number of objects.
func (p *Plan) Count() int {
	list, _ := p.objects.list()
	return list.Len()
}

// Object makes object i, which is the caller's. Object may be called from many goroutines.
func (p *Plan) Object(i int) (*Object, error) {
	var room [512]byte
	list, _ := p.objects.list()
	record, err := list.Get(room[:0], i)
	if err != nil {
		return nil, TempFailure(err)
	}
	u := roster.Unpack(record)
	source := u.Uint()
	info := store.Info{Name: u.Text(), Size: u.Int(), ModTime: time.Unix(u.Int(), int64(u.Uint())).UTC(), ETag: u.Text()}
	if err := u.Err(); err != nil {
		return nil, TempFailure(err)
	}
	in := &p.objects.inputs[source]
	o := &Object{Index: i, Source: in.Store, Info: info, Path: in.relative(info.Name)}
	if p.Codec != nil {
		o.Output = p.Codec.OutputName(o.Path)
	}
	o.Rejects = RejectsDir + "/" + o.Path + ".jsonl"
	return o, nil
}

// All yields the objects in their order. An error ends the sequence.
func (p *Plan) All() iter.Seq2[*Object, error] {
	return func(yield func(*Object, error) bool) {
		for i := range p.Count() {
			o, err := p.Object(i)
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// TempFailure says of a roster's error what to do about it.
func TempFailure(err error) error {
	if err == nil {
		return nil
	}
	return &job.Failure{Class: job.Storage, Err: err, Hint: "see that the folder for temporary files has room, then run the same command again; TMPDIR names another folder"}
}
