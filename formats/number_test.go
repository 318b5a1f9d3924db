package formats

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestRecordNumbers: whatever the size of a batch, its First and the place of a
// record in it give the record's number in the object. Blank lines take none.
func TestRecordNumbers(t *testing.T) {
	const records = 100
	var text strings.Builder
	for i := range records {
		fmt.Fprintf(&text, "%d\n", i+1)
		if i%7 == 0 {
			text.WriteString("\n")
		}
	}
	for size := range 12 {
		f := NewFramer(strings.NewReader(text.String()), lineCutter{}, 0)
		var b Batch
		seen := 0
		for {
			err := f.Next(&b, Caps{Records: size + 1, Bytes: 1 << 20})
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range b.Len() {
				seen++
				if want := fmt.Sprintf("%d\n", b.First+int64(i)); string(b.Record(i)) != want {
					t.Fatalf("batches of %d: record %q has number %d", size+1, b.Record(i), b.First+int64(i))
				}
			}
		}
		if seen != records {
			t.Errorf("batches of %d: %d records, want %d", size+1, seen, records)
		}
	}
}
