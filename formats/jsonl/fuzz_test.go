package jsonl

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// FuzzJoin joins whatever lines data has with one answer: the output has a line
// for each record, each is valid JSON, and what is not the answer's is there byte for byte.
func FuzzJoin(f *testing.F) {
	for _, data := range []string{"{\"a\":1.10}\n[1]\nx\n", "{}\r\n{ }", "{\"prediction\":1}", "{\"pred\\u0069ction\":0}\n{\"a\":\"prediction\"}", "1\n\n \n\"\xff\"", "{\"a\":\r1}\r\n", "{\n\"a\":1\n}", "{\n\r\x7f{ }"} {
		f.Add([]byte(data), "[1,\n2]", uint8(2), false)
		f.Add([]byte(data), "a,\"b\n\"", uint8(1), true)
		f.Add([]byte(data), "text", uint8(3), true)
	}
	j := newJoiner(f, JoinerConfig{Input: true, Verbatim: true})
	f.Fuzz(func(t *testing.T, data []byte, text string, form uint8, placeholders bool) {
		b := new(formats.Batch)
		r := NewReader(bytes.NewReader(data), Options{})
		if err := r.Next(b, many); err != nil {
			if err != io.EOF && !errors.Is(err, formats.ErrCROnly) && !noLines(err) {
				t.Fatal(err)
			}
			return
		}
		r.Check(b)
		j.Check(b)
		a := &formats.Answers{Data: []byte(text), List: make([]formats.Answer, b.Len())}
		a.List[0] = formats.Answer{End: uint32(len(text)), Form: formats.Form(form % 4)}
		if a.List[0].Form == formats.JSONForm && json.Valid(a.Data) != nil {
			return
		}
		j.Fit(a, nil, func(i int, _ string) { a.List[i] = formats.Answer{} })
		out, n := j.Join(nil, b, a, nil, placeholders)
		checkJoined(t, b, a, out, n, placeholders)
	})
}

// noLines tells whether the data was found to be other JSON than lines.
func noLines(err error) bool {
	return errors.Is(err, errPretty) || errors.Is(err, errOneLine) || errors.Is(err, errArray)
}

func checkJoined(t *testing.T, b *formats.Batch, a *formats.Answers, out []byte, n int, placeholders bool) {
	lines := bytes.SplitAfter(out, []byte("\n"))
	if lines = lines[:len(lines)-1]; len(lines) != n {
		t.Fatalf("%d lines, and %d are told: %q", len(lines), n, out)
	}
	for i := range b.Recs {
		if a.List[i].Form == formats.NoAnswer && !placeholders {
			continue
		}
		line := lines[0]
		lines = lines[1:]
		if !stdjson.Valid(line) {
			t.Fatalf("record %q gives %q", b.Record(i), line)
		}
		rec := trim(b.Record(i))
		if isObject(rec) {
			rec = bytes.TrimRight(rec[:len(rec)-1], "}")
		}
		if b.Flaw(i) == nil && !bytes.Contains(line, rec) {
			t.Fatalf("record %q is not in %q", b.Record(i), line)
		}
		answers := 0
		for key := range json.Members(line) {
			if keyIs(line[key.Start:key.End], formats.DefaultAnswerName) {
				answers++
			}
		}
		if answers != 1 {
			t.Fatalf("%d answers in %q", answers, line)
		}
	}
	if len(lines) > 0 {
		t.Fatalf("lines of no record: %q", lines)
	}
}
