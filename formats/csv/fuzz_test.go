package csv

import (
	"bytes"
	"encoding/csv"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/batchmill/batchmill/formats"
)

var cutterSeeds = []string{
	"1,2\n3,4\n", "a,\"b\n\"\"c\",\r\n\r\n1", "\"a\n2,\"b\nc\n\"", "a\"b\n\"c\"d\n", "\xef\xbb\xbf\"a\"\n",
	"\"\r\n\"\r\n", "\"a\"\r", "\"a\"\r,b\n", "\n\r\n\n", "\"", "\"\"", "\"\"\"", "a,\"\n\n\n\nb\n\"", "\x00\n\r\r\n", "a,\n,\"\"",
}

// Every byte is in exactly one record, blank line or byte order mark; the
// records do not depend on reads and caps; on what encoding/csv accepts, they
// are its records.
func FuzzCutter(f *testing.F) {
	for _, s := range cutterSeeds {
		f.Add([]byte(s), uint8(0), uint8(3))
		f.Add([]byte(s), uint8(4), uint8(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, limit, records uint8) {
		o := Options{MaxRecord: int(limit)}
		want, err := readAll(t, NewReader(bytes.NewReader(in), o, formats.Schema{}), wide)
		if err == formats.ErrCROnly {
			return
		}
		if err != io.EOF {
			t.Fatal(err)
		}
		slow := iotest.OneByteReader(bytes.NewReader(in))
		got, err := readAll(t, NewReader(slow, o, formats.Schema{}), formats.Caps{Records: int(records), Bytes: int(limit) * 2})
		if err != io.EOF || !equal(got, want) {
			t.Fatalf("%q: by bytes %s, error %v; in one %s", in, texts(got), err, texts(want))
		}
		covered(t, in, want)
		if limit == 0 {
			likeStandard(t, in, want)
		}
	})
}

// oneLF finds line ends with any number of CRs.
var oneLF = regexp.MustCompile("\r*\n")

// covered checks that only a byte order mark, blank lines and the rest of
// records that are too large stand between records.
func covered(t *testing.T, in []byte, all []seen) {
	t.Helper()
	at := 0
	if bytes.HasPrefix(in, []byte("\xef\xbb\xbf")) {
		at = 3
	}
	tooLarge := false
	for _, s := range append(slices.Clip(all), seen{Offset: int64(len(in))}) {
		between := string(in[at:s.Offset])
		if tooLarge {
			_, between, _ = strings.Cut(between, "\n")
		}
		if oneLF.ReplaceAllString(between, "") != "" {
			t.Fatalf("%q: %q at byte %d is in no record", in, between, at)
		}
		at = int(s.Offset) + len(s.Text)
		if s.Text != "" && string(in[s.Offset:at]) != s.Text {
			t.Fatalf("%q: record %q is not at byte %d", in, s.Text, s.Offset)
		}
		tooLarge = s.Reason == formats.ReasonTooLarge
	}
}

// likeStandard compares with encoding/csv, and is silent where that refuses.
// encoding/csv turns CRLF in a field into LF, drops a CR at the end of the input, and takes
// one CR of CR CR LF for a line end, where this package takes both.
func likeStandard(t *testing.T, in []byte, all []seen) {
	t.Helper()
	in = oneLF.ReplaceAll(bytes.TrimPrefix(in, []byte("\xef\xbb\xbf")), []byte("\n"))
	std := csv.NewReader(bytes.NewReader(in))
	std.FieldsPerRecord = -1
	want, err := std.ReadAll()
	if bytes.HasSuffix(in, []byte("\r")) {
		return
	}
	flawed := slices.ContainsFunc(all, func(s seen) bool { return s.Reason != "" })
	if flawed != (err != nil) {
		t.Fatalf("%q: we say flawed %v, encoding/csv says %v", in, flawed, err)
	}
	if err != nil {
		return
	}
	if len(all) != len(want) {
		t.Fatalf("%q: %d records, encoding/csv has %d", in, len(all), len(want))
	}
	d := Dialect{}.orDefault()
	for i, s := range all {
		body, _ := split([]byte(s.Text))
		fields := d.texts(body)
		plain := slices.Clone(fields)
		for k := range plain {
			plain[k] = oneLF.ReplaceAllString(plain[k], "\n")
		}
		if !slices.Equal(plain, want[i]) || d.count(body) != len(fields) {
			t.Fatalf("record %d: fields %q (count %d), encoding/csv has %q", i+1, fields, d.count(body), want[i])
		}
		again := d.appendFields(fields)
		if c := (&cutter{d}).Cut(again, formats.EOF); c.N != len(again) || c.Flaw != "" || c.Blank {
			t.Fatalf("fields %q become %q, which is no record: %+v", fields, again, c)
		}
		if body, _ := split(again); !slices.Equal(d.texts(body), fields) {
			t.Fatalf("fields %q come back from %q otherwise", fields, again)
		}
	}
}

// texts are body's fields, decoded.
func (d Dialect) texts(body []byte) []string {
	var texts []string
	for _, f := range d.fields(nil, body) {
		texts = append(texts, string(d.unquote(nil, body[f.Start:f.End])))
	}
	return texts
}

// appendFields writes fields as values of rows are written.
func (d Dialect) appendFields(fields []string) []byte {
	var line []byte
	for i, f := range fields {
		if i > 0 {
			line = append(line, d.Delimiter)
		}
		line = d.appendValue(line, formats.Value{Kind: formats.String, Text: []byte(f)})
	}
	return d.closeRecord(line, 0, nil)
}
