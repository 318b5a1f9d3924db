package csv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/batchmill/batchmill/formats"
)

var wide = formats.Caps{Records: 100, Bytes: 6 << 20}

// seen is a record as a reader handed it out.
type seen struct {
	Number, Offset int64
	Text           string
	Reason         formats.Reason
}

// readAll reads r to its end and checks that record numbers run without a gap.
func readAll(t *testing.T, r formats.Reader, caps formats.Caps) ([]seen, error) {
	t.Helper()
	var all []seen
	var b formats.Batch
	for {
		if err := r.Next(&b, caps); err != nil {
			if b.Len() != 0 {
				t.Fatalf("%d records came with error %v", b.Len(), err)
			}
			return all, err
		}
		if b.Len() == 0 || b.Len() > max(caps.Records, 1) {
			t.Fatalf("a batch of %d records under a cap of %d", b.Len(), caps.Records)
		}
		r.Check(&b)
		for i := range b.Recs {
			s := seen{Number: b.First + int64(i), Offset: b.Offset + int64(b.Recs[i].Start), Text: string(b.Record(i))}
			if f := b.Flaw(i); f != nil {
				s.Reason = f.Reason
			}
			if s.Number != int64(len(all)+1) {
				t.Fatalf("record %d has number %d", len(all)+1, s.Number)
			}
			all = append(all, s)
		}
	}
}

func texts(all []seen) string {
	var s strings.Builder
	for _, r := range all {
		fmt.Fprintf(&s, "%q", r.Text)
		if r.Reason != "" {
			fmt.Fprintf(&s, "!%s", r.Reason)
		}
		s.WriteByte(' ')
	}
	return strings.TrimSpace(s.String())
}

func TestFraming(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"lf", "1,2\n3,4\n", `"1,2\n" "3,4\n"`},
		{"crlf kept", "1,2\r\n3,4\r\n", `"1,2\r\n" "3,4\r\n"`},
		{"mixed line ends", "1,2\r\n3,4\n", `"1,2\r\n" "3,4\n"`},
		{"no final line end", "1,2\n3,4", `"1,2\n" "3,4"`},
		{"bom", "\xef\xbb\xbf1,2\n", `"1,2\n"`},
		{"bom then quote", "\xef\xbb\xbf\"a\n\",2\n", `"\"a\n\",2\n"`},
		{"blank lines", "\n\r\n1,2\n\n\r\n3,4\n\n", `"1,2\n" "3,4\n"`},
		{"quoted newline", "1,\"a\nb\"\n3,4\n", `"1,\"a\nb\"\n" "3,4\n"`},
		{"quoted crlf", "1,\"a\r\n\r\nb\"\r\n3,4\r\n", `"1,\"a\r\n\r\nb\"\r\n" "3,4\r\n"`},
		{"quoted first field", "\"a\nb\",2\n3,4\n", `"\"a\nb\",2\n" "3,4\n"`},
		{"two quoted newlines", "\"a\nb\",\"c\nd\"\n3,4\n", `"\"a\nb\",\"c\nd\"\n" "3,4\n"`},
		{"unquoted after quoted newline", "\"a\nb\",c\n3,4\n", `"\"a\nb\",c\n" "3,4\n"`},
		{"doubled quotes", "\"a\"\"b\",\"\"\n3,\"\"\"\"\n", `"\"a\"\"b\",\"\"\n" "3,\"\"\"\"\n"`},
		{"quoted at the end of the object", "1,\"a\nb\"", `"1,\"a\nb\""`},
		{"delimiter at the end of the object", "\"a\nb\",", `"\"a\nb\","`},
		{"nul", "\x00,2\n", `"\x00,2\n"`},
		{"lone cr is data", "a\rb,2\n", `"a\rb,2\n"`},
		{"cr before end of object is data", "1,2\n3,4\r", `"1,2\n" "3,4\r"`},
		{"bare quote", "a\"b,2\n3,4\n", `"a\"b,2\n"!bad_quote "3,4\n"`},
		{"bare quote behind space", "1, \"b\"\n3,4\n", `"1, \"b\"\n"!bad_quote "3,4\n"`},
		{"text behind quote", "\"a\"b,2\n3,4\n", `"\"a\"b,2\n"!bad_quote "3,4\n"`},
		{"cr behind quote", "\"a\"\r,2\n3,4\n", `"\"a\"\r,2\n"!bad_quote "3,4\n"`},
		{"text behind quote on a later line", "\"a\nb\"c,2\n3,4\n", `"\"a\n"!bad_quote "b\"c,2\n"!bad_quote "3,4\n"`},
		{"never closed", "1,2\n\"a,2\n3,4\n5,6", `"1,2\n" "\"a,2\n"!bad_quote "3,4\n" "5,6"`},
		{"never closed on the last line", "1,2\n3,\"a", `"1,2\n" "3,\"a"!bad_quote`},
		{"blank line behind a reject", "\"a,2\n\n3,4\n", `"\"a,2\n"!bad_quote "3,4\n"`},
		{"ragged", "1,2\n3\n4,5,6\n7,\"8,8\"\n", `"1,2\n" "3\n"!ragged "4,5,6\n"!ragged "7,\"8,8\"\n"`},
		{"ragged quoted", "1,2\n\"3,3\"\n", `"1,2\n" "\"3,3\"\n"!ragged`},
		{"quotes far behind", "1,2\n3\n5,6\n\"7\",8\n9\n", `"1,2\n" "3\n"!ragged "5,6\n" "\"7\",8\n" "9\n"!ragged`},
		{"empty", "", ""},
		{"only blank lines", "\n\n\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := readAll(t, NewReader(strings.NewReader(c.in), Options{}, formats.Schema{Width: 2}), wide)
			if err != io.EOF {
				t.Fatalf("error %v", err)
			}
			if got := texts(all); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			for _, s := range all {
				if c.in[s.Offset:s.Offset+int64(len(s.Text))] != s.Text {
					t.Errorf("record %d is not at offset %d", s.Number, s.Offset)
				}
			}
		})
	}
}

