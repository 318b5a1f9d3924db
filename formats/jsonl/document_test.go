package jsonl

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// recordsOf reads an object: its records without line ends, where each begins, and which are flawed.
func recordsOf(src io.Reader, documents bool, caps formats.Caps) (records []string, offsets []int64, flawed int, err error) {
	r := NewReader(src, Options{Documents: documents})
	for {
		b := new(formats.Batch)
		if err := r.Next(b, caps); err != nil {
			return records, offsets, flawed, err
		}
		r.Check(b)
		flawed += len(b.Flaws)
		for i := range b.Recs {
			if i > 0 && !b.Gaps && b.Recs[i].Start != b.Recs[i-1].End {
				return records, offsets, flawed, errors.New("a gap that nobody is told of")
			}
			records = append(records, string(trim(b.Record(i))))
			offsets = append(offsets, b.Offset+int64(b.Recs[i].Start)+int64(json.Trim(b.Record(i)).Start))
		}
	}
}

var anyCaps = formats.Caps{Records: 3, Bytes: 1 << 20}

// TestDocuments: what is one array is read by its elements, what is another document is refused,
// and what is lines stays lines.
func TestDocuments(t *testing.T) {
	long := strings.Repeat(" ", 5000)
	for _, c := range []struct {
		name, text string
		documents  string // the records by elements, separated by |; or an error
		lines      string // the same where only lines are read
	}{
		{"one line, as pandas writes it", `[{"id":1,"t":"a"},{"id":2,"t":"b"}]`, `{"id":1,"t":"a"}|{"id":2,"t":"b"}`, `[{"id":1,"t":"a"},{"id":2,"t":"b"}]`},
		{"with a line end", "[1,\"a\"]\n", `1|"a"`, `[1,"a"]`},
		{"pretty", "[\n  {\"id\": 1, \"t\": [1, 2]},\n  {\"id\":\n 2.50}\n]\n", `{"id": 1, "t": [1, 2]}|{"id":  2.50}`, "!--input-format json"},
		{"CRLF", "[\r\n{\"id\":1},\r\n{\"id\":\r\n2}\r\n]\r\n", "{\"id\":1}|{\"id\":  2}", "!--input-format json"},
		{"scalars", "[1 , \"x, ]\\\"\",null,\n[1,[2]],{}]", `1|"x, ]\""|null|[1,[2]]|{}`, `![1 , "x, ]\"",null,|[1,[2]],{}]`},
		{"a mark", "\xef\xbb\xbf [ 1 ]", "1", "[ 1 ]"},
		{"empty", "[]", "", "[]"},
		{"empty, spaces", " [\n\n] \n", "", "!--input-format json"},
		{"of one", "[[1,2]]", "[1,2]", "[[1,2]]"},
		{"far away", "[" + long + "1" + long + ",\n" + long + "{\"a\":" + long + "2}" + long + "]", "1|{\"a\":" + long + "2}", "!"},
		{"lines of arrays", "[1,2]\n[3,4]\n", "[1,2]|[3,4]", "[1,2]|[3,4]"},
		{"lines of arrays, a blank line", "[1,2]\r\n\r\n[3]", "[1,2]|[3]", "[1,2]|[3]"},
		{"lines of objects", "{\"a\":1}\n{\"a\":2}\n", `{"a":1}|{"a":2}`, `{"a":1}|{"a":2}`},
		{"lines of scalars", "1\n\"a\"\n", `1|"a"`, `1|"a"`},
		{"one object", "{\"a\":1}", `{"a":1}`, `{"a":1}`},
		{"a torn first line", "{\"a\":1,\"b\n{\"a\":2}\n", `!{"a":1,"b|{"a":2}`, `!{"a":1,"b|{"a":2}`},
		{"an object too many", "{\"a\":1}{\"a\":2}\n{\"a\":3}\n", `!{"a":1}{"a":2}|{"a":3}`, `!{"a":1}{"a":2}|{"a":3}`},
		{"a pretty object", "{\n  \"a\": 1\n}\n", "!jq -c", "!jq -c"},
		{"a pretty object, begun on its line", "{\"a\":\n 1}\n", "!jq -c", `!{"a":|1}`},
		{"pretty objects", "{\n\"a\": 1\n}\n{\n\"a\": 2\n}", "!jq -c", "!jq -c"},
		{"two arrays", "[\n1\n]\n[\n2\n]", "!jq -c", "!--input-format json"},
		{"in one line, as Firehose writes it", `{"a":1}{"a":2} {"a":3}`, "!jq -c", `!{"a":1}{"a":2} {"a":3}`},
		{"in one line, arrays", `[1][2]` + "\n", "!jq -c", `![1][2]`},
		{"a comma too many", "[1,2,]", "!byte 5 of the JSON array: ']' where an element should begin", "![1,2,]"},
		{"two commas", "[1,,2]", "!byte 3 of the JSON array: ',' where an element", "![1,,2]"},
		{"no comma", "[{\"a\":1}\n{\"a\":2}]", "!byte 9 of the JSON array: '{' where a comma", `![{"a":1}|{"a":2}]`},
		{"not closed", `[{"a":1},{"a":2}`, "!the JSON array is not closed: it ends at byte 16", `![{"a":1},{"a":2}`},
		{"cut inside", `[{"a":1},{"a":`, "!not closed", `![{"a":1},{"a":`},
		{"crossed", `[{"a":1]},2]`, "!byte 7 of the JSON array: ']' closes a bracket of the other kind", `![{"a":1]},2]`},
		{"a line end in a string", "[\"a\nb\"]", "!a line end inside of a string", "![\"a|b\"]"},
		{"not valid, well separated", `[{"a":tru},{"a":2}]`, `!{"a":tru}|{"a":2}`, `![{"a":tru},{"a":2}]`},
		{"an array of lines inside", "[\n{\"a\":1}\n,{\"a\":2}\n]", `{"a":1}|{"a":2}`, "!--input-format json"},
	} {
		for _, documents := range []bool{true, false} {
			want := c.documents
			if !documents {
				want = c.lines
			}
			for _, slow := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
				got, _, flawed, err := recordsOf(slow(strings.NewReader(c.text)), documents, anyCaps)
				all := strings.Join(got, "|")
				bad, fails := strings.CutPrefix(want, "!")
				switch {
				case !fails && (err != io.EOF || flawed > 0 || all != want):
					t.Errorf("%s, documents %t: %.200q, %d flawed, %v", c.name, documents, all, flawed, err)
				case fails && err == io.EOF && (flawed == 0 || all != bad && bad != ""):
					t.Errorf("%s, documents %t: %.200q, %d flawed", c.name, documents, all, flawed)
				case fails && err != io.EOF && !strings.Contains(err.Error(), bad):
					t.Errorf("%s, documents %t: %v", c.name, documents, err)
				}
			}
		}
	}
}

