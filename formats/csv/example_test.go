package csv_test

import (
	"fmt"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/csv"
)

// Records come in batches; a record with a flaw keeps its place and number.
// Next ends with io.EOF after the last record, and with another error where the
// source failed.
func Example() {
	text := "name,score\nada,1.10\nbob\n\"o\"\"neil\",007\n"
	schema, err := csv.Sniff(strings.NewReader(text), csv.Options{})
	r := csv.NewReader(strings.NewReader(text), csv.Options{}, schema)
	for b, row := new(formats.Batch), new(formats.Row); err == nil; {
		err = r.Next(b, formats.Caps{Records: 100, Bytes: 1 << 20})
		r.Check(b)
		for i := range b.Recs {
			if flaw := b.Flaw(i); flaw != nil {
				fmt.Println(b.First+int64(i), flaw.Reason)
			} else if b.Rows.Row(b, i, row) == nil {
				fmt.Printf("%d %s: %s\n", b.First+int64(i), row.Values[0].Text, row.Values[1].Text)
			}
		}
	}
	fmt.Println(err)
	// Output:
	// 1 ada: 1.10
	// 2 ragged
	// 3 o"neil: 007
	// EOF
}
