package text

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats/json"
)

// TestFloatsReadBack reads random bit patterns back at their own width.
func TestFloatsReadBack(t *testing.T) {
	var l Leaf
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		bits := rnd.Uint64()
		v, w := math.Float64frombits(bits), math.Float32frombits(uint32(bits))
		if v-v == 0 {
			got, _ := l.Double(nil, v)
			if back, err := strconv.ParseFloat(string(got), 64); err != nil || back != v || !json.IsNumber(got) {
				t.Fatalf("%x: %s", bits, got)
			}
		}
		if w-w == 0 {
			got, _ := l.Float(nil, w)
			if back, err := strconv.ParseFloat(string(got), 32); err != nil || float32(back) != w || !json.IsNumber(got) {
				t.Fatalf("%x: %s", uint32(bits), got)
			}
		}
	}
}

// TestFloat16 reads every half back, and looks for a shorter text of each.
func TestFloat16(t *testing.T) {
	for bits := range 1 << 16 {
		half := uint16(bits)
		v := fromFloat16(half)
		if v-v != 0 {
			continue
		}
		if toFloat16(v) != half {
			t.Fatalf("%04x is %g, and that %04x", half, v, toFloat16(v))
		}
		got, _ := appendFloat16(nil, half)
		back, err := strconv.ParseFloat(string(got), 64)
		if err != nil || toFloat16(back) != half || !json.IsNumber(got) {
			t.Fatalf("%04x: %s", half, got)
		}
		if v != 0 && shorter(half, v, significant(back)-1) {
			t.Fatalf("%04x: %s is not the shortest", half, got)
		}
	}
}

// significant is the number of v's significant digits.
func significant(v float64) int {
	n := 0
	for _, c := range strconv.FormatFloat(math.Abs(v), 'e', -1, 64) {
		switch {
		case c == 'e':
			return n
		case c != '.':
			n++
		}
	}
	return n
}

// shorter tells whether one of the decimals of so many digits around v reads
// back as half.
func shorter(half uint16, v float64, digits int) bool {
	if digits < 1 {
		return false
	}
	near, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits-1, 64), 64)
	step := math.Pow10(int(math.Floor(math.Log10(math.Abs(v)))) - digits + 1)
	return toFloat16(near) == half || toFloat16(near+step) == half || toFloat16(near-step) == half
}

func TestToFloat16Rounds(t *testing.T) {
	for v, want := range map[float64]uint16{
		65519.99: 0x7bff, 65520: 0x7c00, 1e300: 0x7c00, 1 + 1./2048: 0x3c00, 1 + 3./2048: 0x3c02,
		0x1p-25: 0, 0x1.8p-25: 1, -2047.9: 0xe7ff + 1, 0x1.ff8p-15: 0x0400 - 1, 0x1.ffcp-15: 0x0400, 1e-300: 0,
	} {
		if got := toFloat16(v); got != want {
			t.Errorf("%g: %04x, want %04x", v, got, want)
		}
	}
}

// TestTimesAgainstTime compares with package time where it has the years.
func TestTimesAgainstTime(t *testing.T) {
	layouts := map[int]string{3: "2006-01-02T15:04:05.999", 6: "2006-01-02T15:04:05.999999", 9: "2006-01-02T15:04:05.999999999"}
	units := map[int]format.TimeUnit{3: millis, 6: micros, 9: nanos}
	rnd := rand.New(rand.NewPCG(3, 4))
	for digits, layout := range layouts {
		utc := leafOf(t, element(format.Int64, stamp(units[digits], true), 0))
		local := leafOf(t, element(format.Int64, stamp(units[digits], false), 0))
		for range 50_000 {
			v := int64(rnd.Uint64()) >> (rnd.IntN(40) + 2)
			seconds, rest := divide(v, perSecond[digits])
			at := time.Unix(seconds, rest*(1e9/perSecond[digits])).UTC()
			if at.Year() < 0 || at.Year() > 9999 {
				continue
			}
			want := at.Format(layout)
			got, _ := utc.Int64(nil, v)
			bare, _ := local.Int64(nil, v)
			if string(got) != want+"Z" || string(bare) != want {
				t.Fatalf("%d: %s and %s, want %s", v, got, bare, want)
			}
		}
	}
}

