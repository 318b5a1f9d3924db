package text

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"

	"github.com/batchmill/batchmill/formats"
)

// appendFloat appends the shortest number that reads back as v at its width,
// by the rules for an exponent that encoding/json and JavaScript have.
func appendFloat(dst []byte, v float64, width int) ([]byte, formats.Kind) {
	if v-v != 0 {
		return appendSpecial(dst, v), formats.String
	}
	if text, ok := appendShort(dst, v, width); ok {
		return text, formats.Number
	}
	low, high := 1e-6, 1e21
	if width == 32 {
		low, high = float64(float32(low)), float64(float32(high))
	}
	if a := math.Abs(v); a == 0 || a >= low && a < high {
		return strconv.AppendFloat(dst, v, 'f', -1, width), formats.Number
	}
	return appendExponent(dst, v, width), formats.Number
}

// The decimals that appendShort tries, in this order, and the most digits of a
// number that reads back as one float alone, of 64 and of 32 bits.
var places = [...]struct {
	scale float64
	n     int
}{{1e3, 3}, {1e6, 6}}

const (
	digits64 = 1e15
	digits32 = 1e6
)

// appendShort appends v if it is a decimal with up to six places and few enough
// digits, as most numbers in data are; appendShort takes half of the general
// way's time. Where n/scale is the nearest float to that decimal and is v, the
// decimal reads back as v. No other decimal with so few digits reads back as v,
// so without its last zeros the decimal is the shortest.
func appendShort(dst []byte, v float64, width int) ([]byte, bool) {
	a, most := math.Abs(v), uint64(digits64)
	if width == 32 {
		most = digits32
	}
	for _, p := range places {
		if a >= float64(most)/p.scale {
			return dst, false
		}
		n := uint64(a*p.scale + 0.5)
		near := float64(n) / p.scale
		if width == 32 {
			near = float64(float32(near))
		}
		if near != a || n == 0 || n >= most {
			continue
		}
		if v < 0 {
			dst = append(dst, '-')
		}
		return appendPlaces(dst, n, p.n), true
	}
	return dst, false
}

// longest is the most bytes that appendPlaces appends.
const longest = 24

// appendPlaces appends n / 10^places without zeros at the end of its places.
func appendPlaces(dst []byte, n uint64, places int) []byte {
	for places > 0 && n%10 == 0 {
		n /= 10
		places--
	}
	size := max(digits(n), places+1)
	if places > 0 {
		size++
	}
	start := len(dst)
	dst = slices.Grow(dst, longest)[:start+size]
	text := dst[start:]
	at := size
	for range places {
		at--
		text[at] = byte('0' + n%10)
		n /= 10
	}
	if places > 0 {
		at--
		text[at] = '.'
	}
	for ; at > 1; at -= 2 {
		pair := n % 100 * 2
		n /= 100
		text[at-1], text[at-2] = pairs[pair+1], pairs[pair]
	}
	if at == 1 {
		text[0] = byte('0' + n)
	}
	return dst
}

// pairs are the numbers from 00 to 99.
const pairs = "0001020304050607080910111213141516171819" +
	"2021222324252627282930313233343536373839" +
	"4041424344454647484950515253545556575859" +
	"6061626364656667686970717273747576777879" +
	"8081828384858687888990919293949596979899"

// digits is how many digits n has, which is below digits64.
func digits(n uint64) int {
	guess := bits.Len64(n) * 1233 >> 12 // log10(2), a little less
	if n >= powers[guess] {
		guess++
	}
	return max(guess, 1)
}

var powers = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16}

