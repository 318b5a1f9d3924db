package csv

import (
	"io"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

// TestBlankLinesAreCounted: each blank line is told once, however batches are cut.
func TestBlankLinesAreCounted(t *testing.T) {
	const text = "\n\r\nx\n\n1\n2\n\n\n\"\n\n\"\n\n3\n\r\n\n"
	for records := 1; records < 6; records++ {
		for _, size := range []int{1, 4, 9, 1 << 10} {
			for header, want := range map[string]int64{"x\n": 8, "": 8} {
				schema := formats.Schema{Width: 1}
				if header != "" {
					schema.Header, schema.Names = []byte(header), []string{"x"}
				}
				r := NewReader(strings.NewReader(text), Options{}, schema)
				var got int64
				var err error
				for b := new(formats.Batch); err == nil; got += b.Blank {
					err = r.Next(b, formats.Caps{Records: records, Bytes: size})
				}
				if err != io.EOF || got != want {
					t.Errorf("batches of %d records, %d bytes: %d blank lines, %v", records, size, got, err)
				}
			}
		}
	}
	b := new(formats.Batch)
	r := NewReader(strings.NewReader("\n\n\n"), Options{}, formats.Schema{Header: []byte("x\n"), Names: []string{"x"}, Width: 1})
	if err := r.Next(b, formats.Caps{Records: 1, Bytes: 1}); err != io.EOF || b.Blank != 3 {
		t.Errorf("nothing but blank lines: %d, %v", b.Blank, err)
	}
}