func TestDialectAndRagged(t *testing.T) {
	in := "a;'b;\n''c'\n\"d,\n"
	o := Options{Dialect: Dialect{Delimiter: ';', Quote: '\''}, Ragged: true}
	all, _ := readAll(t, NewReader(strings.NewReader(in), o, formats.Schema{Width: 2}), wide)
	if got, want := texts(all), `"a;'b;\n''c'\n" "\"d,\n"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, d := range []Dialect{{Delimiter: '"'}, {Delimiter: '\n'}, {Delimiter: '7'}, {Quote: 'x'}, {Delimiter: 0xe9}, {Quote: '\r'}, {Delimiter: '.'}} {
		var want *OptionError
		if err := d.Validate(); !errors.As(err, &want) {
			t.Errorf("%+v: error %v", d, err)
		}
		if err := NewReader(strings.NewReader("1\n"), Options{Dialect: d}, formats.Schema{}).Next(new(formats.Batch), wide); !errors.As(err, &want) {
			t.Errorf("reader with %+v: error %v", d, err)
		}
	}
	for _, d := range []Dialect{{}, {Delimiter: '\t'}, {Delimiter: '|'}, {Delimiter: 0x1f}, {Delimiter: ' ', Quote: '\''}} {
		if err := d.Validate(); err != nil {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

// The quoted line break of record 2 would swallow record 3 if a quote could
// stay open over --max-record.
func TestMaxRecord(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, c := range []struct{ name, in, want string }{
		{"no line end in sight", "1\n" + long + "\n2\n", `"1\n" "` + long[:64] + `"!too_large "2\n"`},
		{"exactly the maximum", long[:63] + "\n2\n", `"` + long[:63] + `\n" "2\n"`},
		{"one byte more", long[:64] + "\n2\n", `"` + long[:64] + `"!too_large "2\n"`},
		{"without a line end", "1\n" + long, `"1\n" "` + long[:64] + `"!too_large`},
		{"quote open over the maximum", "\"a\n2\n" + long + "\"\n3\n", `"\"a\n"!bad_quote "2\n" "` + long[:64] + `"!too_large "3\n"`},
		{"quote open over many lines", "\"a\n" + strings.Repeat("y\n", 40), `"\"a\n"!bad_quote` + strings.Repeat(` "y\n"`, 40)},
		{"last quote is the last byte shown", "\"a\n" + long[:60] + "\"\n3\n", `"\"a\n"!bad_quote "` + long[:60] + `\"\n"!bad_quote "3\n"`},
		{"line break past the maximum", "\"a\n\"," + long + "\n", `"\"a\n"!bad_quote "\",` + long[:62] + `"!too_large`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, src := range sources(c.in) {
				all, err := readAll(t, NewReader(src, Options{MaxRecord: 64}, formats.Schema{}), wide)
				if got := texts(all); got != c.want || err != io.EOF {
					t.Errorf("error %v\n got %s\nwant %s", err, got, c.want)
				}
			}
		})
	}
}

// sources are readers that hand out in in many ways.
func sources(in string) []io.Reader {
	return []io.Reader{
		strings.NewReader(in),
		iotest.OneByteReader(strings.NewReader(in)),
		iotest.HalfReader(strings.NewReader(in)),
		iotest.DataErrReader(strings.NewReader(in)),
		iotest.DataErrReader(iotest.OneByteReader(strings.NewReader(in))),
	}
}

// corpus is larger than a read, with records of every kind over its seams.
func corpus() string {
	var s strings.Builder
	for i := 0; s.Len() < 700<<10; i++ {
		switch i % 7 {
		case 0:
			fmt.Fprintf(&s, "%d,\"a\r\nb%s\"\r\n", i, strings.Repeat("z\n", i%900))
		case 1:
			fmt.Fprintf(&s, "%d,\"x\"y\n", i)
		case 2:
			fmt.Fprintf(&s, "\n%d,%s\n", i, strings.Repeat("w", i%3000))
		case 3:
			fmt.Fprintf(&s, "%d\n", i)
		default:
			fmt.Fprintf(&s, "%d,\"\"\"\"\r\n\r\n", i)
		}
	}
	return s.String() + "last,\"1\""
}

func TestBatchesAndReadsDoNotMatter(t *testing.T) {
	in := corpus()
	want, err := readAll(t, NewReader(strings.NewReader(in), Options{}, formats.Schema{Width: 2}), wide)
	if err != io.EOF || len(want) < 500 {
		t.Fatalf("%d records, error %v", len(want), err)
	}
	for k, caps := range []formats.Caps{wide, {Records: 1, Bytes: 1}, {Records: 7, Bytes: 1000}, {Records: 1 << 20, Bytes: 1 << 30}, {}} {
		for n, src := range sources(in) {
			got, err := readAll(t, NewReader(src, Options{}, formats.Schema{Width: 2}), caps)
			if err != io.EOF || !equal(got, want) {
				t.Errorf("caps %d, source %d: %d records of %d, or not the same; error %v", k, n, len(got), len(want), err)
			}
		}
	}
}

func equal(a, b []seen) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestReadErrorComesBehindTheGoodRecords(t *testing.T) {
	broken := errors.New("connection reset")
	for _, in := range []string{"1,2\n3,\"4\"\n", "1,2\n3,\"4\"\n5,", "1,2\n3,\"4\"\n\"5\n"} {
		for _, end := range []error{broken, fmt.Errorf("wrapped: %w", io.EOF), io.ErrUnexpectedEOF} {
			src := io.MultiReader(strings.NewReader(in), iotest.ErrReader(end))
			r := NewReader(src, Options{}, formats.Schema{Width: 2})
			all, err := readAll(t, r, wide)
			if got, want := texts(all), `"1,2\n" "3,\"4\"\n"`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			var read *formats.ReadError
			if !errors.As(err, &read) || errors.Is(err, io.EOF) || read.Offset != int64(len(in)) {
				t.Errorf("%q: error %v", in, err)
			}
			if again := r.Next(new(formats.Batch), wide); again != err {
				t.Errorf("then error %v", again)
			}
		}
	}
	src := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("1,2\n3,4\n")))
	if all, err := readAll(t, NewReader(src, Options{}, formats.Schema{}), wide); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("timeout: %d records, error %v", len(all), err)
	}
}

func TestRowsOfCSV(t *testing.T) {
	in := "1,-2.5e3,007,,\"\",\"5\",\"a\"\"b\",true,x\r\n"
	r := NewReader(strings.NewReader(in), Options{}, formats.Schema{})
	var b formats.Batch
	if err := r.Next(&b, wide); err != nil {
		t.Fatal(err)
	}
	var row formats.Row
	for range 2 {
		if err := b.Rows.Row(&b, 0, &row); err != nil || row.Shape != formats.List {
			t.Fatalf("shape %d, error %v", row.Shape, err)
		}
	}
	want := []formats.Value{
		{Kind: formats.Number, Text: []byte("1")}, {Kind: formats.Number, Text: []byte("-2.5e3")},
		{Kind: formats.String, Text: []byte("007")}, {Kind: formats.Null}, {Kind: formats.String},
		{Kind: formats.String, Text: []byte("5")}, {Kind: formats.String, Text: []byte(`a"b`)},
		{Kind: formats.String, Text: []byte("true")}, {Kind: formats.String, Text: []byte("x")},
	}
	if len(row.Values) != len(want) {
		t.Fatalf("%d values", len(row.Values))
	}
	for i, v := range row.Values {
		if v.Kind != want[i].Kind || !bytes.Equal(v.Text, want[i].Text) {
			t.Errorf("value %d: %d %q, want %d %q", i, v.Kind, v.Text, want[i].Kind, want[i].Text)
		}
	}
	named := NewReader(strings.NewReader("a,b\n1,2,3\n"), Options{Ragged: true}, formats.Schema{Names: []string{"a", "b"}, Header: []byte("a,b\r\n")})
	if err := named.Next(&b, wide); err != nil {
		t.Fatal(err)
	}
	if err := b.Rows.Row(&b, 0, &row); err != nil || row.Shape != formats.Object || strings.Join(row.Names, " ") != "a b column_3" {
		t.Errorf("shape %d, names %q, error %v", row.Shape, row.Names, err)
	}
}
