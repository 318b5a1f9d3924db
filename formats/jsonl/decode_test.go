package jsonl

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// decoded is what d finds in body, as texts.
func decoded(d Decoder, body string, want int) ([]string, error) {
	before := []formats.Answer{{Start: 7, End: 9, Form: formats.LineForm}}
	list, _, err := d.Decode(before, []byte(body), want)
	if len(list) < 1 || list[0] != before[0] {
		return nil, errors.New("what dst held is gone")
	}
	a := formats.Answers{Data: []byte(body), List: list[1:]}
	var out []string
	for i := range a.List {
		if a.List[i].Form != formats.JSONForm {
			return nil, errors.New("an answer has another form")
		}
		out = append(out, string(a.Bytes(i)))
	}
	return out, err
}

func path(t *testing.T, text string) Path {
	t.Helper()
	p, err := ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDecode(t *testing.T) {
	doc := Decoder{Doc: true}
	at := func(text string) Decoder { return Decoder{Doc: true, Path: path(t, text)} }
	for _, c := range []struct {
		d    Decoder
		body string
		want []string
	}{
		{Decoder{}, "1\n{\"a\": 1.10} \r\n\n \t\n[2]", []string{"1", `{"a": 1.10}`, "[2]"}},
		{Decoder{}, "[1,2]\n", []string{"[1,2]"}},
		{doc, " [1, {\"a\":\n2} ,null]\n", []string{"1", "{\"a\":\n2}", "null"}},
		{doc, `{"model":"m","predictions":[0.10,[2]]}`, []string{"0.10", "[2]"}},
		{doc, `{"instances" : [ 1 ]}`, []string{"1"}},
		{doc, `{"predict\u0069ons":[1]}`, []string{"1"}},
		{doc, `{"nested":{"predictions":[9]},"predictions":[1]}`, []string{"1"}},
		{at("outputs.scores"), `{"outputs":{"n":1,"scores":[1,2]}}`, []string{"1", "2"}},
		{at("$.outputs[1]"), `{"outputs":[[0],[1,2]]}`, []string{"1", "2"}},
		{at("outputs.scores"), `[1,2]`, []string{"1", "2"}}, // an array is always the list
		{at("predictions"), `{"predictions":[3],"instances":[4]}`, []string{"3"}},
	} {
		got, err := decoded(c.d, c.body, len(c.want))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q %v, want %q", c.body, got, err, c.want)
		}
		for _, wrong := range []int{len(c.want) - 1, len(c.want) + 1} {
			got, err := decoded(c.d, c.body, wrong)
			var count *formats.CountError
			if !errors.As(err, &count) || *count != (formats.CountError{Got: len(c.want), Want: wrong}) || len(got) != 0 {
				t.Errorf("%s, want %d: %q %v", c.body, wrong, got, err)
			}
		}
	}
}

