// Package thrift reads values in Thrift's compact protocol, which Parquet's
// footers, page headers and indexes are written in:
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
//
// The bytes may come from anybody. A Reader believes no size before the bytes
// for it are there, allocates nothing, and bounds how deep values may nest.
// Package thrift knows no struct of Parquet: who reads a struct goes through
// its fields and skips the unknown.
package thrift

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// A Kind is the type of a value, as it stands in the head of a field or a list.
type Kind byte

// The kinds. Stop is no value but the end of a struct. A boolean in a field is
// True or False and takes no further byte.
const (
	Stop   Kind = 0
	True   Kind = 1
	False  Kind = 2
	Byte   Kind = 3
	I16    Kind = 4
	I32    Kind = 5
	I64    Kind = 6
	Double Kind = 7
	Binary Kind = 8
	List   Kind = 9
	Set    Kind = 10
	Map    Kind = 11
	Struct Kind = 12
	UUID   Kind = 13
)

// maxDepth is how many lists, sets, maps and structs may stand around one
// another below the struct that is read. The limit bounds the stack. Parquet's
// structs and lists reach a depth of 7.
const maxDepth = 24

// ErrTruncated says that a value goes on behind the bytes of its Reader. All
// faults are worded to follow the name of what was read: "the footer ends early".
var ErrTruncated = errors.New("ends early")

var (
	errDeep     = errors.New("nests too deep")
	errLong     = errors.New("holds a number of more than 64 bits")
	errRange    = errors.New("holds a number too large for its type")
	errField    = errors.New("holds a field that has no type, or no number that a field can have")
	errElements = errors.New("holds a list of another type")
)

// A Reader reads values from bytes, one after the other. The first fault
// stays: every read after the fault gives zero, and a struct or a list ends.
type Reader struct {
	data  []byte
	at    int
	fault error
	// For Measure alone.
	lists int // around the value that is skipped
	price func(kind, elem Kind, lists int) int64
	cost  int64
}

// NewReader is a Reader at the beginning of data. Bytes that the Reader gives alias data.
func NewReader(data []byte) Reader { return Reader{data: data} }

// Measure says how many bytes the struct at the beginning of data takes, and
// what all elements of lists, sets and maps in it cost together. The price of
// an element goes by the kind of its list, by its own kind (in a map, that of
// the value), and by the number of lists around its list.
func Measure(data []byte, price func(kind, elem Kind, lists int) int64) (size int, cost int64, err error) {
	r := Reader{data: data, price: price}
	r.skip(Struct, 0)
	return r.at, r.cost, r.fault
}

// Err is the first fault, nil while there was none.
func (r *Reader) Err() error { return r.fault }

// Fail makes err the Reader's fault, unless the Reader has a fault already.
func (r *Reader) Fail(err error) {
	if r.fault == nil {
		r.fault, r.data = err, r.data[:r.at] // nothing is left to read
	}
}

// Offset is the number of bytes read.
func (r *Reader) Offset() int { return r.at }

// From is what was read since the offset start.
func (r *Reader) From(start int) []byte { return r.data[start:r.at] }

// take is the next n bytes.
func (r *Reader) take(n uint64) []byte {
	if n > uint64(len(r.data)-r.at) {
		r.Fail(ErrTruncated)
		return nil
	}
	r.at += int(n)
	return r.data[r.at-int(n) : r.at]
}

func (r *Reader) byte() byte {
	if r.at == len(r.data) {
		r.Fail(ErrTruncated)
		return 0
	}
	r.at++
	return r.data[r.at-1]
}

func (r *Reader) uvarint() uint64 {
	if r.at < len(r.data) && r.data[r.at] < 0x80 {
		r.at++
		return uint64(r.data[r.at-1])
	}
	v, n := binary.Uvarint(r.data[r.at:])
	switch {
	case n == 0:
		r.Fail(ErrTruncated)
	case n < 0:
		r.Fail(errLong)
		return 0
	}
	r.at += n
	return v
}

// A Cut names fields to leave out, by their ids. A field with a Cut of its own,
// a struct or a list of structs, stays, and the Cut is for the fields within.
type Cut map[int]Cut

// Without is the struct at the beginning of data, without the fields of cut.
func Without(data []byte, cut Cut) ([]byte, error) {
	r := NewReader(data)
	kept := r.without(make([]byte, 0, len(data)), cut)
	return kept, r.fault
}

func (r *Reader) without(dst []byte, cut Cut) []byte {
	last := 0
	for id, kind := r.Field(0); kind != Stop; id, kind = r.Field(id) {
		within, named := cut[id]
		if named && within == nil {
			r.Skip(kind)
			continue
		}
		dst = AppendField(dst, last, id, kind)
		last = id
		switch {
		case named && kind == Struct:
			dst = r.without(dst, within)
		case named && kind == List:
			dst = r.listWithout(dst, within)
		default:
			dst = append(dst, r.Skip(kind)...)
		}
	}
	return append(dst, byte(Stop))
}

