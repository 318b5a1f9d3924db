package splice

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// FuzzOpen reads files that were damaged anywhere. Nothing panics, memory
// stays in proportion to the file, and a file that passes can be spliced, or
// fails with an error that says so, into no more bytes than it is worth.
func FuzzOpen(f *testing.F) {
	f.Add(write(f, makeSmall, []int{20, 3}, filters("a")))
	f.Add(write(f, makeAnswer, []int{9}))
	f.Add(write(f, makeRecord, []int{4}, filters("name")))
	f.Add(write(f, makeOther, nil))
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var in *File
		var err error
		used := allocated(func() { in, err = openBytes(b) })
		if limit := uint64(64*len(b) + 1<<17); used > limit {
			t.Fatalf("%d bytes of memory for %d", used, len(b))
		}
		if err != nil {
			var wrong *FormatError
			var locked *EncryptedError
			if !errors.As(err, &wrong) && !errors.As(err, &locked) {
				t.Fatal(err)
			}
			return
		}
		for range in.KeyValues() {
		}
		var out bytes.Buffer
		if splice(&out, in) != nil {
			return
		}
		if out.Len() > 3*len(b)+4096 {
			t.Fatalf("%d bytes out of %d", out.Len(), len(b))
		}
		again, err := openBytes(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if again.NumRows() != in.NumRows() || again.NumGroups() != in.NumGroups() || again.leaves != in.leaves {
			t.Fatal("another number of rows, row groups or columns")
		}
		var twice bytes.Buffer
		if err := splice(&twice, again); err != nil || !bytes.Equal(twice.Bytes(), out.Bytes()) {
			t.Fatalf("a second splice differs: %v", err)
		}
	})
}

func splice(dst io.Writer, in *File) error {
	w, err := NewWriter(dst, Config{Schema: []Columns{{File: in}}})
	if err != nil {
		return err
	}
	for g := range in.NumGroups() {
		if err := w.RowGroup(Part{File: in, Group: g}); err != nil {
			return err
		}
	}
	return w.Close()
}

// Every byte of a footer in turn, several values each.
func TestMutatedFooters(t *testing.T) {
	b := write(t, makeSmall, []int{20, 3}, filters("a"))
	end := open(t, b).end
	for at := end; at < int64(len(b)); at++ {
		for _, x := range []byte{0x01, 0x80, 0xFF, 0x10} {
			m := bytes.Clone(b)
			m[at] ^= x
			in, err := openBytes(m)
			if err != nil {
				continue
			}
			var out bytes.Buffer
			if err := splice(&out, in); err == nil {
				if _, err := openBytes(out.Bytes()); err != nil {
					t.Fatalf("byte %d ^ %#x: %v", at, x, err)
				}
			}
		}
	}
}
