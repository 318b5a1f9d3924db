package csv

import (
	"testing"

	"github.com/batchmill/batchmill/formats"
)

// TestAnswersOfAnotherDialect: hosts answer in plain CSV, whatever the files'
// dialect is. Fields are counted and written by what they say, not by bytes
// that mean something else there.
func TestAnswersOfAnotherDialect(t *testing.T) {
	j, err := NewJoiner(JoinerConfig{
		Dialect: Dialect{Delimiter: ';'}, Input: true, Verbatim: true, Schema: formats.Schema{Width: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		answer, want string
		width        int
	}{
		{"0.5", "1;2;0.5\n", 1},
		{"0.5,7", "1;2;0.5;7\n", 2},
		{"a;b", "1;2;\"a;b\"\n", 1},
		{`"x,y",z`, "1;2;x,y;z\n", 2},
		{`"q""q"`, "1;2;\"q\"\"q\"\n", 1},
		{"", "1;2;\n", 1},
	} {
		b := &formats.Batch{Data: []byte("1;2\n"), Recs: []formats.Span{{Start: 0, End: 4}}}
		a := &formats.Answers{Data: []byte(c.answer), List: []formats.Answer{{End: uint32(len(c.answer)), Form: formats.CSVForm}}}
		if w := learned(j, a.Data, formats.CSVForm); w != c.width {
			t.Errorf("%q: %d fields, want %d", c.answer, w, c.width)
		}
		if got, n := j.Join(nil, b, a, fieldsOf(c.width), true); string(got) != c.want || n != 1 {
			t.Errorf("%q: %q (%d records), want %q", c.answer, got, n, c.want)
		}
	}
}
