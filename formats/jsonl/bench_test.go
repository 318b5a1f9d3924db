package jsonl

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

// corpus is n records of 23 keys, numbers and short strings.
func corpus(n int) []byte {
	var out bytes.Buffer
	for i := range n {
		out.WriteByte('{')
		for k := range 23 {
			switch {
			case k > 0 && k%5 == 0:
				fmt.Fprintf(&out, `"field_%02d":"value %d",`, k, k*7919+i)
			case k%5 == 3:
				fmt.Fprintf(&out, `"field_%02d":%d,`, k, k*k+i)
			default:
				fmt.Fprintf(&out, `"field_%02d":%d.%d,`, k, k, k*1237+i)
			}
		}
		out.Truncate(out.Len() - 1)
		out.WriteString("}\n")
	}
	return out.Bytes()
}

const perBatch = 100

// loop runs work on a batch of 100 records and reports the time of one record.
func loop(b *testing.B, size int, work func()) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		work()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/perBatch, "ns/record")
}

func BenchmarkNext(b *testing.B) {
	data := corpus(100 * perBatch)
	var batch formats.Batch
	src := bytes.NewReader(data)
	r := NewReader(src, Options{})
	loop(b, len(data)/100, func() {
		if r.Next(&batch, formats.Caps{Records: perBatch, Bytes: 6 << 20}) != nil {
			src.Reset(data)
			r = NewReader(src, Options{})
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	data := corpus(perBatch)
	batch := batchOf(b, string(data))
	r := NewReader(nil, Options{})
	j := newJoiner(b, JoinerConfig{Input: true, Verbatim: true})
	b.Run("reader", func(b *testing.B) { loop(b, len(data), func() { r.Check(batch) }) })
	b.Run("joiner", func(b *testing.B) { loop(b, len(data), func() { j.Check(batch) }) })
}

func BenchmarkJoin(b *testing.B) {
	data := corpus(perBatch)
	batch := batchOf(b, string(data))
	j := newJoiner(b, JoinerConfig{Input: true, Verbatim: true})
	texts := make([]string, perBatch)
	for i := range texts {
		texts[i] = "0.123456"
	}
	a := answersOf(formats.JSONForm, texts...)
	var out []byte
	loop(b, len(data), func() { out, _ = j.Join(out[:0], batch, a, nil, true) })
}

func BenchmarkDecode(b *testing.B) {
	lines := []byte(strings.Repeat("{\"score\":0.123456}\n", perBatch))
	doc := []byte(`{"predictions":[` + strings.TrimSuffix(strings.Repeat(`{"score":0.123456},`, perBatch), ",") + "]}")
	var list []formats.Answer
	for name, c := range map[string]struct {
		d    Decoder
		body []byte
	}{"lines": {Decoder{}, lines}, "document": {Decoder{Doc: true}, doc}} {
		b.Run(name, func(b *testing.B) {
			loop(b, len(c.body), func() {
				var err error
				if list, _, err = c.d.Decode(list[:0], c.body, perBatch); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// The path of JSON Lines in and out allocates per batch at most, never per record.
func TestNothingAllocatesPerRecord(t *testing.T) {
	batch := batchOf(t, string(corpus(perBatch)))
	r := NewReader(nil, Options{})
	j := newJoiner(t, JoinerConfig{Input: true, Verbatim: true})
	e, _ := NewEncoder(EncoderConfig{Verbatim: true, Wrap: WrapArray})
	a := &formats.Answers{Data: []byte("0.5"), List: make([]formats.Answer, perBatch)}
	sel := make([]int32, perBatch)
	for i := range sel {
		a.List[i] = formats.Answer{End: 3, Form: formats.JSONForm}
		sel[i] = int32(i)
	}
	var out, payload []byte
	n := testing.AllocsPerRun(20, func() {
		r.Check(batch)
		e.Check(batch)
		j.Check(batch)
		payload = e.Encode(payload[:0], batch, sel)
		j.Fit(a, nil, nil)
		out, _ = j.Join(out[:0], batch, a, nil, true)
	})
	if n > 4 {
		t.Errorf("%v allocations for %d records", n, perBatch)
	}
}
