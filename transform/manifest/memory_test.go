package manifest

import (
	"bytes"
	"context"
	"io"
)

// The tests hold small manifests in memory, objects and all.

// Decode reads a manifest with its objects.
func Decode(r io.Reader) (*Manifest, error) {
	var objects []Object
	m, err := Read(r, func(o *Object) error {
		objects = append(objects, *o)
		return nil
	})
	if m != nil {
		m.Objects = objects
	}
	return m, err
}

// Encode writes m with a [Writer].
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

// Sum sets the totals that are sums over the objects, and leaves the others.
func (m *Manifest) Sum() {
	t := Totals{Resumed: m.Totals.Resumed, Seconds: m.Totals.Seconds}
	for i := range m.Objects {
		t.add(&m.Objects[i])
	}
	m.Totals = t
}

// Check checks m with a [Checker].
func (m *Manifest) Check() error {
	var c Checker
	for i := range m.Objects {
		c.Object(&m.Objects[i])
	}
	return c.Check(m)
}

// Verify compares m with its files with a [Verifier], to the first difference.
func (m *Manifest) Verify(ctx context.Context, open func(ctx context.Context, uri string) (io.ReadCloser, error)) error {
	v := NewVerifier(open)
	for i := range m.Objects {
		if err := v.Object(ctx, &m.Objects[i]); err != nil {
			return err
		}
	}
	return nil
}
