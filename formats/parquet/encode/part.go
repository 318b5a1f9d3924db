package encode

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/batchmill/batchmill/formats"
)

// A part is what a joiner appends for one batch, and what the writers take.
// Parts never leave the process. All numbers are little endian:
//
//	uint64   length of the part in bytes, these eight included
//	byte     flags: 1 says that bits of kept records follow
//	uint32   records of the batch
//	uint32   rows
//	uint32   columns
//	bits     with flag 1, one for each record: it has a row; padded to a byte
//
// and for each column
//
//	byte     type, by its place in codes
//	uint64   size of the lengths in bytes
//	uint64   size of the values in bytes
//	bits     one for each row: it has a value; padded to a byte
//	uint32s  of strings, JSON and lists, the size of each value in bytes
//	values   integers and doubles in 8 bytes, booleans in one, strings and JSON
//	         as their bytes, lists as doubles
//
// The lowest bit of a byte comes first.
type part struct {
	records int
	rows    int
	kept    []byte // nil where the part does not say
	columns []columnPart
}

type columnPart struct {
	typ     formats.Type
	present []byte
	lengths []byte
	data    []byte
}

const (
	partHeader   = 8 + 1 + 3*4
	columnHeader = 1 + 2*8
	flagKept     = 1
)

// codes are the types as parts have them.
var codes = map[formats.Type]byte{
	formats.Integer: 1, formats.Double: 2, formats.Boolean: 3, formats.Text: 4, formats.Doubles: 5, formats.Nested: 6,
}

// typeOf is codes the other way.
var typeOf = [...]formats.Type{1: formats.Integer, formats.Double, formats.Boolean, formats.Text, formats.Doubles, formats.Nested}

var errPart = errors.New("a part of the output is damaged, which is a fault of this program")

// next reads the part that data begins with, and returns the bytes behind. p
// aliases data. No size is trusted: every size is held against the other
// sizes.
func (p *part) next(data []byte) (rest []byte, err error) {
	if len(data) < partHeader {
		return nil, errPart
	}
	size := binary.LittleEndian.Uint64(data)
	if size < partHeader || size > uint64(len(data)) {
		return nil, errPart
	}
	r := scanner{data: data[8:size]}
	flags := r.bytes(1)[0]
	p.records, p.rows = r.count(), r.count()
	columns := r.count()
	if columns > len(data)/columnHeader {
		return nil, errPart
	}
	p.kept = nil
	if flags&flagKept != 0 {
		p.kept = r.bytes(uint64(p.records+7) / 8)
	}
	p.columns = p.columns[:0]
	for range columns {
		p.columns = append(p.columns, r.column(p.rows))
	}
	if r.bad || len(r.data) > 0 || !p.countsRows() {
		return nil, errPart
	}
	return data[size:], nil
}

// countsRows tells whether as many records are kept as there are rows.
func (p *part) countsRows() bool {
	if p.kept == nil {
		return p.rows <= p.records
	}
	return ones(p.kept, p.records) == p.rows
}

// ones counts the bits that are set among the first n, or is -1 if a bit behind is set.
func ones(set []byte, n int) int {
	count := 0
	for _, b := range set {
		count += bits.OnesCount8(b)
	}
	if n%8 != 0 && set[len(set)-1]>>(n%8) != 0 {
		return -1
	}
	return count
}

// bit is bit i of set.
func bit(set []byte, i int) bool { return set[i/8]>>(i%8)&1 != 0 }

// A scanner takes numbers and bytes off the front of data; bad says that data
// was too short or did not fit together.
type scanner struct {
	data []byte
	bad  bool
}

func (r *scanner) bytes(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.bad, r.data = true, nil
		return make([]byte, min(n, 8))
	}
	out := r.data[:n:n]
	r.data = r.data[n:]
	return out
}

func (r *scanner) count() int { return int(binary.LittleEndian.Uint32(r.bytes(4))) }

func (r *scanner) column(rows int) columnPart {
	var c columnPart
	if code := int(r.bytes(1)[0]); code > 0 && code < len(typeOf) {
		c.typ = typeOf[code]
	}
	lengths, values := binary.LittleEndian.Uint64(r.bytes(8)), binary.LittleEndian.Uint64(r.bytes(8))
	c.present = r.bytes(uint64(rows+7) / 8)
	c.lengths, c.data = r.bytes(lengths), r.bytes(values)
	r.bad = r.bad || !c.holds(rows)
	return c
}

// holds tells whether the sizes of a column fit together.
func (c *columnPart) holds(rows int) bool {
	if len(c.present) != (rows+7)/8 {
		return false
	}
	n := ones(c.present, rows)
	switch c.typ {
	case formats.Integer, formats.Double:
		return n >= 0 && len(c.data) == 8*n && len(c.lengths) == 0
	case formats.Boolean:
		return n >= 0 && len(c.data) == n && len(c.lengths) == 0
	case formats.Unknown:
		return false
	}
	if n < 0 || len(c.lengths) != 4*n {
		return false
	}
	total := uint64(0)
	for at := 0; at < len(c.lengths); at += 4 {
		size := binary.LittleEndian.Uint32(c.lengths[at:])
		if c.typ == formats.Doubles && size%8 != 0 {
			return false
		}
		total += uint64(size)
	}
	return total == uint64(len(c.data))
}
