package manifest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// A Writer writes a manifest object by object, so that no job is too large for
// it. It gives the same bytes as [Manifest.Encode]: indented, keys in the order
// of the types, a newline at the end. It checks nothing; see [Checker].
type Writer struct {
	out     *bufio.Writer
	buf     bytes.Buffer // one object, or what stands before and behind all
	objects int64
	err     error
}

// head is what stands before the objects, tail what stands behind them: their
// keys, in this order, are those of Manifest.
type head struct {
	Version  int             `json:"version"`
	Tool     string          `json:"tool"`
	JobID    string          `json:"job_id"`
	Started  time.Time       `json:"started"`
	Finished time.Time       `json:"finished"`
	Config   json.RawMessage `json:"config"`
	Identity json.RawMessage `json:"identity,omitempty"`
	Image    *Image          `json:"image,omitempty"`
	Settled  *Settled        `json:"settled,omitempty"`
}

type tail struct {
	Totals Totals `json:"totals"`
	Hosts  []Host `json:"hosts"`
}

// NewWriter begins a manifest with what m tells about the job; Objects, Totals
// and Hosts of m are not used. The error is about Config or Identity not being
// JSON, or about w.
func NewWriter(w io.Writer, m *Manifest) (*Writer, error) {
	h := head{m.Version, m.Tool, m.JobID, m.Started, m.Finished, m.Config, m.Identity, m.Image, m.Settled}
	if h.Version == 0 {
		h.Version = Version
	}
	if len(h.Config) == 0 {
		h.Config = json.RawMessage("{}")
	}
	mw := &Writer{out: bufio.NewWriterSize(w, 64<<10)}
	if mw.encode("", h) == nil {
		// Without the end of the object, which goes on.
		mw.put(bytes.TrimSuffix(mw.buf.Bytes(), []byte("\n}")), ",\n  \"objects\": [")
	}
	return mw, mw.err
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
// (see [Checker.Totals]), and hosts. It does not close what the Writer writes to.
func (w *Writer) Close(t Totals, hosts []Host) error {
	if hosts == nil {
		hosts = []Host{}
	}
	end := "],\n"
	if w.objects > 0 {
		end = "\n  " + end
	}
	if w.encode("", tail{t, hosts}) == nil {
		w.put([]byte(end), string(bytes.TrimPrefix(w.buf.Bytes(), []byte("{\n"))), "\n")
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

// Encode renders a manifest that stands in memory, as a [Writer] does. The same
// manifest gives the same bytes. The error is about Config or Identity not
// being JSON, or a number that JSON does not have.
func (m *Manifest) Encode() ([]byte, error) {
	var buf bytes.Buffer
	w, err := NewWriter(&buf, m)
	if err != nil {
		return nil, err
	}
	for i := range m.Objects {
		if err := w.Object(&m.Objects[i]); err != nil {
			return nil, err
		}
	}
	err = w.Close(m.Totals, m.Hosts)
	return buf.Bytes(), err
}