// TestDatesInOrder walks over eras, where the calendar's rules meet.
func TestDatesInOrder(t *testing.T) {
	for _, start := range []int64{-719528 - 200_000, -1000, 10957, 2932897 - 1000} {
		for day := start; day < start+200_000; day += 1 + day&3 {
			y, m, d := time.Unix(day*daySeconds, 0).UTC().Date()
			want := appendYear(nil, int64(y))
			want = appendPair(append(want, '-'), uint32(m))
			want = appendPair(append(want, '-'), uint32(d))
			if got := appendDate(nil, day); string(got) != string(want) {
				t.Fatalf("%d: %s, want %s", day, got, want)
			}
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	dst := make([]byte, 0, 4096)
	huge := make([]byte, 300)
	huge[0] = 0x7f
	half := []byte{0x66, 0x2e}
	leaves := []struct {
		e *format.SchemaElement
		v pq.Value
	}{
		{element(format.Double, nil, 0), pq.DoubleValue(0.1)},
		{element(format.FixedLenByteArray, dec(3), 16), be("-99999999999999999999999999999999999999", 16)},
		{element(format.ByteArray, dec(3), 0), pq.ByteArrayValue(huge)},
		{element(format.FixedLenByteArray, new(format.Float16Type), 2), pq.FixedLenByteArrayValue(half)},
		{element(format.Int64, stamp(nanos, true), 0), pq.Int64Value(1)},
		{element(format.ByteArray, nil, 0), pq.ByteArrayValue(huge)},
		{element(format.ByteArray, new(format.JsonType), 0), pq.ByteArrayValue([]byte("[1]"))},
	}
	for _, test := range leaves {
		l := leafOf(t, test.e)
		if n := testing.AllocsPerRun(100, func() { l.Value(dst, test.v) }); n != 0 {
			t.Errorf("%v %v: %g allocations", test.e.Type.V, &test.e.LogicalType, n)
		}
	}
}

func BenchmarkValue(b *testing.B) {
	for _, test := range []struct {
		name string
		e    *format.SchemaElement
		v    pq.Value
	}{
		{"int64", element(format.Int64, nil, 0), pq.Int64Value(1234567890123)},
		{"float", element(format.Float, nil, 0), pq.FloatValue(0.12345678)},
		{"double", element(format.Double, nil, 0), pq.DoubleValue(0.123456789012345)},
		{"float16", element(format.FixedLenByteArray, new(format.Float16Type), 2), pq.FixedLenByteArrayValue([]byte{0x66, 0x2e})},
		{"decimal64", element(format.Int64, dec(2), 0), pq.Int64Value(-1234567890)},
		{"decimal128", element(format.FixedLenByteArray, dec(10), 16), be("12345678901234567890123456789", 16)},
		{"date", element(format.Int32, new(format.DateType), 0), pq.Int32Value(20780)},
		{"timestamp", element(format.Int64, stamp(micros, true), 0), pq.Int64Value(1795441500123456)},
		{"uuid", element(format.FixedLenByteArray, new(format.UUIDType), 16), pq.FixedLenByteArrayValue(make([]byte, 16))},
		{"string12", element(format.ByteArray, new(format.StringType), 0), pq.ByteArrayValue([]byte("hello, world"))},
		{"base64of32", element(format.ByteArray, nil, 0), pq.ByteArrayValue(make([]byte, 32))},
	} {
		b.Run(test.name, func(b *testing.B) {
			l := leafOf(b, test.e)
			dst := make([]byte, 0, 256)
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = l.Value(dst[:0], test.v)
			}
		})
	}
}

// TestShortIsShortest holds the quick way for decimals against the general one.
func TestShortIsShortest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 7))
	values := []float64{0.001, 0.000001, 999999.999, 1e9, 1e12, 1e15, 123456789012.345, 1e-7, 5e-324, 0.1 + 0.2, 1.005, 4.35, 999999999.999999}
	for range 200_000 {
		n := float64(rnd.Uint64N(1e16 >> rnd.UintN(50)))
		values = append(values, n/1e3, n/1e6, n/1e7, math.Float64frombits(rnd.Uint64()))
	}
	for _, v := range values {
		for _, v := range []float64{v, -v, math.Nextafter(v, 0)} {
			want, got := "", ""
			if a := math.Abs(v); a >= 1e-6 && a < 1e21 {
				want = strconv.FormatFloat(v, 'f', -1, 64)
				text, _ := appendFloat([]byte("x"), v, 64)
				got = string(text[1:])
			}
			if got != want {
				t.Fatalf("%v is written %s, not %s", v, got, want)
			}
			f := float64(float32(v))
			if a := math.Abs(f); a >= 1e-6 && a < 1e20 {
				want = strconv.FormatFloat(f, 'f', -1, 32)
				if text, _ := appendFloat(nil, f, 32); string(text) != want {
					t.Fatalf("the float32 %v is written %s, not %s", f, text, want)
				}
			}
		}
	}
}
