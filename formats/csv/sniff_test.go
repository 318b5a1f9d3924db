package csv

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

func TestSniff(t *testing.T) {
	for _, c := range []struct {
		name, in string
		o        Options
		want     formats.Schema
	}{
		{"empty", "", Options{}, formats.Schema{}},
		{"only blank lines", "\n\r\n", Options{Header: HeaderYes}, formats.Schema{}},
		{"number in the first", "a,1\nb,2\n", Options{}, formats.Schema{Width: 2}},
		{"number alone", "1", Options{}, formats.Schema{Width: 1}},
		{"number below", "\xef\xbb\xbfa,b\r\nx,2\r\n", Options{}, formats.Schema{Width: 2, Names: []string{"a", "b"}, Header: []byte("a,b\r\n")}},
		{"odd numbers below", "a,b\nx,+.5E-3\n", Options{}, formats.Schema{Width: 2, Names: []string{"a", "b"}, Header: []byte("a,b\n")}},
		{"said yes", "1,2\n", Options{Header: HeaderYes}, formats.Schema{Width: 2, Names: []string{"1", "2"}, Header: []byte("1,2\n")}},
		{"said yes, no line end", "a", Options{Header: HeaderYes}, formats.Schema{Width: 1, Names: []string{"a"}, Header: []byte("a")}},
		{"said no", "a,b\nc,d\n", Options{Header: HeaderNo}, formats.Schema{Width: 2}},
		{"said no, first is bad", "a\"\nc,d\n", Options{Header: HeaderNo}, formats.Schema{Width: 2}},
		{"ragged", "a,b\nc,1\n", Options{Ragged: true}, formats.Schema{Names: []string{"a", "b"}, Header: []byte("a,b\n")}},
		{"quoted, empty and repeated names", "\"a\n\"\"b\",,,\n1,2,3,4\n", Options{},
			formats.Schema{Width: 4, Names: []string{"a\n\"b", "", "", ""}, Header: []byte("\"a\n\"\"b\",,,\n")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Sniff(strings.NewReader(c.in), c.o)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, error %v", got, err)
			}
		})
	}
}

func TestSniffAsks(t *testing.T) {
	long := strings.Repeat("n", 1000)
	for _, in := range []string{"a,b\n", "a,b\nc,d\n", "\"a,b\n1,2\n", "a,b\n1,\"2\"x\n", "e5,.\nx,-\n", long + "\nx\n"} {
		_, err := Sniff(strings.NewReader(in), Options{})
		var ask *AmbiguousHeaderError
		if !errors.As(err, &ask) || !strings.Contains(err.Error(), "--header yes") || len(err.Error()) > 400 {
			t.Errorf("%.20q: error %v", in, err)
		}
		first, _, _ := strings.Cut(in, "\n")
		if ask != nil && !strings.HasPrefix(first, strings.TrimSuffix(ask.First, "...")) {
			t.Errorf("shows %q of %q", ask.First, first)
		}
	}
	if _, err := Sniff(strings.NewReader("\"a,b\n1,2\n"), Options{Header: HeaderYes}); err == nil {
		t.Error("a header with an open quote passed")
	}
	if _, err := Sniff(errReader{}, Options{}); !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
}

var errBroken = errors.New("broken")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBroken }

func TestHeaderOfLaterObjects(t *testing.T) {
	schema := formats.Schema{Names: []string{"a", "b"}, Width: 2, Header: []byte("a,b\n")}
	for in, want := range map[string]string{
		"a,b\n1,2\n":               `"1,2\n"`,
		"a,b\r\n1,2\r\n":           `"1,2\r\n"`,
		"\xef\xbb\xbf\na,b\n1,2\n": `"1,2\n"`,
		"a,b":                      "",
		"":                         "",
		"\xef\xbb\xbf":             "",
	} {
		all, err := readAll(t, NewReader(strings.NewReader(in), Options{}, schema), wide)
		if err != io.EOF || texts(all) != want {
			t.Errorf("%q: %s, error %v", in, texts(all), err)
		}
		if len(all) > 0 && in[all[0].Offset] != '1' {
			t.Errorf("%q: offset %d", in, all[0].Offset)
		}
	}
	for _, in := range []string{"a,c\n1,2\n", "1,2\n", "a,b,\n", "A,b\n"} {
		r := NewReader(strings.NewReader(in), Options{}, schema)
		for range 2 {
			var differs *HeaderError
			if err := r.Next(new(formats.Batch), wide); !errors.As(err, &differs) || differs.Want != "a,b" {
				t.Errorf("%q: error %v", in, err)
			}
		}
	}
	if err := NewReader(strings.NewReader("a,\"b\n"), Options{}, schema).Next(new(formats.Batch), wide); err == nil || err == io.EOF {
		t.Errorf("bad header: error %v", err)
	}
}
