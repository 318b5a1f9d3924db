package json

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkValidVaried validates records whose numbers all differ, so that the
// processor cannot learn where they end.
func BenchmarkValidVaried(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var records [][]byte
	size := 0
	for id := range 4000 {
		rec := fmt.Appendf(nil, `{"id":%d`, id)
		for n := range 20 {
			rec = fmt.Appendf(rec, `,"n%02d":%.3f`, n, rnd.Float64()*2000-1000)
		}
		rec = append(rec, `,"name":"yew","note":"old rock"}`...)
		records = append(records, rec)
		size += len(rec)
	}
	b.SetBytes(int64(size / len(records)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := Valid(records[i%len(records)]); err != nil {
			b.Fatal(err)
		}
	}
}
