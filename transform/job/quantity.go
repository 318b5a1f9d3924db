package job

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes, written as 65536, 64KiB, 6MiB, 1GiB, or in powers
// of ten as 6MB.
type Bytes int64

// The units are ordered so that a longer suffix is tried before its own end.
var byteUnits = []struct {
	suffix string
	size   int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// UnmarshalText reads a size.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil || n < 0 || math.IsNaN(n) || n*float64(u.size) > math.MaxInt64/2 {
			break
		}
		*b = Bytes(n * float64(u.size))
		return nil
	}
	return fmt.Errorf("%q is not a size; write for example 65536, 64KiB or 6MiB", s)
}

// MarshalText writes the size in the largest binary unit that divides it.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

func (b Bytes) String() string {
	for i := 3; i >= 0; i-- {
		if u := byteUnits[i]; b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Allowance is how many rejects a job bears: a count, or a share of its
// records. The zero Allowance bears none.
type Allowance struct {
	Count   int64
	Percent float64
	IsShare bool // Percent counts
}

// judgedFrom is how many records must be settled before a share counts: a
// few early rejects say nothing about a large job.
const judgedFrom = 1000

// UnmarshalText reads "100" or "1%".
func (a *Allowance) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if digits, ok := strings.CutSuffix(s, "%"); ok {
		p, err := strconv.ParseFloat(digits, 64)
		if err != nil || !(p >= 0 && p <= 100) {
			return fmt.Errorf("%q is not a share; write for example 1%%", s)
		}
		*a = Allowance{Percent: p, IsShare: true}
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is neither a count nor a share; write for example 100 or 1%%", s)
	}
	*a = Allowance{Count: n}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (a Allowance) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

func (a Allowance) String() string {
	if a.IsShare {
		return strconv.FormatFloat(a.Percent, 'g', -1, 64) + "%"
	}
	return strconv.FormatInt(a.Count, 10)
}

// Exceeded tells whether rejects of settled records are more than allowed.
func (a Allowance) Exceeded(rejects, settled int64) bool {
	if !a.IsShare {
		return rejects > a.Count
	}
	return settled >= judgedFrom && float64(rejects)*100 > a.Percent*float64(settled)
}

// Auto is a number; 0 is "auto": batchmill finds the number.
type Auto int

// mostAuto bounds what may be given by hand.
const mostAuto = 10_000_000

// UnmarshalText reads "auto" or a number.
func (a *Auto) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if s == "auto" {
		*a = 0
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > mostAuto {
		return fmt.Errorf("%q is neither auto nor a number from 1 to %d", s, mostAuto)
	}
	*a = Auto(n)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (a Auto) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// MarshalJSON writes a number as JSON does, and "auto" as text.
func (a Auto) MarshalJSON() ([]byte, error) {
	if a == 0 {
		return []byte(`"auto"`), nil
	}
	return []byte(a.String()), nil
}

// UnmarshalJSON reads "auto", numbers, and numbers as text.
func (a *Auto) UnmarshalJSON(text []byte) error { return a.UnmarshalText(bytes.Trim(text, `"`)) }

func (a Auto) String() string {
	if a == 0 {
		return "auto"
	}
	return strconv.Itoa(int(a))
}
