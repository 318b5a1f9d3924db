package csv

import (
	"bytes"
	"io"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

// Whatever the input holds, joined output has a good record of the joined
// width for each input record, in order, and the records' bytes are kept.
func FuzzJoin(f *testing.F) {
	for _, s := range cutterSeeds {
		f.Add([]byte(s), []byte("0.5,\"x\ny\""))
	}
	f.Add([]byte("0"), []byte("\r\r"))
	f.Add([]byte("0"), []byte("1\r"))
	f.Fuzz(func(t *testing.T, in, answer []byte) {
		list, _, err := new(Decoder).Decode(nil, answer, 1)
		o := Options{Header: HeaderNo}
		schema, sniffed := Sniff(bytes.NewReader(in), o)
		if err != nil || sniffed != nil {
			return
		}
		j, err := NewJoiner(JoinerConfig{Input: true, Verbatim: true, Schema: schema})
		if err != nil {
			t.Fatal(err)
		}
		width := learned(j, answer[list[0].Start:list[0].End], formats.CSVForm)
		var out, kept []byte
		records, whole := 0, true
		r := NewReader(bytes.NewReader(in), o, schema)
		for {
			b := new(formats.Batch)
			if err := r.Next(b, formats.Caps{Records: 3, Bytes: 40}); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			r.Check(b)
			a := &formats.Answers{Data: answer, List: make([]formats.Answer, b.Len())}
			for _, i := range good(b) {
				a.List[i] = list[0]
				body, _ := split(b.Record(int(i)))
				kept = append(append(append(kept, body...), ','), answer[list[0].Start:list[0].End]...)
			}
			whole = whole && len(b.Flaws) == 0
			n := 0
			if out, n = j.Join(out, b, a, fieldsOf(width), true); n != b.Len() {
				t.Fatalf("wrote %d of %d records", n, b.Len())
			}
			records += n
		}
		if records == 0 {
			return
		}
		base := max(schema.Width, 1)
		again, err := readAll(t, NewReader(bytes.NewReader(out), o, formats.Schema{Width: base + width}), wide)
		if err == formats.ErrCROnly || bytes.HasPrefix(out, []byte("\xef\xbb\xbf")) {
			return
		}
		var joined []byte
		for _, s := range again {
			if s.Reason != "" {
				t.Fatalf("%q with %q gives %q: %s in %q", in, answer, out, s.Reason, s.Text)
			}
			body, _ := split([]byte(s.Text))
			joined = append(joined, body...)
		}
		if err != io.EOF || len(again) != records || whole && !bytes.Equal(joined, kept) {
			t.Fatalf("%q with %q gives %q: %d records of %d, error %v", in, answer, out, len(again), records, err)
		}
	})
}
