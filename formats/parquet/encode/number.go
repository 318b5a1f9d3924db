package encode

import (
	"bytes"
	"math"
	"strconv"
)

// parseInteger is the integer that text, a JSON number, denotes. "-0", "1.0" and
// "1e3" are no integers: their text could not be made again from the value.
func parseInteger(text []byte) (int64, bool) {
	if string(text) == "-0" {
		return 0, false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil
}

// parseDouble is the double nearest to text, a JSON number. The result is
// false beyond the range of doubles, and with exact also for a number that the
// double does not keep.
func parseDouble(text []byte, exact bool) (float64, bool) {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, false
	}
	return f, !exact || keeps(f, text)
}

// parseSpecial is the number that JSON has no digits for and text is a usual spelling of: nan, inf
// and infinity, in any case and with any sign.
func parseSpecial(text []byte) (f float64, special bool) {
	sign := 1
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	switch {
	case len(text) < len("nan") || len(text) > len("infinity"):
		return 0, false
	case bytes.EqualFold(text, []byte("nan")):
		return math.NaN(), true
	case bytes.EqualFold(text, []byte("inf")), bytes.EqualFold(text, []byte("infinity")):
		return math.Inf(sign), true
	}
	return 0, false
}

// keepsInteger tells whether f is text, or text is no integer: digits without point or exponent.
// A model that writes an integer means each of its digits, whereas fractions are mostly rounded before they
// are written. An integer is kept if it is f's shortest decimal, as JavaScript writes it, or all of f's digits, as C does.
func keepsInteger(f float64, text []byte) bool {
	const sure = 15 // that many digits always survive
	if len(text) <= sure || bytes.ContainsAny(text, ".eE") {
		return true
	}
	var room [32]byte
	return keeps(f, text) || string(strconv.AppendFloat(room[:0], f, 'f', 0, 64)) == string(text)
}

// keeps tells whether f's shortest decimal denotes the same number as text, a
// JSON number whose nearest double is f. 0.1 and 1.10 pass, 10000000000000000999
// and 0.12345678901234567890 do not.
func keeps(f float64, text []byte) bool {
	const sure = 15 // that many digits always survive, within the normal range
	if size := abs(f); len(text) <= sure && size > 1e-300 && size < 1e300 {
		return true
	}
	var room [32]byte
	var mine, theirs decimal
	return mine.parse(strconv.AppendFloat(room[:0], f, 'e', -1, 64)) && theirs.parse(text) && mine == theirs
}

func abs(f float64) float64 {
	if f < 0 {
		return -f
	}
	return f
}

// A decimal is a number as digits without zeros at either end, and the power
// of ten of the last digit. Zero has no digits.
type decimal struct {
	negative bool
	digits   [20]byte // a double has at most 17
	n        int
	exponent int
}

// parse reads a JSON number. The result is false for a number with more digits
// than a double can have, or with an exponent beyond all doubles.
func (d *decimal) parse(text []byte) bool {
	if text[0] == '-' {
		d.negative, text = true, text[1:]
	}
	zeros, behind := 0, 0 // zeros not yet known to be inside; digits behind the point
	point := false
	for i, c := range text {
		switch {
		case c == '.':
			point = true
			continue
		case c == 'e' || c == 'E':
			return d.end(text[i+1:], zeros-behind)
		case point:
			behind++
		}
		if c == '0' {
			zeros++
			continue
		}
		if d.n == 0 {
			zeros = 0 // leading zeros
		}
		if d.n+zeros >= len(d.digits) {
			return false
		}
		for ; zeros > 0; zeros-- {
			d.digits[d.n], d.n = '0', d.n+1
		}
		d.digits[d.n], d.n = c, d.n+1
	}
	return d.end(nil, zeros-behind)
}

// end adds the exponent that is written out.
func (d *decimal) end(text []byte, exponent int) bool {
	if d.n == 0 {
		return true
	}
	written := 0
	if text != nil {
		var err error
		if written, err = strconv.Atoi(string(text)); err != nil {
			return false
		}
	}
	d.exponent = exponent + written
	return true
}