// appendExponent appends v with an exponent that has no leading zero.
func appendExponent(dst []byte, v float64, width int) []byte {
	dst = strconv.AppendFloat(dst, v, 'e', -1, width)
	if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

func appendSpecial(dst []byte, v float64) []byte {
	switch {
	case v > 0:
		return append(dst, "Infinity"...)
	case v < 0:
		return append(dst, "-Infinity"...)
	}
	return append(dst, "NaN"...)
}

// appendFloat16 appends the shortest number that reads back as the IEEE 754
// half with these bits. Five digits are enough for every half.
func appendFloat16(dst []byte, half uint16) ([]byte, formats.Kind) {
	v := fromFloat16(half)
	if v-v != 0 || v == 0 {
		return appendFloat(dst, v, 64)
	}
	middle := v // of the range that reads back as half
	if half&0x3ff == 0 {
		middle += v / 8192 // below a power of two halves are twice as close
	}
	for digits := 1; digits < 5; digits++ {
		if near := roundTo(v, digits); toFloat16(near) == half {
			return appendFloat(dst, near, 64)
		}
		if near := roundTo(middle, digits); toFloat16(near) == half {
			return appendFloat(dst, near, 64)
		}
	}
	return appendFloat(dst, roundTo(v, 5), 64)
}

// roundTo is the number of so many significant digits that is nearest to v.
func roundTo(v float64, digits int) float64 {
	var room [32]byte
	near, _ := strconv.ParseFloat(string(strconv.AppendFloat(room[:0], v, 'e', digits-1, 64)), 64)
	return near
}

func fromFloat16(half uint16) float64 {
	exponent, fraction := int(half>>10&0x1f), float64(half&0x3ff)
	var v float64
	switch exponent {
	case 0:
		v = math.Ldexp(fraction, -24)
	case 0x1f:
		v = math.Inf(1)
		if fraction != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(1024+fraction, exponent-25)
	}
	if half>>15 != 0 {
		return -v
	}
	return v
}

// toFloat16 is the half that is nearest to v, of two equally near halves the even half.
func toFloat16(v float64) uint16 {
	var sign uint16
	if math.Signbit(v) {
		sign, v = 0x8000, -v
	}
	_, e := math.Frexp(v)
	e = max(e-11, -24) // the exponent of v's last bit, as a half
	n := math.RoundToEven(math.Ldexp(v, -e))
	if n == 2048 {
		n, e = 1024, e+1
	}
	if n < 1024 {
		return sign | uint16(n)
	}
	if e > 5 {
		return sign | 0x7c00
	}
	return sign | uint16(e+25)<<10 | uint16(n)&0x3ff
}

// appendDecimal appends v / 10^scale with scale digits behind the point.
func appendDecimal(dst []byte, v int64, scale int) []byte {
	u := uint64(v)
	if v < 0 {
		dst, u = append(dst, '-'), -u
	}
	start := len(dst)
	return point(strconv.AppendUint(dst, u, 10), start, scale)
}

// point puts a decimal point before the last scale digits of dst[start:], with
// zeros in front where there are too few.
func point(dst []byte, start, scale int) []byte {
	if scale == 0 {
		return dst
	}
	if lacks := scale + 1 - (len(dst) - start); lacks > 0 {
		for range lacks {
			dst = append(dst, '0')
		}
		copy(dst[start+lacks:], dst[start:])
		for i := range lacks {
			dst[start+i] = '0'
		}
	}
	dst = append(dst, 0)
	at := len(dst) - 1 - scale
	copy(dst[at+1:], dst[at:])
	dst[at] = '.'
	return dst
}

// appendBigDecimal is appendDecimal for v in two's complement, most significant
// byte first, of 1 to maxDecimal bytes.
func appendBigDecimal(dst, v []byte, scale int) []byte {
	sign := byte(int8(v[0]) >> 7)
	for len(v) > 1 && v[0] == sign && (v[1]^sign)>>7 == 0 {
		v = v[1:]
	}
	if len(v) <= 8 {
		return appendDecimal(dst, int64(limb(v, sign)), scale)
	}
	if sign != 0 {
		dst = append(dst, '-')
	}
	start := len(dst)
	if len(v) <= 16 {
		var limbs, groups [3]uint64
		dst = appendLimbs(dst, magnitude(limbs[:0], v, sign), groups[:0])
	} else {
		var limbs, groups [maxDecimal/8 + 4]uint64 // a group holds a little less than a limb
		dst = appendLimbs(dst, magnitude(limbs[:0], v, sign), groups[:0])
	}
	return point(dst, start, scale)
}

// limb is the number in up to eight bytes, with the sign byte before the bytes.
func limb(v []byte, sign byte) uint64 {
	var full [8]byte
	for i := range len(full) - len(v) {
		full[i] = sign
	}
	copy(full[len(full)-len(v):], v)
	return binary.BigEndian.Uint64(full[:])
}

// magnitude appends the absolute value of v to limbs, least significant first.
func magnitude(limbs []uint64, v []byte, sign byte) []uint64 {
	carry := uint64(sign & 1)
	flip := -carry
	for len(v) > 0 {
		n := max(len(v)-8, 0)
		var u uint64
		u, carry = bits.Add64(limb(v[n:], sign)^flip, 0, carry)
		limbs = append(limbs, u)
		v = v[:n]
	}
	return limbs
}

// appendLimbs appends a number's digits. appendLimbs uses limbs up, and overwrites groups.
func appendLimbs(dst []byte, limbs, groups []uint64) []byte {
	const group, digits = 1e19, 19 // the most that a limb holds
	for len(limbs) > 0 {
		var rest uint64
		for i := len(limbs) - 1; i >= 0; i-- {
			limbs[i], rest = bits.Div64(rest, limbs[i], group)
		}
		groups = append(groups, rest)
		for len(limbs) > 0 && limbs[len(limbs)-1] == 0 {
			limbs = limbs[:len(limbs)-1]
		}
	}
	dst = strconv.AppendUint(dst, groups[len(groups)-1], 10)
	for i := len(groups) - 2; i >= 0; i-- {
		dst = appendPadded(dst, groups[i], digits)
	}
	return dst
}

// appendPadded appends v, which must be below 10^width, with width digits.
func appendPadded(dst []byte, v uint64, width int) []byte {
	const zeros = "0000000000000000000"
	dst = append(dst, zeros[:width]...)
	for i := len(dst) - 1; v > 0; i-- {
		dst[i] += byte(v % 10)
		v /= 10
	}
	return dst
}
