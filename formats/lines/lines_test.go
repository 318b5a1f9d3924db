package lines

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

var many = formats.Caps{Records: 1000, Bytes: 1 << 20}

func batchOf(t testing.TB, text string) *formats.Batch {
	t.Helper()
	b := new(formats.Batch)
	r := NewReader(strings.NewReader(text), 0)
	if err := r.Next(b, many); err != nil {
		t.Fatal(err)
	}
	r.Check(b)
	return b
}

// readAll lists number, offset and text of every record.
func readAll(r formats.Reader, caps formats.Caps) (out []string, err error) {
	var b formats.Batch
	for {
		if err = r.Next(&b, caps); err != nil {
			return out, err
		}
		r.Check(&b)
		for i := range b.Recs {
			out = append(out, fmt.Sprintf("%d@%d %q %d", b.First+int64(i), b.Offset+int64(b.Recs[i].Start), b.Record(i), len(b.Flaws)))
		}
	}
}

func TestReaderSkipsEmptyLinesOnly(t *testing.T) {
	text := "1 2:0.5\r\n\n\r\n \n\x00\xff{\nlast"
	want := []string{`1@0 "1 2:0.5\r\n" 0`, `2@12 " \n" 0`, `3@14 "\x00\xff{\n" 0`, `4@18 "last" 0`}
	for _, caps := range []formats.Caps{many, {Records: 1, Bytes: 1}, {Records: 2, Bytes: 10}} {
		for _, src := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			got, err := readAll(NewReader(src, 0), caps)
			if err != io.EOF || !slices.Equal(got, want) {
				t.Errorf("%v: %v\n got %q\nwant %q", caps, err, got, want)
			}
		}
	}
}

func TestReaderBoundsARecordAndPassesOnErrors(t *testing.T) {
	got, err := readAll(NewReader(strings.NewReader("aaaaaaaaaa\nb\n"), 5), many)
	if want := []string{`1@0 "aaaaa" 1`, `2@11 "b\n" 0`}; err != io.EOF || !slices.Equal(got, want) {
		t.Errorf("%v %q, want %q", err, got, want)
	}
	broken := errors.New("connection reset")
	got, err = readAll(NewReader(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), 0), many)
	if !errors.Is(err, broken) || len(got) != 1 {
		t.Errorf("%v %q: want the error, and no record of what was cut", err, got)
	}
}

func TestRow(t *testing.T) {
	b := batchOf(t, "a,b \r\n\"x")
	var row formats.Row
	for i, want := range []string{"a,b ", "\"x"} {
		if err := b.Rows.Row(b, i, &row); err != nil || row.Shape != formats.Scalar || len(row.Values) != 1 ||
			row.Values[0].Kind != formats.String || string(row.Values[0].Text) != want {
			t.Errorf("record %d: %v %v, want %q", i, row, err, want)
		}
	}
}

func TestEncode(t *testing.T) {
	e, err := NewEncoder(EncoderConfig{Verbatim: true})
	if err != nil {
		t.Fatal(err)
	}
	dense, gaps := batchOf(t, "a\r\nb\nc"), batchOf(t, "a\r\n\nb\nc")
	e.Check(dense)
	for _, c := range []struct {
		b    *formats.Batch
		sel  []int32
		want string
	}{
		{dense, []int32{0, 1, 2}, "a\r\nb\nc"}, {dense, []int32{1}, "b\n"}, {dense, []int32{0, 2}, "a\nc\n"}, {gaps, []int32{0, 1, 2}, "a\nb\nc\n"},
	} {
		if got := string(e.Encode(nil, c.b, c.sel)); got != c.want {
			t.Errorf("%v: %q, want %q", c.sel, got, c.want)
		}
	}
}

func TestOtherInputsAndJoinsAreRefused(t *testing.T) {
	if _, err := NewEncoder(EncoderConfig{}); !errors.Is(err, ErrOtherInput) {
		t.Errorf("encoder: %v", err)
	}
	if _, err := NewJoiner(JoinerConfig{Input: true}); !errors.Is(err, ErrJoin) {
		t.Errorf("joiner: %v", err)
	}
}

func TestDecode(t *testing.T) {
	body := []byte("a \r\n\n\r\n \nlast")
	want := []formats.Answer{{Start: 0, End: 2, Form: formats.LineForm}, {Start: 7, End: 8, Form: formats.LineForm}, {Start: 9, End: 13, Form: formats.LineForm}}
	got, _, err := Decoder{}.Decode(nil, body, 3)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
	for _, n := range []int{0, 2, 4} {
		got, _, err := Decoder{}.Decode(want[:1], body, n)
		var count *formats.CountError
		if !errors.As(err, &count) || *count != (formats.CountError{Got: 3, Want: n}) || len(got) != 1 {
			t.Errorf("want %d: %v %v", n, got, err)
		}
	}
	if (Decoder{}).Whole(body) || !(Decoder{}).Whole(body[:9]) || (Decoder{}).Whole(nil) {
		t.Error("a response is whole when it ends in a line end")
	}
}

func TestJoin(t *testing.T) {
	j, err := NewJoiner(JoinerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	b := batchOf(t, "1\n2\n3\n4\n5\n")
	j.Check(b)
	a := &formats.Answers{Data: []byte("{\r\n\"a\":\n1}x,\"y\nz\"line")}
	a.List = []formats.Answer{{Start: 0, End: 10, Form: formats.JSONForm}, {}, {Start: 10, End: 14, Form: formats.CSVForm}, {Start: 10, End: 17, Form: formats.CSVForm}, {Start: 17, End: 21, Form: formats.LineForm}}
	a.List[2].End = 13
	var misfits []int
	j.Fit(a, nil, func(i int, _ string) { misfits = append(misfits, i) })
	if !slices.Equal(misfits, []int{3}) {
		t.Errorf("misfits %v, want the answer with a line break", misfits)
	}
	a.List[3] = formats.Answer{}
	if l := (formats.Layout{}); !j.Learn(&l, nil, formats.CSVForm) || l.Fields != 0 {
		t.Error("lines fix a width")
	}
	for _, c := range []struct {
		placeholders bool
		want         string
		n            int
	}{{true, "{  \"a\": 1}\n\nx,\"\n\nline\n", 5}, {false, "{  \"a\": 1}\nx,\"\nline\n", 3}} {
		got, n := j.Join(j.Begin(nil, nil, nil), b, a, nil, c.placeholders)
		if string(got) != c.want || n != c.n || bytes.Count(got, []byte("\n")) != n {
			t.Errorf("placeholders %v: %d %q, want %q", c.placeholders, n, got, c.want)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	for _, body := range []string{"a\nb\n", "\r\n", "a\r", "\n\na\r\r\n", ""} {
		f.Add([]byte(body), uint8(2))
	}
	f.Fuzz(func(t *testing.T, body []byte, want uint8) {
		list, _, err := Decoder{}.Decode(nil, body, int(want))
		if err != nil && len(list) > 0 || err == nil && len(list) != int(want) {
			t.Fatalf("%q: %d answers, want %d, %v", body, len(list), want, err)
		}
		last := uint32(0)
		for _, a := range list {
			if a.Start < last || a.End <= a.Start || int(a.End) > len(body) || bytes.IndexByte(body[a.Start:a.End], '\n') >= 0 {
				t.Fatalf("%q: answer %v", body, a)
			}
			last = a.End
		}
	})
}