// anyValue is a random valid value with white space in it.
func anyValue(rnd *rand.Rand, depth int) string {
	space := func() string { return []string{"", "", " ", "\n", "\r\n", "\t "}[rnd.IntN(6)] }
	switch n := rnd.IntN(8); {
	case n < 2 && depth > 0:
		var parts []string
		for range rnd.IntN(4) {
			parts = append(parts, space()+anyValue(rnd, depth-1)+space())
		}
		return "[" + strings.Join(parts, ",") + "]"
	case n < 4 && depth > 0:
		var parts []string
		for i := range rnd.IntN(4) {
			parts = append(parts, fmt.Sprintf("%s\"k%d\"%s:%s%s", space(), i, space(), space(), anyValue(rnd, depth-1)))
		}
		return "{" + strings.Join(parts, ",") + space() + "}"
	case n < 6:
		return []string{`"a,]}\"\\"`, `"\u005d"`, `""`, "\"caf\xc3\xa9\""}[rnd.IntN(4)]
	}
	return []string{"1.10", "10000000000000000999", "-0", "1e400", "true", "null"}[rnd.IntN(6)]
}

// TestArraysByElements: the records of an array are its elements, byte for byte but for line
// ends between tokens, where they stood, however the bytes come in and batches are cut.
func TestArraysByElements(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		space := func() string { return []string{"", " ", "\n", "\r\n  "}[rnd.IntN(4)] }
		text, want, starts := space()+"[", []string{}, []int64{}
		for i := range rnd.IntN(30) {
			if i > 0 {
				text += ","
			}
			text += space()
			value := anyValue(rnd, 3)
			starts = append(starts, int64(len(text)))
			want = append(want, strings.NewReplacer("\n", " ", "\r", " ").Replace(value))
			text += value + space()
		}
		text += space() + "]" + space()
		var src io.Reader = strings.NewReader(text)
		if rnd.IntN(2) == 0 {
			src = iotest.OneByteReader(src)
		}
		got, offsets, flawed, err := recordsOf(src, true, formats.Caps{Records: 1 + rnd.IntN(9), Bytes: 1 + rnd.IntN(200)})
		if err != io.EOF || flawed > 0 || fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(offsets) != fmt.Sprint(starts) {
			t.Fatalf("seed %d: %q\n got %q %v, %d flawed, %v\nwant %q %v", seed, text, got, offsets, flawed, err, want, starts)
		}
	}
}

