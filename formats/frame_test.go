package formats

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// lineCutter cuts lines; one that begins with ! is bad.
type lineCutter struct{ asked *int }

func (c lineCutter) Cut(data []byte, edge Edge) Cut {
	if c.asked != nil {
		*c.asked += len(data)
	}
	n := bytes.IndexByte(data, '\n') + 1
	if n == 0 && edge != EOF {
		return Cut{}
	}
	if n == 0 {
		n = len(data)
	}
	cut := Cut{N: n, Blank: data[0] == '\n'}
	if data[0] == '!' {
		cut.Flaw, cut.Message = ReasonInvalid, "100% bad"
	}
	return cut
}

// plainCutter is lineCutter, and lets the Framer cut plain lines by itself.
type plainCutter struct{ lineCutter }

func (plainCutter) Plain(data []byte) int {
	if i := bytes.IndexByte(data, '!'); i >= 0 {
		return i
	}
	return len(data)
}

// frames reads all of f as "number@offset:text" words, one for each record.
func frames(t *testing.T, f *Framer, caps Caps) ([]string, error) {
	t.Helper()
	var words []string
	var b Batch
	for {
		err := f.Next(&b, caps)
		if err != nil {
			if b.Len() > 0 || len(b.Data) > 0 {
				t.Fatalf("a batch with error %v", err)
			}
			return words, err
		}
		gaps := false
		for i, r := range b.Recs {
			gaps = gaps || i > 0 && r.Start != b.Recs[i-1].End
			words = append(words, fmt.Sprintf("%d@%d:%s", b.First+int64(i), b.Offset+int64(r.Start), b.Record(i)))
		}
		if gaps != b.Gaps {
			t.Fatalf("Gaps is %v for %v", b.Gaps, b.Recs)
		}
		if b.Len() > 1 && (b.Len() > caps.Records || len(b.Data) > caps.Bytes) {
			t.Fatalf("%d records and %d bytes over caps %v", b.Len(), len(b.Data), caps)
		}
		if b.Recs[0].Start != 0 || int(b.Recs[b.Len()-1].End) != len(b.Data) {
			t.Fatalf("records %v in %d bytes", b.Recs, len(b.Data))
		}
	}
}

func TestFramer(t *testing.T) {
	big := strings.Repeat("x", 40)
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"\xef\xbb\xbf", ""},
		{"a\nbc\n", "1@0:a\n 2@2:bc\n"},
		{"\xef\xbb\xbfa\n\n\nbc", "1@3:a\n 2@7:bc"},
		{"\n\n\n", ""},
		{"a\n" + big + "\nb\n", "1@0:a\n 2@2:" + big[:20] + " 3@43:b\n"},
		{"a\n" + big, "1@0:a\n 2@2:" + big[:20]},
		{big[:19] + "\n" + big[:20] + "\nb", "1@0:" + big[:19] + "\n 2@20:" + big[:20] + " 3@41:b"},
		{big[:20], "1@0:" + big[:20]},
	} {
		for i, caps := range slices.Repeat([]Caps{{1, 1}, {2, 100}, {100, 4}, {1000, 1 << 40}, {}}, 2) {
			cut := []Cutter{lineCutter{}, plainCutter{}}[i/5]
			for k, src := range []io.Reader{
				strings.NewReader(c.in),
				iotest.OneByteReader(strings.NewReader(c.in)),
				iotest.DataErrReader(strings.NewReader(c.in)),
			} {
				got, err := frames(t, NewFramer(src, cut, 20), caps)
				if s := strings.Join(got, " "); s != c.want || err != io.EOF {
					t.Errorf("%q, caps %v, source %d: error %v\n got %q\nwant %q", c.in, caps, k, err, s, c.want)
				}
			}
		}
	}
}

// TestFlaw adds flaws in any order, and asks for each record's.
func TestFlaw(t *testing.T) {
	var b Batch
	for _, i := range []int{5, 0, 3, 5, 9, 4} {
		b.AddFlaw(i, ReasonType, "%d", i)
	}
	for i := range 11 {
		flaw := b.Flaw(i)
		if has := slices.Contains([]int{0, 3, 4, 5, 9}, i); (flaw != nil) != has || has && *flaw != (Flaw{i, ReasonType, strconv.Itoa(i)}) {
			t.Errorf("record %d: %v", i, flaw)
		}
	}
	if b.Reset(); b.Flaw(0) != nil {
		t.Error("a flaw outlives Reset")
	}
}

func TestFramerFlaws(t *testing.T) {
	for _, cut := range []Cutter{lineCutter{}, plainCutter{}} {
		var b Batch
		f := NewFramer(strings.NewReader("a\n!\nb\n!!\n"+strings.Repeat("y", 30)), cut, 10)
		if err := f.Next(&b, Caps{100, 100}); err != nil || b.Len() != 4 {
			t.Fatal(b.Len(), err)
		}
		if len(b.Flaws) != 2 || b.Flaws[0] != (Flaw{1, ReasonInvalid, "100% bad"}) || b.Flaws[1].Index != 3 {
			t.Errorf("flaws %v", b.Flaws)
		}
		if err := f.Next(&b, Caps{100, 100}); err != nil || b.Len() != 1 || b.Flaws[0].Reason != ReasonTooLarge {
			t.Errorf("too large: %v, error %v", b.Flaws, err)
		}
	}
}

