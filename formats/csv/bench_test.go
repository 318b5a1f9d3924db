package csv

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

// table is records of 23 fields and 190 bytes; with quotes, two fields are quoted.
func table(records int, quotes bool) []byte {
	var s bytes.Buffer
	for i := range records {
		start := s.Len()
		fmt.Fprintf(&s, "%08d", i)
		for k := range 21 {
			if quotes && k%11 == 3 {
				s.WriteString(`,"a, b"`)
				continue
			}
			fmt.Fprintf(&s, ",%d.%05d", k%10, (i*7919+k*104729)%100000)
		}
		s.WriteByte(',')
		s.WriteString(strings.Repeat("x", start+189-s.Len()))
		s.WriteByte('\n')
	}
	return s.Bytes()
}

// bench runs f for text with and without quotes, and reports MB/s and what a record costs.
func bench(b *testing.B, f func(b *testing.B, data []byte)) {
	for _, quotes := range []bool{false, true} {
		b.Run(map[bool]string{false: "plain", true: "quotes"}[quotes], func(b *testing.B) {
			data := table(10_000, quotes)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			f(b, data)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/record")
		})
	}
}

func BenchmarkNext(b *testing.B) {
	bench(b, func(b *testing.B, data []byte) {
		var batch formats.Batch
		for b.Loop() {
			r := NewReader(bytes.NewReader(data), Options{}, formats.Schema{Width: 23})
			for {
				if err := r.Next(&batch, wide); err == io.EOF {
					break
				} else if err != nil || batch.Len() != 100 {
					b.Fatal(batch.Len(), err)
				}
			}
		}
	})
}

// whole is data as one batch.
func whole(b testing.TB, data []byte, s formats.Schema) (formats.Reader, *formats.Batch) {
	batch := new(formats.Batch)
	r := NewReader(bytes.NewReader(data), Options{}, s)
	if err := r.Next(batch, formats.Caps{Records: 1 << 20, Bytes: 1 << 30}); err != nil {
		b.Fatal(err)
	}
	return r, batch
}

func BenchmarkCheck(b *testing.B) {
	bench(b, func(b *testing.B, data []byte) {
		r, batch := whole(b, data, formats.Schema{Width: 23})
		for b.Loop() {
			r.Check(batch)
		}
		if len(batch.Flaws) > 0 {
			b.Fatal(batch.Flaws[0])
		}
	})
}

func BenchmarkJoin(b *testing.B) {
	bench(b, func(b *testing.B, data []byte) {
		_, batch := whole(b, data, formats.Schema{Width: 23})
		answers := new(formats.Answers)
		answers.Data = bytes.Repeat([]byte("0.12345678\n"), batch.Len())
		answers.List, _, _ = new(Decoder).Decode(nil, answers.Data, batch.Len())
		j, _ := NewJoiner(JoinerConfig{Input: true, Verbatim: true, Schema: formats.Schema{Width: 23}})
		var dst []byte
		for b.Loop() {
			j.Fit(answers, fieldsOf(1), func(int, string) { b.Fatal("misfit") })
			dst, _ = j.Join(dst[:0], batch, answers, fieldsOf(1), true)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	bench(b, func(b *testing.B, data []byte) {
		var list []formats.Answer
		for b.Loop() {
			var err error
			if list, _, err = new(Decoder).Decode(list[:0], data, 10_000); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	for _, quotes := range []bool{false, true} {
		data := table(1000, quotes)
		r, batch := whole(t, data, formats.Schema{Width: 23})
		var list []formats.Answer
		var dst []byte
		layout := fieldsOf(23)
		j, _ := NewJoiner(JoinerConfig{Input: true, Verbatim: true, Schema: formats.Schema{Width: 23}})
		run := func() {
			r.Check(batch)
			list, _, _ = new(Decoder).Decode(list[:0], data, 1000)
			a := &formats.Answers{Data: data, List: list}
			j.Fit(a, layout, func(int, string) { t.Error("misfit") })
			dst, _ = j.Join(dst[:0], batch, a, layout, true)
		}
		if n := testing.AllocsPerRun(10, run); n > 3 { // for 1,000 records
			t.Errorf("quotes %v: %v allocations", quotes, n)
		}
	}
}