// TestLongArray: what an array takes of memory is one element, and what stands far behind its
// beginning is never lines.
func TestLongArray(t *testing.T) {
	const n = 50_000
	element := `{"id":1,"text":"` + strings.Repeat("x", 40) + `"}`
	src := io.MultiReader(strings.NewReader("["), strings.NewReader(strings.Repeat(element+",\n", n-1)), strings.NewReader(element+"]\n"))
	got, _, flawed, err := recordsOf(src, true, formats.Caps{Records: 1000, Bytes: 1 << 20})
	if err != io.EOF || flawed > 0 || len(got) != n || got[n-1] != element {
		t.Errorf("%d records, %d flawed, %v", len(got), flawed, err)
	}
	src = io.MultiReader(strings.NewReader("["), strings.NewReader(strings.Repeat(element+",", n-1)), strings.NewReader(element+"]\n[1]\n"))
	if _, _, _, err := recordsOf(src, true, anyCaps); err == nil || !strings.Contains(err.Error(), "--input-format jsonl") {
		t.Errorf("lines of long arrays: %v", err)
	}
}

// TestReadErrorIsNoVerdict: where a read fails before the first bytes could tell, nothing is a record.
func TestReadErrorIsNoVerdict(t *testing.T) {
	failed := errors.New("failed")
	for _, text := range []string{"", "[", "[\n1,\n2", "{\"a\":", "{\"a\":1} "} {
		got, _, _, err := recordsOf(io.MultiReader(strings.NewReader(text), iotest.ErrReader(failed)), true, anyCaps)
		if len(got) > 0 || !errors.Is(err, failed) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// surrogate is an escape of a surrogate, which may have no partner.
var surrogate = regexp.MustCompile(`(?i)\\ud[89a-f]`)

// FuzzDocument: an array that encoding/json takes is read by its elements; of any other text nothing
// is lost silently, and its bytes are never changed but for white space.
func FuzzDocument(f *testing.F) {
	for _, text := range []string{"[1,2]", "[1,2]\n[3]", "[{\"a\":[1,\"]\"]},\n 2 ]", "{\n\"a\":1}", "{\"a\":1}{\"b\":2}", "[1,]", "[\"\\\"\",\"\xff\"]", "[ ", "[1 2]"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, offsets, flawed, err := recordsOf(bytes.NewReader(data), true, anyCaps)
		for i, record := range got {
			stood := string(data[offsets[i]:])
			if len(stood) < len(record) || strings.NewReplacer("\n", " ", "\r", " ").Replace(stood[:len(record)]) != strings.NewReplacer("\n", " ", "\r", " ").Replace(record) {
				t.Fatalf("%q: record %d is %q, and %q stands there", data, i, record, stood)
			}
		}
		var want []stdjson.RawMessage
		if !stdjson.Valid(data) || bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) || stdjson.Unmarshal(data, &want) != nil || want == nil {
			return
		}
		unicode := utf8.Valid(data) && !surrogate.Match(data) // else flaws are in order
		if err != io.EOF || flawed > 0 && unicode || len(got) != len(want) {
			t.Fatalf("%q: %d records of %d, %d flawed, %v", data, len(got), len(want), flawed, err)
		}
		for i := range want {
			if string(want[i]) != got[i] && !strings.ContainsAny(string(want[i]), "\n\r") || json.Valid([]byte(got[i])) != nil {
				t.Errorf("%q: element %d is %q, want %q", data, i, got[i], want[i])
			}
		}
	})
}
