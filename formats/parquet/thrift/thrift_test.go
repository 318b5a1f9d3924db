package thrift

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestMeasure goes over structs that Parquet has none of, or not any more.
func TestMeasure(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want int
		err  string
	}{
		{"no field", []byte{0, 'x'}, 1, ""},
		{"fields of all kinds", []byte{0x11, 0x12, 0x13, 9, 0x15, 2, 0x17, 1, 2, 3, 4, 5, 6, 7, 8, 0x18, 1, 'a', 0, 'x'}, 19, ""},
		{"a UUID", append(append([]byte{0x1d}, make([]byte, 16)...), 0), 18, ""},
		{"a long field id", []byte{0x05, 0x80, 0x01, 2, 0}, 5, ""},
		{"a negative field id", []byte{0x05, 0x01, 2, 0}, 4, ""},
		{"a map", []byte{0x1b, 1, 0x85, 1, 'k', 2, 0}, 7, ""},
		{"an empty map", []byte{0x1b, 0, 0}, 3, ""},
		{"an empty list of no kind", []byte{0x19, 0, 0}, 3, ""},
		{"a set of bools", []byte{0x1a, 0x21, 1, 2, 0}, 5, ""},
		{"a map of bools", []byte{0x1b, 1, 0x12, 1, 2, 0}, 6, ""},
		{"structs in a list", []byte{0x19, 0x2c, 0x15, 2, 0, 0, 0}, 7, ""},
		{"the largest numbers", []byte{0x14, 0xfe, 0xff, 0x03, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0}, 11, ""},
		{"24 structs", nested(0x1c, 24), 49, ""},
		{"nothing", nil, 0, "ends early"},
		{"no end", []byte{0x11}, 0, "ends early"},
		{"a field id cut", []byte{0x05, 0x80}, 0, "ends early"},
		{"a map of 2^28", []byte{0x1b, 255, 255, 255, 127, 0x88, 0}, 0, "ends early"},
		{"a map without kinds", []byte{0x1b, 1}, 0, "ends early"},
		{"a list cut", []byte{0x19}, 0, "ends early"},
		{"a list of 2^60", []byte{0x19, 0xf5, 255, 255, 255, 255, 255, 255, 255, 255, 0x0f, 0}, 0, "ends early"},
		{"bytes of 2^63", []byte{0x18, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0}, 0, "ends early"},
		{"a UUID cut", append([]byte{0x1d}, make([]byte, 15)...), 0, "ends early"},
		{"a number of 80 bits", append([]byte{0x16}, bytes.Repeat([]byte{255}, 12)...), 0, "64 bits"},
		{"16 bits too many", []byte{0x14, 0x80, 0x80, 0x04, 0}, 0, "too large for its type"},
		{"32 bits too many", []byte{0x15, 0x80, 0x80, 0x80, 0x80, 0x10, 0}, 0, "too large for its type"},
		{"a field id of 17 bits", []byte{0x05, 0x80, 0x80, 0x04, 2, 0}, 0, "too large for its type"},
		{"a field behind the last", []byte{0x05, 0xfe, 0xff, 0x03, 2, 0x15, 2, 0}, 0, "no number that a field can have"},
		{"a field of no kind", []byte{0x10}, 0, "no type"},
		{"a kind that is none", []byte{0x1e}, 0, "unknown type 14"},
		{"elements of no kind", []byte{0x19, 0x10, 0, 0}, 0, "unknown type 0"},
		{"25 structs", nested(0x1c, 25), 0, "nests too deep"},
		{"structs without end", bytes.Repeat([]byte{0x1c}, 1<<20), 0, "nests too deep"},
		{"lists without end", bytes.Repeat([]byte{0x19}, 8<<20), 0, "nests too deep"},
		{"sets without end", append([]byte{0x1a}, bytes.Repeat([]byte{0x1a}, 8<<20)...), 0, "nests too deep"},
		{"maps without end", append([]byte{0x1b}, bytes.Repeat([]byte{1, 0x3b, 0}, 8<<20)...), 0, "nests too deep"},
	}
	for _, test := range tests {
		n, _, err := Measure(test.data, nil)
		if test.err == "" && (err != nil || n != test.want) || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %d, %v; want %d, %q", test.name, n, err, test.want, test.err)
		}
	}
}

// nested is structs around one another, depth of them within the first.
func nested(head byte, depth int) []byte {
	return append(bytes.Repeat([]byte{head}, depth), make([]byte, depth+1)...)
}

