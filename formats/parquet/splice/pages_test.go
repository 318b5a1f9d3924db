package splice

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// TestDamagedPagesAreNotCopied: a chunk whose pages cannot be walked fails its
// row group before a byte of it is written.
func TestDamagedPagesAreNotCopied(t *testing.T) {
	whole := write(t, makeRecord, []int{300, 20}, parquet.PageBufferSize(256))
	first := footerOf(t, whole).RowGroups[0].Columns[0].MetaData
	for name, c := range map[string]struct {
		damage func(b []byte) []byte
		want   string
	}{
		"a header of zeros": {func(b []byte) []byte {
			clear(b[first.DataPageOffset:][:8])
			return b
		}, "a page header lacks a required field"},
		"a header of noise": {func(b []byte) []byte {
			for i := range 200 {
				b[first.DataPageOffset+int64(i)] = 0xff
			}
			return b
		}, "a page header holds a value of the unknown type 15"},
		"values that are not there": {func(b []byte) []byte {
			m := footerOf(t, b)
			m.RowGroups[0].Columns[0].MetaData.NumValues++
			return withFooter(t, b, m)
		}, "hold 300 values, and its metadata tells of 301"},
		"a chunk that ends in a page": {func(b []byte) []byte {
			m := footerOf(t, b)
			m.RowGroups[0].Columns[0].MetaData.TotalCompressedSize--
			return withFooter(t, b, m)
		}, "is longer than what is left of its chunk"},
		"two chunks in one": {func(b []byte) []byte {
			m := footerOf(t, b)
			chunks := m.RowGroups[0].Columns
			chunks[0].MetaData.TotalCompressedSize += chunks[1].MetaData.TotalCompressedSize
			chunks[1].MetaData.TotalCompressedSize = 0
			return withFooter(t, b, m)
		}, "its metadata tells of 300"},
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, c.damage(append([]byte(nil), whole...)))
			w, err := NewWriter(io.Discard, Config{Schema: []Columns{{File: f}}})
			if err != nil {
				t.Fatal(err)
			}
			err = w.RowGroup(Part{File: f})
			var bad *FormatError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
			if n := w.Written(); n > int64(len(magic)) {
				t.Errorf("%d bytes were written", n)
			}
		})
	}
}

// TestLongPageHeader: statistics of long values make headers that do not fit
// what is read at first.
func TestLongPageHeader(t *testing.T) {
	type long struct{ S string }
	b := write(t, func(i int) long { return long{strings.Repeat("x", 5000+i)} }, []int{30}, parquet.DataPageStatistics(true))
	f := open(t, b)
	w, err := NewWriter(io.Discard, Config{Schema: []Columns{{File: f}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.RowGroup(Part{File: f}); err != nil {
		t.Error(err)
	}
}
