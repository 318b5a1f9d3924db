package plan

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// TestNeighbours: where names tell a format, the files whose names tell none are left out and
// told, whatever their number and order; none that the user has named, and none with --input-format.
func TestNeighbours(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   string
		format  string // --input-format
		single  bool   // each file is an input of its own
		objects int
		left    int64
		err     string
	}{
		{name: "beside others", files: "a.jsonl a.jsonl.bak b.jsonl notes", objects: 2, left: 2},
		{name: "first", files: "1 2 a.jsonl", objects: 1, left: 2},
		{name: "no name tells", files: "1 2", objects: 2},
		{name: "all names tell", files: "a.jsonl b.ndjson", objects: 2},
		{name: "said", files: "a.jsonl b", format: "jsonl", objects: 2},
		{name: "named", files: "a.jsonl b", single: true, err: "b: its name tells no format, and the names of other inputs tell jsonl"},
		{name: "packed", files: "a.jsonl b.tar.gz", objects: 1, left: 1},
	} {
		in := store.NewMemory()
		names := strings.Fields(c.files)
		sources := []Source{{Store: in}}
		if c.single {
			sources = nil
		}
		for _, name := range names {
			if err := in.Put(name, []byte("{}\n")); err != nil {
				t.Fatal(err)
			}
			if c.single {
				sources = append(sources, Source{Store: in, Names: []string{name}, single: true})
			}
		}
		spec := jsonSpec(t)
		spec.InputFormat = c.format
		p, err := New(t.Context(), spec, sources, store.NewMemory(), nil)
		if c.err != "" {
			var f *job.Failure
			if !errors.As(err, &f) || f.Class != job.Usage || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(c.name, err)
		}
		closePlan(t, p)
		left := int64(0)
		for _, s := range p.Skipped {
			if s.Reason != manifest.UnknownExtension {
				t.Errorf("%s: %+v", c.name, s)
			}
			left += s.Count
		}
		if p.Count() != c.objects || left != c.left || p.Bytes() != 3*int64(c.objects) {
			t.Errorf("%s: %d objects of %d bytes, %d left out", c.name, p.Count(), p.Bytes(), left)
		}
	}
}

// encoded is a store whose objects have a Content-Encoding, which only an open object tells.
type encoded struct{ memory }

func (e encoded) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	r, info, err := e.memory.Open(ctx, name)
	info.Encoding = "gzip"
	return r, info, err
}

// TestEncodingIsRead: what a store says of an object's bytes reaches who reads them, in the plan
// and in the run.
func TestEncodingIsRead(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte(`{"k":1}` + "\n"))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	in := encoded{memory{store.NewMemory()}}
	if err := in.Put("a.jsonl", packed.Bytes()); err != nil {
		t.Fatal(err)
	}
	p, err := New(t.Context(), jsonSpec(t), []Source{{Store: in}}, store.NewMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	closePlan(t, p)
	if names := p.Codec.Names(); len(names) != 1 || names[0] != "k" {
		t.Errorf("the plan has read the columns %q", names)
	}
	o, err := p.Object(0)
	if err != nil {
		t.Fatal(err)
	}
	src, err := o.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	o.SameAs(src)
	if o.Content() != codec.InputOf("a.jsonl", "a.jsonl", "gzip", int64(packed.Len())) {
		t.Errorf("the run reads %+v", o.Content())
	}
}
