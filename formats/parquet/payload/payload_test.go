package payload

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/parquet"
)

type inner struct {
	A int64    `parquet:"a"`
	B *string  `parquet:"b,optional"`
	C []string `parquet:"c,list"`
}

// row has a column of each kind.
type row struct {
	ID    int64             `parquet:"id"`
	Flag  *bool             `parquet:"flag,optional"`
	Bits  bool              `parquet:"bits"`
	Small uint8             `parquet:"small"`
	F     float32           `parquet:"f"`
	D     *float64          `parquet:"d,optional,dict"`
	Old   deprecated.Int96  `parquet:"old"`
	Text  string            `parquet:"text,delta"`
	Raw   []byte            `parquet:"raw"`
	UUID  [16]byte          `parquet:"uuid,uuid"`
	At    time.Time         `parquet:"at,timestamp(microsecond)"`
	Price int64             `parquet:"price,decimal(2:12)"`
	Sub   *inner            `parquet:"sub,optional"`
	Many  []inner           `parquet:"many,list"`
	Tags  map[string]string `parquet:"tags"`
	Rep   []int32           `parquet:"rep"`
}

func maybe[T any](r *rand.Rand, v T) *T {
	if r.IntN(3) == 0 {
		return nil
	}
	return &v
}

func randomInner(r *rand.Rand) inner {
	in := inner{A: r.Int64(), B: maybe(r, strings.Repeat("b", r.IntN(5))), C: []string{}}
	for range r.IntN(3) {
		in.C = append(in.C, strings.Repeat("\u00e9", r.IntN(3)))
	}
	return in
}

func randomRows(n int) []row {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	rows := make([]row, n)
	for i := range rows {
		rows[i] = row{
			ID: int64(i), Flag: maybe(r, r.IntN(2) == 0), Bits: r.IntN(2) == 0, Small: uint8(r.Uint32()), F: r.Float32(),
			D: maybe(r, r.NormFloat64()), Old: deprecated.Int96{r.Uint32(), 1, 2440588}, Text: strings.Repeat("x\"", r.IntN(9)),
			Raw: []byte(strings.Repeat("\xff", r.IntN(4))), UUID: [16]byte{15: byte(i)}, At: time.UnixMicro(r.Int64N(1e15)).UTC(),
			Price: r.Int64N(1e12) - 5e11, Many: []inner{}, Tags: map[string]string{}, Rep: []int32{},
		}
		if r.IntN(3) > 0 {
			rows[i].Sub = new(randomInner(r))
		}
		for range r.IntN(4) {
			rows[i].Many = append(rows[i].Many, randomInner(r))
			rows[i].Rep = append(rows[i].Rep, r.Int32())
			rows[i].Tags[strings.Repeat("k", r.IntN(4))] = "v"
		}
	}
	return rows
}

