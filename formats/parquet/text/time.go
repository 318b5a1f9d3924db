package text

import (
	"encoding/binary"
	"strconv"
)

const daySeconds = 24 * 60 * 60

// perSecond is how many units a second has, by the digits of its fraction.
var perSecond = [10]int64{3: 1e3, 6: 1e6, 9: 1e9}

// divide is a / b rounded down, and what is left, which is never negative.
func divide(a, b int64) (quotient, rest int64) {
	quotient, rest = a/b, a%b
	if rest < 0 {
		return quotient - 1, rest + b
	}
	return quotient, rest
}

// appendTimestamp appends v, in units of 10^-digits seconds since 1970-01-01.
func appendTimestamp(dst []byte, v int64, digits int, utc bool) []byte {
	seconds, rest := divide(v, perSecond[digits])
	dst = appendInstant(dst, seconds, rest, digits)
	if utc {
		return append(dst, 'Z')
	}
	return dst
}

// appendInstant appends a date and a time of day.
func appendInstant(dst []byte, seconds, fraction int64, digits int) []byte {
	days, second := divide(seconds, daySeconds)
	dst = append(appendDate(dst, days), 'T')
	return appendFraction(appendOfDay(dst, uint64(second)), uint64(fraction), digits)
}

// appendDate appends the date of the day that is days after 1970-01-01. Years
// begin in March here, so that the leap day comes last; 400 years always have
// as many days. After Howard Hinnant, "chrono-Compatible Low-Level Date
// Algorithms", https://howardhinnant.github.io/date_algorithms.html.
func appendDate(dst []byte, days int64) []byte {
	const toMarch0000, in400 = 719468, 146097
	era, n := divide(days+toMarch0000, in400)
	day := uint32(n)
	year := (day - day/1460 + day/36524 - day/(in400-1)) / 365
	day -= 365*year + year/4 - year/100
	month := (5*day + 2) / 153
	day -= (153*month+2)/5 - 1
	y := era*400 + int64(year)
	if month += 3; month > 12 {
		month, y = month-12, y+1
	}
	dst = append(appendYear(dst, y), '-')
	dst = append(appendPair(dst, month), '-')
	return appendPair(dst, day)
}

func appendYear(dst []byte, y int64) []byte {
	switch {
	case y > 9999:
		return strconv.AppendInt(append(dst, '+'), y, 10)
	case y < -9999:
		return strconv.AppendInt(dst, y, 10)
	case y < 0:
		dst, y = append(dst, '-'), -y
	}
	return appendPair(appendPair(dst, uint32(y/100)), uint32(y%100))
}

// appendPair appends v, below 100, with two digits.
func appendPair(dst []byte, v uint32) []byte {
	return append(dst, byte('0'+v/10), byte('0'+v%10))
}

// appendClock appends a time of day, in units of 10^-digits seconds.
func appendClock(dst []byte, v int64, digits int) []byte {
	u := uint64(v)
	if v < 0 {
		dst, u = append(dst, '-'), -u
	}
	unit := uint64(perSecond[digits])
	return appendFraction(appendOfDay(dst, u/unit), u%unit, digits)
}

// appendOfDay appends hours, minutes and seconds. Hours may go past 23.
func appendOfDay(dst []byte, second uint64) []byte {
	minute := second / 60
	if hour := minute / 60; hour < 100 {
		dst = appendPair(dst, uint32(hour))
	} else {
		dst = strconv.AppendUint(dst, hour, 10)
	}
	dst = appendPair(append(dst, ':'), uint32(minute%60))
	return appendPair(append(dst, ':'), uint32(second%60))
}

// appendFraction appends v, below 10^digits, behind a point and without the
// zeros at its end; nothing if v is zero.
func appendFraction(dst []byte, v uint64, digits int) []byte {
	if v == 0 {
		return dst
	}
	for v%10 == 0 {
		v /= 10
		digits--
	}
	return appendPadded(append(dst, '.'), v, digits)
}

// appendInterval appends 12 bytes: months, days and milliseconds, each a
// little-endian uint32 that says nothing about the other two.
func appendInterval(dst, v []byte) []byte {
	months := binary.LittleEndian.Uint32(v)
	days := binary.LittleEndian.Uint32(v[4:])
	millis := uint64(binary.LittleEndian.Uint32(v[8:]))
	dst = append(dst, 'P')
	if months > 0 {
		dst = append(strconv.AppendUint(dst, uint64(months), 10), 'M')
	}
	if days > 0 {
		dst = append(strconv.AppendUint(dst, uint64(days), 10), 'D')
	}
	if millis > 0 || months == 0 && days == 0 {
		dst = strconv.AppendUint(append(dst, 'T'), millis/1000, 10)
		dst = append(appendFraction(dst, millis%1000, 3), 'S')
	}
	return dst
}
