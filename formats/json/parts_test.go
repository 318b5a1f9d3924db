package json

import (
	"bytes"
	stdjson "encoding/json"
	"slices"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

// cut is the text of a span.
func cut(data []byte, s formats.Span) string { return string(data[s.Start:s.End]) }

func TestElements(t *testing.T) {
	for text, want := range map[string][]string{
		`[]`: nil, ` [ ] `: nil, `{}`: nil, `1`: nil, ``: nil, `null`: nil,
		`[1]`:                               {`1`},
		"[ 1 ,\n\"a,]\"\t, null]":           {`1`, `"a,]"`, `null`},
		`[[1,[2]],{"a":[3]},"\"]",-4.50e1]`: {`[1,[2]]`, `{"a":[3]}`, `"\"]"`, `-4.50e1`},
	} {
		var got []string
		for s := range Elements([]byte(text)) {
			got = append(got, cut([]byte(text), s))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestMembers(t *testing.T) {
	for text, want := range map[string][]string{
		`{}`: nil, ` { } `: nil, `[1]`: nil, `"a"`: nil, ``: nil,
		`{"a":1}`: {`"a"`, `1`},
		"{ \"a}\" : 1.10\n,\"\\\"\":{\"b\":[]} }": {`"a}"`, `1.10`, `"\""`, `{"b":[]}`},
		`{"a":1,"a":null}`:                        {`"a"`, `1`, `"a"`, `null`},
	} {
		var got []string
		for key, value := range Members([]byte(text)) {
			got = append(got, cut([]byte(text), key), cut([]byte(text), value))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestPartsStopWhenAsked(t *testing.T) {
	n := 0
	for range Elements([]byte(`[1,2,3]`)) {
		n++
		break
	}
	for range Members([]byte(`{"a":1,"b":2}`)) {
		n++
		break
	}
	if n != 2 {
		t.Errorf("%d parts, want one of each", n)
	}
}

func TestPartsDoNotAllocate(t *testing.T) {
	data, sum := sample(23), 0
	n := testing.AllocsPerRun(100, func() {
		for key, value := range Members(data) {
			sum += int(key.End + value.End)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations an object", n)
	}
}

func FuzzMembers(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var keys []string
		last := map[string]string{}
		end := uint32(0)
		for key, value := range Members(data) { // on invalid text too: spans inside it, or a panic here
			if key.Start < end || key.End > value.Start {
				t.Fatalf("%q: spans %v %v overlap", data, key, value)
			}
			end = value.End
			keys = append(keys, string(Unquote(nil, data[key.Start:key.End])))
			last[keys[len(keys)-1]] = cut(data, value)
		}
		var want map[string]stdjson.RawMessage
		if Valid(data) != nil || stdjson.Unmarshal(data, &want) != nil {
			return
		}
		if len(want) != len(last) {
			t.Fatalf("%q: keys %q, want %d different ones", data, keys, len(want))
		}
		for key, value := range want {
			if last[key] != string(value) {
				t.Fatalf("%q: member %q is %q, want %q", data, key, last[key], value)
			}
		}
	})
}

func FuzzElements(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got [][]byte
		for s := range Elements(data) {
			got = append(got, data[s.Start:s.End])
		}
		var want []stdjson.RawMessage
		if Valid(data) != nil || stdjson.Unmarshal(data, &want) != nil {
			return
		}
		if len(got) != len(want) {
			t.Fatalf("%q: %d elements, want %d", data, len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("%q: element %d is %q, want %q", data, i, got[i], want[i])
			}
		}
	})
}