// TestPrice asks what elements of each kind cost.
func TestPrice(t *testing.T) {
	data := []byte{
		0x19, 0x2c, // two structs: the first holds a map of one byte to a list of two bytes, and the second is empty
		0x1b, 1, 0x39, 7, 0x23, 1, 2, 0,
		0,
		0x1a, 0x08, 0, // an empty set of texts
	}
	var got []string
	n, cost, err := Measure(data, func(kind, elem Kind, lists int) int64 {
		got = append(got, fmt.Sprint(kind, elem, lists))
		return 1 << (10 * lists)
	})
	want := []string{"9 12 0", "11 9 1", "9 3 2", "10 8 0"}
	if n != len(data) || cost != 2+1<<10+2<<20 || err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %d of %d bytes, a cost of %d, %v", got, n, len(data), cost, err)
	}
}

// TestReader reads what the Append functions wrote.
func TestReader(t *testing.T) {
	b := AppendBinary(AppendField(nil, 0, 1, Binary), "text")
	b = AppendField(b, 1, 300, True)
	b = AppendList(AppendField(b, 300, 301, List), Struct, 20)
	b = append(append(b, make([]byte, 20)...), byte(Stop))
	r := NewReader(append(bytes.Clone(b), "behind"...))
	id, kind := r.Field(0)
	if text := r.Binary(); id != 1 || kind != Binary || string(text) != "text" {
		t.Errorf("field %d of kind %d: %q", id, kind, text)
	}
	if id, kind = r.Field(id); id != 300 || kind != True || len(r.Skip(kind)) != 0 {
		t.Errorf("field %d of kind %d", id, kind)
	}
	id, kind = r.Field(id)
	start, n := r.Offset(), r.ListOf(Struct)
	for range n {
		r.Skip(Struct)
	}
	if id != 301 || kind != List || n != 20 || !bytes.Equal(r.From(start), b[start:len(b)-1]) {
		t.Errorf("field %d of kind %d, %d elements in % x", id, kind, n, r.From(start))
	}
	if id, kind = r.Field(id); id != 0 || kind != Stop || r.Err() != nil || r.Offset() != len(b) {
		t.Errorf("field %d of kind %d, %d bytes of %d, %v", id, kind, r.Offset(), len(b), r.Err())
	}
}

func TestInt(t *testing.T) {
	for _, test := range []struct {
		bits int
		v    int64
		fits bool
	}{
		{16, math.MaxInt16, true}, {16, math.MinInt16, true}, {16, math.MaxInt16 + 1, false}, {16, math.MinInt16 - 1, false},
		{32, math.MaxInt32, true}, {32, math.MinInt32, true}, {32, math.MaxInt32 + 1, false}, {32, math.MinInt32 - 1, false},
		{64, math.MaxInt64, true}, {64, math.MinInt64, true}, {64, -1, true}, {64, 0, true},
	} {
		// In zigzag: 0, -1, 1, -2, ... are 0, 1, 2, 3, ...
		u := uint64(test.v) << 1
		if test.v < 0 {
			u = ^u
		}
		var data []byte
		for ; u > 127; u >>= 7 {
			data = append(data, byte(u)|128)
		}
		r := NewReader(append(data, byte(u)))
		if got := r.Int(test.bits); (r.Err() == nil) != test.fits || test.fits && got != test.v {
			t.Errorf("%d in %d bits: %d, %v", test.v, test.bits, got, r.Err())
		}
	}
}

// TestFaultStays: behind a fault nothing is read, and loops end.
func TestFaultStays(t *testing.T) {
	r := NewReader([]byte{0x15, 2, 0x18, 200, 1, 0x19, 0x23, 1, 2, 0})
	if n := r.ListOf(Struct); n != 0 || r.Err() != errElements {
		t.Fatalf("%d elements, %v", n, r.Err())
	}
	at := r.Offset()
	r.Fail(errors.New("another"))
	id, kind := r.Field(7)
	elem, n := r.List()
	if id != 0 || kind != Stop || elem != 0 || n != 0 || r.Int(64) != 0 || len(r.Binary()) != 0 || len(r.Skip(Struct)) != 0 || r.Offset() != at || r.Err() != errElements {
		t.Errorf("field %d of kind %d, %d elements of kind %d, byte %d, %v", id, kind, n, elem, r.Offset(), r.Err())
	}
}

// TestCount: what holds elements makes room for as many as List tells of, so
// List tells of no more than the bytes behind can hold.
func TestCount(t *testing.T) {
	head := AppendList(nil, Struct, 20)
	for behind, want := range map[int]int{20: 20, 19: 0} {
		r := NewReader(append(bytes.Clone(head), make([]byte, behind)...))
		if _, n := r.List(); n != want || (r.Err() == nil) != (want > 0) {
			t.Errorf("%d elements in %d bytes, %v", n, behind, r.Err())
		}
	}
}
