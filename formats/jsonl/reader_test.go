package jsonl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/batchmill/batchmill/formats"
)

// seen is one record as a reader handed it out.
type seen struct {
	Number, Offset int64
	Text           string
	Flaw           formats.Reason
}

// readAll reads and checks everything, and the error that ended it.
func readAll(r formats.Reader, caps formats.Caps) (out []seen, err error) {
	var b formats.Batch
	for {
		if err = r.Next(&b, caps); err != nil {
			return out, err
		}
		r.Check(&b)
		for i := range b.Recs {
			s := seen{b.First + int64(i), b.Offset + int64(b.Recs[i].Start), string(b.Record(i)), ""}
			if f := b.Flaw(i); f != nil {
				s.Flaw = f.Reason
			}
			out = append(out, s)
		}
	}
}

var many = formats.Caps{Records: 1000, Bytes: 1 << 20}

// batchOf is the batch that text makes, checked.
func batchOf(t testing.TB, text string) *formats.Batch {
	t.Helper()
	b := new(formats.Batch)
	r := NewReader(strings.NewReader(text), Options{})
	if err := r.Next(b, many); err != nil {
		t.Fatal(err)
	}
	r.Check(b)
	return b
}

func TestReaderKeepsBytesAndSkipsBlankLines(t *testing.T) {
	text := "\ufeff\n{\"a\":1.10}\r\n \t\r\n\n [1, 2] \nnul\n\"x\"\r\n10000000000000000999"
	got, err := readAll(NewReader(strings.NewReader(text), Options{}), many)
	want := []seen{
		{1, 4, "{\"a\":1.10}\r\n", ""},
		{2, 21, " [1, 2] \n", ""},
		{3, 30, "nul\n", formats.ReasonInvalid},
		{4, 34, "\"x\"\r\n", ""},
		{5, 39, "10000000000000000999", ""},
	}
	if err != io.EOF || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %v\nwant %v", err, got, want)
	}
}

func TestReaderSaysWhereARecordIsInvalid(t *testing.T) {
	b := batchOf(t, "{}\n{\"a\":NaN}\n{\"a\":1} {}\n")
	want := []formats.Flaw{
		{Index: 1, Reason: formats.ReasonInvalid, Message: "byte 5: unexpected 'N': JSON has no word for NaN and infinities"},
		{Index: 2, Reason: formats.ReasonInvalid, Message: "byte 8: more text after the end of the value"},
	}
	if !slices.Equal(b.Flaws, want) {
		t.Errorf("got %v, want %v", b.Flaws, want)
	}
}

func TestReaderGivesTheSameHoweverItIsRead(t *testing.T) {
	var text bytes.Buffer
	for i := range 300 {
		fmt.Fprintf(&text, "{\"id\":%d,\"t\":%q}%s", i, strings.Repeat("x", i%97), []string{"\n", "\r\n", "\n\n", "\n \t\n"}[i%4])
	}
	text.WriteString(strings.Repeat("9", 400) + "\n[1]\n{\"cut\":")
	o := Options{MaxRecord: 300}
	want, err := readAll(NewReader(bytes.NewReader(text.Bytes()), o), many)
	if err != io.EOF || len(want) != 303 || want[300].Flaw != formats.ReasonTooLarge || want[302].Flaw != formats.ReasonInvalid {
		t.Fatalf("%v, %d records", err, len(want))
	}
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with EOF": iotest.DataErrReader,
	} {
		for _, caps := range []formats.Caps{{Records: 1, Bytes: 1}, {Records: 7, Bytes: 1 << 20}, {Records: 1000, Bytes: 100}, many} {
			got, err := readAll(NewReader(wrap(bytes.NewReader(text.Bytes())), o), caps)
			if err != io.EOF || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %v: %v, %d records differ from the %d of one read", name, caps, err, len(got), len(want))
			}
		}
	}
}

func TestReaderPassesOnAReadError(t *testing.T) {
	broken := errors.New("connection reset")
	r := NewReader(io.MultiReader(strings.NewReader("{}\n{\"a\":"), iotest.ErrReader(broken)), Options{})
	got, err := readAll(r, many)
	if !errors.Is(err, broken) || len(got) != 1 || got[0].Text != "{}\n" {
		t.Errorf("%v, records %v: want the error, and no record of what was cut", err, got)
	}
}

func TestRow(t *testing.T) {
	b := batchOf(t, `{"a":1.10,"\u00e9":"x\ny","n":null,"b":true,"l":[1, {"c":2}],"s":"plain"}`+"\n"+
		` [007e,1]`+"\n"+` [ -0 , "z" ] `+"\n"+`"lone"`+"\r\n{}\n[]\n\"\xff\"\n")
	var row formats.Row
	for _, c := range []struct {
		i     int
		shape formats.Shape
		names string
		want  []string
	}{
		{0, formats.Object, "a é n b l s", []string{"1:1.10", "3:x\ny", "0:", "2:true", `4:[1, {"c":2}]`, "3:plain"}},
		{2, formats.List, "", []string{"1:-0", "3:z"}},
		{3, formats.Scalar, "", []string{"3:lone"}},
		{4, formats.Object, "", nil},
		{5, formats.List, "", nil},
		{6, formats.Scalar, "", []string{"3:\xff"}}, // Check has refused the record; Row repairs nothing
	} {
		if err := b.Rows.Row(b, c.i, &row); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range row.Values {
			got = append(got, fmt.Sprintf("%d:%s", v.Kind, v.Text))
		}
		if row.Shape != c.shape || strings.Join(row.Names, " ") != c.names || !slices.Equal(got, c.want) {
			t.Errorf("record %d: %v %q %q, want %q", c.i, row.Shape, row.Names, got, c.want)
		}
	}
}

func TestRowDoesNotAllocateForRecordsAlike(t *testing.T) {
	b := batchOf(t, `{"a":1,"b\t":"x"}`+"\n"+`{"a":2,"b\t":"y\n"}`+"\n")
	var row formats.Row
	_ = b.Rows.Row(b, 1, &row)
	if n := testing.AllocsPerRun(100, func() { _ = b.Rows.Row(b, 0, &row); _ = b.Rows.Row(b, 1, &row) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSniff(t *testing.T) {
	for text, want := range map[string]formats.Schema{
		"": {}, "\n \n": {}, "oops\n": {},
		"oops\n\n{\"b\":1,\"\\u0061\":2,\"b\":3}\n{\"c\":1}\n": {Names: []string{"b", "a"}},
		"{}":            {Names: []string{}},
		"[1,[2,3],4]\n": {Width: 3},
		"\"x\"\n":       {Width: 1},
		"null":          {Width: 1},
	} {
		got, err := Sniff(strings.NewReader(text), Options{})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
	broken := errors.New("connection reset")
	if _, err := Sniff(iotest.ErrReader(broken), Options{}); !errors.Is(err, broken) {
		t.Errorf("%v, want the read error", err)
	}
}