// fileOf is a Parquet file of rows, of several row groups.
func fileOf[T any](t testing.TB, rows []T) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := pq.NewGenericWriter[T](&buf, pq.Compression(&pq.Snappy), pq.PageBufferSize(500))
	for part := range slices.Chunk(rows, 70) {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// batchOf reads all of a file as one batch.
func batchOf(t testing.TB, data []byte) (*formats.Batch, *parquet.File) {
	t.Helper()
	f, err := parquet.Open(bytes.NewReader(data), int64(len(data)), parquet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := parquet.NewReader(f, f.Schema(), nil)
	b := new(formats.Batch)
	if err := in.Next(b, formats.Caps{Records: math.MaxInt32, Bytes: math.MaxInt32}); err != nil {
		t.Fatal(err)
	}
	in.Check(b)
	if len(b.Flaws) > 0 {
		t.Fatal(b.Flaws)
	}
	return b, f
}

// encode is the payload of the records sel of a file.
func encode(t testing.TB, b *formats.Batch, c EncoderConfig, sel []int32) []byte {
	t.Helper()
	e, err := NewEncoder(c)
	if err != nil {
		t.Fatal(err)
	}
	if e.Check(b); len(b.Flaws) > 0 {
		t.Fatal(b.Flaws)
	}
	out := e.Encode([]byte("before"), b, sel)
	if again := e.Encode(nil, b, sel); !bytes.Equal(out[6:], again) || string(out[:6]) != "before" {
		t.Fatal("the same records make other bytes")
	}
	return out[6:]
}

func all(n int) []int32 {
	sel := make([]int32, n)
	for i := range sel {
		sel[i] = int32(i)
	}
	return sel
}

func TestEncodeReadsBack(t *testing.T) {
	rows := randomRows(300)
	b, f := batchOf(t, fileOf(t, rows))
	names := f.Schema().Names
	for _, sel := range [][]int32{all(300), {0}, {299}, {3, 69, 70, 71, 200}, all(300)[140:]} {
		data := encode(t, b, EncoderConfig{Names: names}, sel)
		got, err := pq.Read[row](bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		for k, i := range sel {
			if !reflect.DeepEqual(got[k], rows[i]) {
				t.Fatalf("record %d:\n got %+v\nwant %+v", i, got[k], rows[i])
			}
		}
		if len(got) != len(sel) {
			t.Fatalf("%d rows of %d", len(got), len(sel))
		}
		if !(Decoder{}).Whole(data) {
			t.Error("not whole")
		}
		sent, err := parquet.Open(bytes.NewReader(data), int64(len(data)), parquet.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range names {
			if !reflect.DeepEqual(sent.Elements(i), f.Elements(i)) {
				t.Errorf("column %s: %+v, want %+v", names[i], sent.Elements(i), f.Elements(i))
			}
		}
	}
}

func TestEncodeFilter(t *testing.T) {
	b, f := batchOf(t, fileOf(t, randomRows(5)))
	data := encode(t, b, EncoderConfig{Names: f.Schema().Names, Filter: []string{"many", "id"}}, []int32{1, 4})
	sent, err := parquet.Open(bytes.NewReader(data), int64(len(data)), parquet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if names := sent.Schema().Names; !slices.Equal(names, []string{"many", "id"}) || sent.NumRows() != 2 {
		t.Errorf("%v, %d rows", names, sent.NumRows())
	}
	type part struct {
		Many []inner `parquet:"many,list"`
		ID   int64   `parquet:"id"`
	}
	got, err := pq.Read[part](bytes.NewReader(data), int64(len(data)))
	if err != nil || len(got) != 2 || got[0].ID != 1 || got[1].ID != 4 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestEncodeCutsPages(t *testing.T) {
	type long struct {
		S    string   `parquet:"s"`
		List []string `parquet:"list,list"`
	}
	rows := make([]long, 40)
	for i := range rows {
		rows[i].S = strings.Repeat(string(rune('a'+i%26)), 100_000)
		rows[i].List = []string{rows[i].S[:30_000], "", rows[i].S[:1000]}
	}
	b, f := batchOf(t, fileOf(t, rows))
	data := encode(t, b, EncoderConfig{Names: f.Schema().Names}, all(40))
	got, err := pq.Read[long](bytes.NewReader(data), int64(len(data)))
	if err != nil || !reflect.DeepEqual(got, rows) {
		t.Errorf("%d rows, %v", len(got), err)
	}
}

func TestFilterErrors(t *testing.T) {
	names := []string{"a", "b"}
	for _, filter := range [][]string{{"c"}, {"a", "a"}, {}} {
		var wrong *FilterError
		if _, err := NewEncoder(EncoderConfig{Names: names, Filter: filter}); !errors.As(err, &wrong) {
			t.Errorf("%v: %v", filter, err)
		}
	}
	c := EncoderConfig{Names: names, Filter: []string{"b"}}
	if picks, err := c.Picks(); err != nil || !slices.Equal(picks, []int{1}) {
		t.Errorf("%v, %v", picks, err)
	}
}

// TestCheckColumnsRead sees that a column which was not decoded is noticed.
func TestCheckColumnsRead(t *testing.T) {
	data := fileOf(t, randomRows(2))
	f, err := parquet.Open(bytes.NewReader(data), int64(len(data)), parquet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := parquet.NewReader(f, f.Schema(), []int{0})
	var b formats.Batch
	if err := in.Next(&b, formats.Caps{Records: 10, Bytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	for filter, flaws := range map[string]int{"id": 0, "text": 2} {
		e, err := NewEncoder(EncoderConfig{Names: f.Schema().Names, Filter: []string{filter}})
		if err != nil {
			t.Fatal(err)
		}
		if e.Check(&b); len(b.Flaws) != flaws {
			t.Errorf("%s: %v", filter, b.Flaws)
		}
		b.Flaws = nil
	}
}

func BenchmarkEncode(b *testing.B) {
	rows := randomRows(1000)
	batch, f := batchOf(b, fileOf(b, rows))
	e, err := NewEncoder(EncoderConfig{Names: f.Schema().Names})
	if err != nil {
		b.Fatal(err)
	}
	sel, dst := all(1000), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		dst = e.Encode(dst[:0], batch, sel)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
}