func TestFramerCROnly(t *testing.T) {
	for in, want := range map[string]error{
		"a\rb\rc\r":                  ErrCROnly,
		"\xef\xbb\xbfa\rb":           ErrCROnly,
		"a\r":                        io.EOF,
		"a\rb\n":                     io.EOF,
		"\"a\rb\"":                   io.EOF,
		strings.Repeat("a\r", 1<<18): ErrCROnly,
	} {
		if got, err := frames(t, NewFramer(strings.NewReader(in), lineCutter{}, 0), Caps{10, 1 << 20}); err != want || want == ErrCROnly && got != nil {
			t.Errorf("%.20q: %d records, error %v", in, len(got), err)
		}
	}
	if _, err := frames(t, NewFramer(io.MultiReader(strings.NewReader("a\rb"), iotest.ErrReader(io.ErrClosedPipe)), lineCutter{}, 0), Caps{1, 1}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a read error gave way to %v", err)
	}
}

func TestFramerReadError(t *testing.T) {
	for _, in := range []string{"", "a\n", "a\nb\npart", "a\n" + strings.Repeat("z", 100)} {
		for _, broken := range []error{io.ErrClosedPipe, fmt.Errorf("cut: %w", io.EOF)} {
			f := NewFramer(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)), lineCutter{}, 20)
			got, err := frames(t, f, Caps{1, 100})
			lines := strings.Count(in, "\n")
			if len(in) > 100 {
				lines++ // what is known to be too large is a record, read error or not
			}
			var read *ReadError
			if len(got) != lines || !errors.As(err, &read) || errors.Is(err, io.EOF) || read.Offset != int64(len(in)) {
				t.Errorf("%.20q: %q, error %v", in, got, err)
			}
			if again := f.Next(new(Batch), Caps{1, 1}); again != err {
				t.Errorf("then %v", again)
			}
		}
	}
	if _, err := frames(t, NewFramer(idle{}, lineCutter{}, 0), Caps{1, 1}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestFramerLine(t *testing.T) {
	f := NewFramer(strings.NewReader("\n\nhead\r\na\n"), lineCutter{}, 0)
	line, err := f.Line()
	if err != nil || string(line) != "head\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if got, _ := frames(t, f, Caps{10, 100}); !slices.Equal(got, []string{"1@8:a\n"}) {
		t.Errorf("%q", got)
	}
	if _, err := NewFramer(strings.NewReader("!\n"), lineCutter{}, 0).Line(); err == nil {
		t.Error("a flawed header passed")
	}
	if _, err := NewFramer(strings.NewReader(""), lineCutter{}, 0).Line(); err != io.EOF {
		t.Errorf("error %v", err)
	}
}

// A long record must not be looked at again for every read, nor an endless one
// kept, nor a flood of blank lines.
func TestFramerCostIsBounded(t *testing.T) {
	const size = 1 << 20
	asked := 0
	long := strings.Repeat("x", size)
	got, err := frames(t, NewFramer(iotest.HalfReader(strings.NewReader(long+"\n")), lineCutter{&asked}, 2<<20), Caps{1, 1})
	if len(got) != 1 || err != io.EOF || asked > 4*size {
		t.Errorf("%d records, error %v, looked at %d bytes", len(got), err, asked)
	}
	f := NewFramer(io.LimitReader(endless('x'), 8<<20), lineCutter{}, 512<<10)
	var b Batch
	if err := f.Next(&b, Caps{1, 1}); err != nil || len(b.Data) != keptOfTooLarge || len(f.buf) > 1<<20+1 {
		t.Errorf("error %v, kept %d, buffer %d", err, len(b.Data), len(f.buf))
	}
	f = NewFramer(io.MultiReader(strings.NewReader("a\n"), io.LimitReader(endless('\n'), 1<<20), strings.NewReader("b\n")), lineCutter{}, 0)
	for _, want := range []string{"a\n", "b\n"} {
		var b Batch
		if err := f.Next(&b, Caps{100, 64 << 10}); err != nil || string(b.Data) != want || cap(b.Data) > 768<<10 {
			t.Errorf("%q with memory for %d, error %v", b.Data, cap(b.Data), err)
		}
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestAddFlaw(t *testing.T) {
	var b Batch
	for _, i := range []int{3, 1, 5, 1, 3, 0} {
		b.AddFlaw(i, ReasonRagged, "first of %d", i)
	}
	b.AddFlaw(5, ReasonQuote, "second")
	want := []Flaw{
		{0, ReasonRagged, "first of 0"}, {1, ReasonRagged, "first of 1"},
		{3, ReasonRagged, "first of 3"}, {5, ReasonRagged, "first of 5"},
	}
	if !slices.Equal(b.Flaws, want) {
		t.Errorf("got %v", b.Flaws)
	}
}
