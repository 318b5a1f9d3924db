package splice

import (
	"bytes"
	"math"
	"testing"

	wire "github.com/parquet-go/parquet-go/encoding/thrift"

	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

// What is not changed is written as it was read, byte for byte.
func TestFooterRoundTrip(t *testing.T) {
	b := write(t, makeRecord, []int{30, 20}, filters("id"))
	f := open(t, b)
	footer := b[f.end : len(b)-8]
	c := read(footer)
	m := c.message(&fileShape)
	if got := m.append(nil); c.Err() != nil || !bytes.Equal(got, footer) {
		t.Errorf("%q\nwant\n%q", got, footer)
	}
	for _, g := range f.groups {
		c = read(g.raw)
		if m = c.message(&groupShape); !bytes.Equal(m.append(nil), g.raw) {
			t.Error("a row group differs")
		}
		chunks, err := f.chunks(nil, &m)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range chunks {
			k, err := f.chunk(raw)
			if err != nil || !bytes.Equal(k.head.append(nil), raw) || !bytes.Equal(k.meta.append(nil), k.head.fields[chunkMeta].raw) {
				t.Errorf("a chunk differs: %v", err)
			}
		}
	}
}

// wide has every kind of value, in fields that no shape knows.
type wide struct {
	A int32            `thrift:"1"`
	B bool             `thrift:"20"`
	C int8             `thrift:"21"`
	D int16            `thrift:"22"`
	E float64          `thrift:"40"`
	F []bool           `thrift:"41"`
	G map[string]int64 `thrift:"42"`
	H []inner          `thrift:"43"`
	I []byte           `thrift:"44"`
	J map[bool]float64 `thrift:"45"`
	K int64            `thrift:"900"`
	L []string         `thrift:"901"`
}

type inner struct {
	X []int64 `thrift:"3"`
	Y bool    `thrift:"4"`
}

func TestUnknownFields(t *testing.T) {
	v := wide{
		A: 7, B: true, C: -3, D: math.MinInt16, E: 1.5, F: []bool{true, false, true}, G: map[string]int64{"a": -1, "b": math.MaxInt64},
		H: []inner{{X: make([]int64, 20), Y: true}, {}}, I: []byte("bytes"), J: map[bool]float64{true: 1}, K: math.MinInt64, L: []string{"x", ""},
	}
	raw, err := wire.Marshal(new(wire.CompactProtocol), v)
	if err != nil {
		t.Fatal(err)
	}
	c := read(append(bytes.Clone(raw), "behind"...))
	known := shape{kinds: [maxField + 1]thrift.Kind{1: thrift.I32}}
	m := c.message(&known)
	if c.Err() != nil || c.Offset() != len(raw) || m.int(1) != 7 {
		t.Errorf("%d of %d bytes, %d: %v", c.Offset(), len(raw), m.int(1), c.Err())
	}
	if got := m.append(nil); !bytes.Equal(got, []byte{0x15, 14, 0}) {
		t.Errorf("% x", got)
	}
	for n := range raw {
		c = read(raw[:n])
		if c.message(&known); c.Err() == nil {
			t.Errorf("%d bytes pass", n)
		}
	}
}

// Fields that are not there stay so, and those a decoder may not know stay.
func TestStatisticsKept(t *testing.T) {
	b := write(t, makeSmall, []int{20})
	f := open(t, b)
	// min_value "a", and is_min_value_exact false: no null_count.
	stats := []byte{6<<4 | byte(thrift.Binary), 1, 'a', 2<<4 | byte(thrift.False), byte(thrift.Stop)}
	in := rebuilt(t, b, func(k *chunk) { k.meta.set(metaStatistics, stats) })
	out := open(t, join(t, nil, Columns{File: open(t, in)}))
	c := read(out.groups[0].raw)
	g := c.message(&groupShape)
	chunks, err := out.chunks(nil, &g)
	if err != nil || len(chunks) != f.leaves {
		t.Fatal(err)
	}
	for _, raw := range chunks {
		if k, err := out.chunk(raw); err != nil || !bytes.Equal(k.meta.fields[metaStatistics].raw, stats) {
			t.Errorf("% x: %v", k.meta.fields[metaStatistics].raw, err)
		}
	}
}

// rebuilt is a file of one row group whose chunks were changed on the wire.
func rebuilt(t *testing.T, b []byte, edit func(*chunk)) []byte {
	t.Helper()
	f := open(t, b)
	c := read(f.groups[0].raw)
	g := c.message(&groupShape)
	chunks, err := f.chunks(nil, &g)
	if err != nil {
		t.Fatal(err)
	}
	list := thrift.AppendList(nil, thrift.Struct, len(chunks))
	for _, raw := range chunks {
		k, err := f.chunk(raw)
		if err != nil {
			t.Fatal(err)
		}
		edit(&k)
		k.head.set(chunkMeta, k.meta.append(nil))
		list = k.head.append(list)
	}
	g.set(groupColumns, list)
	f.meta.set(fileGroups, g.append(thrift.AppendList(nil, thrift.Struct, 1)))
	return append(bytes.Clone(b[:f.end]), framed(f.meta.append(nil))[4:]...)
}
