package encode

import (
	"fmt"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

const mostColumns = 1 << 14 // of one answer

// TestTooWideAnswer: an answer with more fields than outputs may have columns
// settles nothing, and is a misfit; those after it decide.
func TestTooWideAnswer(t *testing.T) {
	var object strings.Builder
	for k := range mostColumns + 1 {
		fmt.Fprintf(&object, `,"k%d":1`, k)
	}
	for wide, form := range map[string]formats.Form{
		"{" + object.String()[1:] + "}":         formats.JSONForm,
		"1" + strings.Repeat(",1", mostColumns): formats.CSVForm,
	} {
		j, err := NewJoiner(JoinerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		var l formats.Layout
		if j.Learn(&l, []byte(wide), form) || l.Columns != nil {
			t.Fatalf("%.20s... settles %d columns", wide, len(l.Columns))
		}
		if !j.Learn(&l, []byte("1.5"), formats.JSONForm) || len(l.Columns) != 1 || l.Columns[0].Type != formats.Double {
			t.Fatalf("the answer behind it settles %+v", l)
		}
		misfits := 0
		a := &formats.Answers{Data: []byte(wide), List: []formats.Answer{{End: uint32(len(wide)), Form: form}}}
		if j.Fit(a, &l, func(int, string) { misfits++ }); misfits != 1 {
			t.Errorf("%.20s... fits %+v", wide, l.Columns)
		}
	}
}
