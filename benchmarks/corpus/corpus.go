// Package corpus makes the data that benchmarks run on: records of about 190
// bytes (as CSV) with an id, 20 numbers and 2 strings, 1% of which hold a
// quoted newline. The same Spec gives the same bytes on every machine and with
// every version of Go, so figures taken at different times can be compared. In
// Parquet it gives the same values; their bytes are parquet-go's business.
package corpus

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
)

// Numbers is how many numeric fields a record has.
const Numbers = 20

// newlineEvery is the mean distance of records whose note spans two lines.
const newlineEvery = 100

// flushAt is how many bytes are gathered before a Write. It is small because
// what the driver holds counts towards the peak memory of its children.
const flushAt = 256 << 10

// Format is how records are written.
type Format string

// The formats a corpus comes in.
const (
	CSV     Format = "csv"
	JSONL   Format = "jsonl"
	Parquet Format = "parquet"
)

// Spec says which corpus to make.
type Spec struct {
	Format  Format
	Records int64
	Seed    uint64
}

// Validate names the field that is wrong, and what to write instead.
func (s Spec) Validate() error {
	if s.Format != CSV && s.Format != JSONL && s.Format != Parquet {
		return fmt.Errorf("format %q is unknown; use csv, jsonl or parquet", s.Format)
	}
	if s.Records < 0 {
		return fmt.Errorf("records is %d; use 0 or more", s.Records)
	}
	return nil
}

// Columns are the names of the fields in order. They stand in alphabetic order,
// with "prediction" sorting after them, so that a program that goes through a
// map and encoding/json writes them back in the order it found them.
func Columns() []string {
	names := make([]string, 0, Numbers+3)
	names = append(names, "id")
	for i := 1; i <= Numbers; i++ {
		names = append(names, fmt.Sprintf("n%02d", i))
	}
	return append(names, "name", "note")
}

// Write writes the corpus that s describes to w: for CSV a header and Records
// records, for JSON Lines Records lines, for Parquet a file of Records rows.
// Every record of text ends with LF. An error of w ends it and comes back.
func Write(w io.Writer, s Spec) error {
	if err := s.Validate(); err != nil {
		return err
	}
	m := maker{source: rand.NewPCG(s.Seed, 0)}
	if s.Format == Parquet {
		return writeParquet(w, s, &m)
	}
	return writeText(w, s, &m)
}

func writeText(w io.Writer, s Spec, m *maker) error {
	encode := m.appendCSV
	buf := make([]byte, 0, flushAt+4096)
	if s.Format == CSV {
		buf = appendHeader(buf)
	} else {
		encode = m.appendJSON
		m.keys = jsonKeys()
	}
	for id := int64(1); id <= s.Records; id++ {
		buf = encode(buf, id)
		if len(buf) < flushAt {
			continue
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		buf = buf[:0]
	}
	_, err := w.Write(buf)
	return err
}

func appendHeader(dst []byte) []byte {
	for i, name := range Columns() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, name...)
	}
	return append(dst, '\n')
}

// jsonKeys are what stands before each value of a JSON record.
func jsonKeys() []string {
	keys := make([]string, 0, Numbers+3)
	before := "{"
	for _, name := range Columns() {
		keys = append(keys, before+strconv.Quote(name)+":")
		before = ","
	}
	return keys
}