// TestSpecials: bare words for numbers that JSON has no digits for are a fault, unless the protocol has them.
func TestSpecials(t *testing.T) {
	body := `{"predictions":[NaN,{"a":-Infinity,"NaN":"Infinity"},[Infinity],1]}`
	list, text, err := Decoder{Doc: true, Specials: true}.Decode(nil, []byte(body), 4)
	if err != nil {
		t.Fatal(err)
	}
	a := formats.Answers{Data: text, List: list}
	for i, want := range []string{`"NaN"`, `{"a":"-Infinity","NaN":"Infinity"}`, `["Infinity"]`, `1`} {
		if got := string(a.Bytes(i)); got != want {
			t.Errorf("answer %d is %s, want %s", i, got, want)
		}
	}
	if d := (Decoder{Doc: true, Specials: true}); !d.Whole([]byte(body)) || d.Whole([]byte(body[:len(body)-1])) {
		t.Error("a whole document is told by its end")
	}
	if list, text, err := (Decoder{Specials: true}).Decode(nil, []byte("NaN\n2\n"), 2); err != nil || string(text[list[0].Start:list[0].End]) != `"NaN"` {
		t.Errorf("lines: %v, %v", list, err)
	}
	for _, wrong := range []string{`[nan]`, `[NaN1]`, `{NaN:1}`, `[+Infinity]`} {
		if _, _, err := (Decoder{Doc: true, Specials: true}).Decode(nil, []byte(wrong), 1); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
	if _, _, err := (Decoder{Doc: true}).Decode(nil, []byte("[NaN]"), 1); err == nil || err.Error() != "byte 1: unexpected 'N': JSON has no word for NaN and infinities" {
		t.Errorf("without: %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	doc := Decoder{Doc: true}
	at := func(text string) Decoder { return Decoder{Doc: true, Path: path(t, text)} }
	for _, c := range []struct {
		d      Decoder
		body   string
		offset int64
		says   string
	}{
		{Decoder{}, "1\n2 3\n", 4, "more text"},
		{Decoder{}, "1\n{\"a\":\n1}", 8, "the text ends"},
		{doc, `[1,2`, 4, "the text ends"},
		{doc, `[1] [2]`, 4, "more text"},
		{doc, `0.5`, 0, "this is a number"},
		{doc, `"x"`, 0, "this is a string"},
		{doc, `{"outputs":[1],"b":2}`, 0, `keys "outputs", "b", without`},
		{doc, `{}`, 0, "an empty object"},
		{doc, `{"predictions":{"a":1}}`, 15, "this is an object with the keys"},
		{doc, `{"predictions":[1],"predictions":[1]}`, 0, "more than once"},
		{doc, `{"predictions":[1],"instances":[1]}`, 0, "more than once together"},
		{at("a.b"), `{"a":{"c":[1]}}`, 5, `no key "b" in an object with the keys "c"`},
		{at("a[3]"), `{"a":[1]}`, 5, `no [3] in an array`},
		{at("a"), `{"a":[1],"a":[1]}`, 0, "stands there twice"},
		{at("a"), `{"a":true}`, 5, "this is a boolean"},
		{at("a"), `{"predictions":[1]}`, 0, `no key "a"`},
	} {
		got, err := decoded(c.d, c.body, 1)
		var syntax *formats.SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != c.offset || len(got) != 0 {
			t.Errorf("%s: %q %v, want a SyntaxError at %d", c.body, got, err, c.offset)
			continue
		}
		guessed := c.d.Doc && json.Valid([]byte(c.body)) == nil && !strings.Contains(err.Error(), "--answer-path")
		if guessed || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.body, err, c.says)
		}
	}
}

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		doc  bool
		body string
		want bool
	}{
		{false, "1\n2\n", true}, {false, "1\n2", false}, {false, "", false},
		{true, "[1,2]", true}, {true, " {\"a\":[]} \n", true}, {true, "[1,2", false}, {true, "12", false}, {true, "", false}, {true, "[1]]", false},
	} {
		if got := (Decoder{Doc: c.doc}).Whole([]byte(c.body)); got != c.want {
			t.Errorf("%q, document %v: whole %v", c.body, c.doc, got)
		}
	}
}

// Nothing that is cut off the end of a whole response leaves it whole.
func TestWholeSeesEveryCutOfADocument(t *testing.T) {
	body := `{"predictions":[{"a":[1,2]},"x]}",[]]}`
	for n := range body {
		if (Decoder{Doc: true}).Whole([]byte(body[:n])) {
			t.Errorf("%q is taken for whole", body[:n])
		}
	}
}

func FuzzDecoder(f *testing.F) {
	for _, body := range []string{"1\n2\n", "[1,2]", `{"predictions":[1,[2]]}`, `{"a":{"b":[1]}}`, "{\"instances\":[\n1\r\n,2]}", "\xff\n", `{"a":[],"a":1}`, "[[", "1\r\n\r\n2"} {
		for kind := range uint8(3) {
			f.Add([]byte(body), uint8(2), kind)
		}
	}
	p, err := ParsePath("a.b")
	if err != nil {
		f.Fatal(err)
	}
	decoders := []Decoder{{}, {Doc: true}, {Doc: true, Path: p}}
	f.Fuzz(func(t *testing.T, body []byte, want, kind uint8) {
		d := decoders[int(kind)%len(decoders)]
		list, _, err := d.Decode(nil, body, int(want))
		d.Whole(body)
		var count *formats.CountError
		var syntax *formats.SyntaxError
		if err != nil {
			if len(list) > 0 || !errors.As(err, &count) && !errors.As(err, &syntax) {
				t.Fatalf("%q: %d answers and %v", body, len(list), err)
			}
			return
		}
		if len(list) != int(want) {
			t.Fatalf("%q: %d answers, want %d", body, len(list), want)
		}
		last := uint32(0)
		for _, a := range list {
			if a.Start < last || a.End <= a.Start || int(a.End) > len(body) || json.Valid(body[a.Start:a.End]) != nil {
				t.Fatalf("%q: answer %v", body, a)
			}
			last = a.End
		}
	})
}
