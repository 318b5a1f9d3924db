package encode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
)

// TestSpecialNumbers: what JSON has no word for is a value of DOUBLE, in every usual spelling, and no other text is.
func TestSpecialNumbers(t *testing.T) {
	for text, want := range map[string]float64{
		"nan": math.NaN(), "NaN": math.NaN(), "NAN": math.NaN(), "-nan": math.NaN(), "+NaN": math.NaN(),
		"inf": math.Inf(1), "Inf": math.Inf(1), "+inf": math.Inf(1), "INFINITY": math.Inf(1), "Infinity": math.Inf(1),
		"-inf": math.Inf(-1), "-Infinity": math.Inf(-1),
	} {
		got, special := parseSpecial([]byte(text))
		if !special || got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%s is %v, %v", text, got, special)
		}
	}
	for _, text := range []string{"", "-", "+", "na", "nann", "nan ", " inf", "--inf", "infinit", "infinityy", "null", "none", "1.5", "ınf"} {
		if _, special := parseSpecial([]byte(text)); special {
			t.Errorf("%q is taken for a number", text)
		}
	}
}

// TestBoundsOfNaN: statistics and page index never lead a reader past a number. Bounds that are NaN
// are to be ignored, and pages with such bounds have no order.
func TestBoundsOfNaN(t *testing.T) {
	const pages = 3
	for nan := range pages { // the page of NaN alone
		var said []string
		for i := range pages * pageRows {
			if i/pageRows == nan || i%10 == 0 {
				said = append(said, "nan")
			} else {
				said = append(said, fmt.Sprint(i))
			}
		}
		b, _ := csvBatch(t, strings.Repeat("x\n", len(said)), false)
		file, misfits := joined(t, JoinerConfig{}, b, answersOf(formats.CSVForm, said...), false)
		if misfits != nil {
			t.Fatal(misfits)
		}
		f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		number := func(v []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(v)) }
		s := f.Metadata().RowGroups[0].Columns[0].MetaData.Statistics
		last := pages*pageRows - 1
		if nan == pages-1 {
			last -= pageRows
		}
		if least, most := number(s.MinValue), number(s.MaxValue); !math.IsNaN(least) && (least > 1 || most < float64(last)) {
			t.Errorf("page %d of NaN: the chunk's bounds are %v and %v", nan, least, most)
		}
		x := f.ColumnIndexes()[0]
		if x.BoundaryOrder != format.Unordered || len(x.MinValues) != pages {
			t.Errorf("page %d of NaN: %d pages in order %v", nan, len(x.MinValues), x.BoundaryOrder)
		}
		for k := range x.MinValues {
			if got := math.IsNaN(number(x.MinValues[k])); got != (k == nan) || x.NullPages[k] {
				t.Errorf("page %d of NaN: the bounds of page %d are %v, %v", nan, k, number(x.MinValues[k]), number(x.MaxValues[k]))
			}
		}
	}
}