// listWithout is without for each struct of a list. A list of anything else is a fault.
func (r *Reader) listWithout(dst []byte, cut Cut) []byte {
	n := r.ListOf(Struct)
	dst = AppendList(dst, Struct, n)
	for ; n > 0 && r.fault == nil; n-- {
		dst = r.without(dst, cut)
	}
	return dst
}

// Int reads an integer of at most the given number of bits.
func (r *Reader) Int(bits int) int64 {
	u := r.uvarint()
	if u>>bits != 0 {
		r.Fail(errRange)
		return 0
	}
	return int64(u>>1) ^ -int64(u&1)
}

// Binary reads bytes or a text.
func (r *Reader) Binary() []byte { return r.take(r.uvarint()) }

// List reads the head of a list or a set: what its elements are, and how many.
func (r *Reader) List() (elem Kind, n int) {
	head := r.byte()
	size := uint64(head >> 4)
	if size == 15 {
		size = r.uvarint()
	}
	return Kind(head & 15), r.count(size)
}

// ListOf is List for elements of one kind.
func (r *Reader) ListOf(want Kind) (n int) {
	elem, n := r.List()
	if n > 0 && elem != want {
		r.Fail(errElements)
		return 0
	}
	return n
}

// count checks a number of elements, each of which takes a byte at least.
func (r *Reader) count(n uint64) int {
	if n > uint64(len(r.data)-r.at) {
		r.Fail(ErrTruncated)
		return 0
	}
	return int(n)
}

// Field reads the head of the field behind field number before, which is 0 at
// a struct's beginning. The kind is Stop at the struct's end.
func (r *Reader) Field(before int) (id int, kind Kind) {
	head := r.byte()
	if head == byte(Stop) {
		return 0, Stop
	}
	kind = Kind(head & 15)
	if id = before + int(head>>4); head>>4 == 0 {
		id = int(r.Int(16))
	}
	if kind == Stop || id > math.MaxInt16 {
		r.Fail(errField)
		return 0, Stop
	}
	return id, kind
}

// Skip passes over a field's value, or an element of a list of structs, and
// returns its bytes.
func (r *Reader) Skip(kind Kind) []byte {
	start := r.at
	r.skip(kind, 1)
	return r.From(start)
}

// skip passes over a value with depth values around it.
func (r *Reader) skip(kind Kind, depth int) {
	switch kind {
	case True, False: // the field's head holds the value
	case Byte:
		r.take(1)
	case I16, I32, I64:
		if r.uvarint()>>(8<<(kind-Byte)) != 0 {
			r.Fail(errRange)
		}
	case Double:
		r.take(8)
	case Binary:
		r.Binary()
	case UUID:
		r.take(16)
	case List, Set:
		elem, n := r.List()
		r.elements(kind, Stop, elem, n, depth)
	case Map:
		r.pairs(depth)
	case Struct:
		r.fields(depth)
	default:
		r.Fail(fmt.Errorf("holds a value of the unknown type %d", kind))
	}
}

func (r *Reader) fields(depth int) {
	if depth > maxDepth {
		r.Fail(errDeep)
	}
	for id, kind := r.Field(0); kind != Stop; id, kind = r.Field(id) {
		r.skip(kind, depth+1)
	}
}

func (r *Reader) pairs(depth int) {
	size := r.uvarint()
	if size == 0 { // an empty map has no kinds
		return
	}
	kinds := r.byte()
	r.elements(Map, Kind(kinds>>4), Kind(kinds&15), r.count(size), depth)
}

// elements passes over n values, in a map each behind its key.
func (r *Reader) elements(kind, key, elem Kind, n, depth int) {
	if depth > maxDepth {
		r.Fail(errDeep)
	}
	if r.price != nil {
		r.cost += int64(n) * r.price(kind, elem, r.lists)
	}
	r.lists++
	for ; n > 0 && r.fault == nil; n-- {
		if kind == Map {
			r.skip(alone(key), depth+1)
		}
		r.skip(alone(elem), depth+1)
	}
	r.lists--
}

// alone is the kind of a value that stands in no field: a boolean takes a byte.
func alone(kind Kind) Kind {
	if kind == True || kind == False {
		return Byte
	}
	return kind
}

// AppendField appends the head of field id behind field number before.
func AppendField(dst []byte, before, id int, kind Kind) []byte {
	if step := id - before; step > 0 && step <= 15 {
		return append(dst, byte(step)<<4|byte(kind))
	}
	return binary.AppendVarint(append(dst, byte(kind)), int64(id))
}

// AppendBinary appends a text.
func AppendBinary(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// AppendList appends the head of a list of n elements.
func AppendList(dst []byte, elem Kind, n int) []byte {
	if n < 15 {
		return append(dst, byte(n)<<4|byte(elem))
	}
	return binary.AppendUvarint(append(dst, 15<<4|byte(elem)), uint64(n))
}
