package manifest

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A Writer writes a manifest object by object, so that no job is too large. The text is indented, has its keys in the order of the types, and ends with
// a newline. The same calls give the same bytes. A Writer checks nothing; see [Checker].
type Writer struct {
	out     *bufio.Writer
	buf     bytes.Buffer // one object, or what stands before and behind all
	objects int64
	err     error
}

// NewWriter begins a manifest with what m tells about the job; Objects, Totals
// and Hosts of m are not used. The error is about Config or Identity not being
// JSON, or about w.
func NewWriter(w io.Writer, m *Manifest) (*Writer, error) {
	head := *m
	head.Objects, head.Totals, head.Hosts = nil, Totals{}, nil
	head.Version = cmp.Or(m.Version, Version)
	if len(head.Config) == 0 {
		head.Config = json.RawMessage("{}")
	}
	mw := &Writer{out: bufio.NewWriterSize(w, 64<<10)}
	if mw.encode("", &head) == nil {
		before, _ := mw.aroundObjects()
		mw.put(before, "[")
	}
	return mw, mw.err
}

// aroundObjects is what stands before and behind the list of objects, of a Manifest that
// was encoded without objects. Only keys of its top level have two spaces before them.
func (w *Writer) aroundObjects() (before, behind []byte) {
	key := []byte("\n  \"objects\": ")
	before, behind, _ = bytes.Cut(w.buf.Bytes(), append(key, "null"...))
	return slices.Concat(before, key), behind
}

// Object writes the next object. After an error the Writer is of no more use.
func (w *Writer) Object(o *Object) error {
	between := ",\n    "
	if w.objects == 0 {
		between = between[1:]
	}
	w.objects++
	if w.encode("    ", o) == nil {
		w.put([]byte(between), w.buf.String())
	}
	return w.err
}

// Close ends the manifest with t, which should be the sums over its objects
// (see [Checker.Totals]), and hosts. What the Writer writes to is not closed.
func (w *Writer) Close(t Totals, hosts []Host) error {
	if hosts == nil {
		hosts = []Host{}
	}
	end := "]"
	if w.objects > 0 {
		end = "\n  ]"
	}
	if w.encode("", &Manifest{Config: json.RawMessage("{}"), Totals: t, Hosts: hosts}) == nil {
		_, behind := w.aroundObjects()
		w.put([]byte(end), string(behind), "\n")
	}
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}

// encode renders v into buf. Every line but the first begins with prefix.
func (w *Writer) encode(prefix string, v any) error {
	if w.err != nil {
		return w.err
	}
	w.buf.Reset()
	enc := json.NewEncoder(&w.buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	if err := enc.Encode(v); err != nil {
		w.err = fmt.Errorf("manifest: %w", err)
		return w.err
	}
	w.buf.Truncate(w.buf.Len() - 1) // Encode ends with a newline
	return nil
}

func (w *Writer) put(first []byte, more ...string) {
	_, err := w.out.Write(first)
	for _, text := range more {
		_, failed := w.out.WriteString(text)
		err = errors.Join(err, failed)
	}
	w.err = err
}
