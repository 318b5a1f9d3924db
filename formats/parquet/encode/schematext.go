package encode

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/batchmill/batchmill/formats/parquet/splice"
)

// A schemaText is the schema of a file as its bytes in the footer. Columns that
// are written anew get their old schema elements back: parquet-go writes some
// annotations otherwise and does not know all, and row groups of one file have
// one schema.
//
// The footer is a FileMetaData in Thrift's compact protocol, whose field 2 is
// the list of elements, depth first.
//
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
// https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
type schemaText struct {
	elements [][]byte
	columns  [][2]int // the range of elements of each top-level column
	from, to int      // of the list in the footer
}

const tailSize = 8 // the footer's length and the magic

var errFooter = errors.New("its footer cannot be read")

// readSchema reads the footer's schema. What calls it has checked the footer's size.
func readSchema(r io.ReaderAt, size int64) (*schemaText, error) {
	footer, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	s := new(schemaText)
	t := thrift{data: footer}
	id := 0
	for {
		kind := t.field(&id)
		if kind == thriftStop || t.bad {
			return nil, errFooter
		}
		if id == 2 && kind == thriftList {
			break
		}
		t.skip(kind, 0)
	}
	s.from = t.at
	n, kind := t.list()
	if kind != thriftStruct {
		return nil, errFooter
	}
	var children []int64
	for range n {
		from := t.at
		children = append(children, t.element())
		if t.bad {
			return nil, errFooter
		}
		s.elements = append(s.elements, footer[from:t.at])
	}
	s.to = t.at
	return s, s.findColumns(children)
}

func readFooter(r io.ReaderAt, size int64) ([]byte, error) {
	var tail [tailSize]byte
	if size < tailSize {
		return nil, errFooter
	}
	if n, err := r.ReadAt(tail[:], size-tailSize); n < tailSize {
		return nil, errors.Join(errFooter, err)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if n > size-tailSize {
		return nil, errFooter
	}
	footer := make([]byte, n)
	if got, err := r.ReadAt(footer, size-tailSize-n); int64(got) < n {
		return nil, errors.Join(errFooter, err)
	}
	return footer, nil
}

// findColumns finds where each column below the root ends.
func (s *schemaText) findColumns(children []int64) error {
	if len(children) == 0 {
		return errFooter
	}
	at := 1
	for range children[0] {
		from := at
		for left := int64(1); left > 0; left-- {
			if at >= len(children) || children[at] < 0 || children[at] > int64(len(children)) {
				return errFooter
			}
			left += children[at]
			at++
		}
		s.columns = append(s.columns, [2]int{from, at})
	}
	if at != len(children) {
		return errFooter
	}
	return nil
}

// open opens the file in b, which has the columns keep of s, with their
// elements in its schema.
func (s *schemaText) open(b *buffer, keep []int) (*splice.File, error) {
	own, err := readSchema(b, b.size)
	if err != nil {
		return nil, err
	}
	footer, err := readFooter(b, b.size)
	if err != nil {
		return nil, err
	}
	list := [][]byte{own.elements[0]}
	for _, k := range keep {
		list = append(list, s.elements[s.columns[k][0]:s.columns[k][1]]...)
	}
	tail := append([]byte(nil), footer[:own.from]...)
	tail = appendThriftList(tail, len(list))
	for _, element := range list {
		tail = append(tail, element...)
	}
	tail = append(tail, footer[own.to:]...)
	tail = binary.LittleEndian.AppendUint32(tail, uint32(len(tail)))
	tail = append(tail, "PAR1"...)
	patched := retailed{b, b.size - tailSize - int64(len(footer)), tail}
	return splice.Open(patched, patched.end+int64(len(tail)))
}

// A retailed file has other bytes from end on.
type retailed struct {
	file io.ReaderAt
	end  int64
	tail []byte
}

func (r retailed) ReadAt(dst []byte, at int64) (n int, err error) {
	if at < r.end {
		n, err = r.file.ReadAt(dst[:min(int64(len(dst)), r.end-at)], at)
		if err != nil || n == len(dst) {
			return n, err
		}
	}
	if skip := at + int64(n) - r.end; skip < int64(len(r.tail)) {
		n += copy(dst[n:], r.tail[skip:])
	}
	if n < len(dst) {
		return n, io.EOF
	}
	return n, nil
}

// The kinds of Thrift's compact protocol that are told apart.
const (
	thriftStop   = 0
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// A thrift walks over data. bad says that it is not what it should be.
type thrift struct {
	data []byte
	at   int
	bad  bool
}

func (t *thrift) take(n uint64) []byte {
	if n > uint64(len(t.data)-t.at) {
		t.bad, t.at = true, len(t.data)
		return []byte{0}
	}
	t.at += int(n)
	return t.data[t.at-int(n) : t.at]
}

func (t *thrift) varint() uint64 {
	n, size := binary.Uvarint(t.data[t.at:])
	if size <= 0 {
		t.bad, t.at = true, len(t.data)
		return 0
	}
	t.at += size
	return n
}

// zigzag is a signed number.
func (t *thrift) zigzag() int64 {
	n := t.varint()
	return int64(n>>1) ^ -int64(n&1)
}

// field reads a field's head and moves id to its number.
func (t *thrift) field(id *int) (kind byte) {
	head := t.take(1)[0]
	if delta := int(head >> 4); delta > 0 {
		*id += delta
	} else if head != thriftStop {
		*id = int(t.zigzag())
	}
	return head & 15
}

func (t *thrift) list() (n int, kind byte) {
	head := t.take(1)[0]
	size := uint64(head >> 4)
	if size == 15 {
		size = t.varint()
	}
	if size > uint64(len(t.data)) {
		t.bad = true
		return 0, 0
	}
	return int(size), head & 15
}

func appendThriftList(dst []byte, n int) []byte {
	if n < 15 {
		return append(dst, byte(n)<<4|thriftStruct)
	}
	return binary.AppendUvarint(append(dst, 15<<4|thriftStruct), uint64(n))
}

// element passes over a SchemaElement and returns its num_children.
func (t *thrift) element() (children int64) {
	for id := 0; ; {
		kind := t.field(&id)
		switch {
		case kind == thriftStop || t.bad:
			return children
		case id == 5 && kind > thriftByte && kind <= thriftI64:
			children = t.zigzag()
		default:
			t.skip(kind, 0)
		}
	}
}

const thriftDepth = 64

func (t *thrift) skip(kind byte, depth int) {
	if depth > thriftDepth {
		t.bad = true
	}
	if t.bad {
		return
	}
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		t.take(1)
	case thriftByte + 1, thriftByte + 2, thriftI64:
		t.varint()
	case thriftDouble:
		t.take(8)
	case thriftBinary:
		t.take(t.varint())
	case thriftStruct:
		for id := 0; !t.bad; {
			kind := t.field(&id)
			if kind == thriftStop {
				return
			}
			t.skip(kind, depth+1)
		}
	default:
		t.skipMany(kind, depth)
	}
}

func (t *thrift) skipMany(kind byte, depth int) {
	var n int
	kinds := []byte{0}
	switch kind {
	case thriftList, thriftSet:
		n, kinds[0] = t.list()
	case thriftMap:
		if n = int(min(t.varint(), uint64(len(t.data)))); n > 0 {
			head := t.take(1)[0]
			kinds = []byte{head >> 4, head & 15}
		}
	default:
		t.bad = true
	}
	for range n {
		for _, k := range kinds {
			if k == thriftTrue || k == thriftFalse {
				k = thriftByte // in lists and maps a boolean is a byte
			}
			t.skip(k, depth+1)
		}
		if t.bad {
			return
		}
	}
}
