package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/thrift"
)

// Wire types of the Thrift compact protocol, as they stand in field headers
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// thriftDepth is how deep structures may nest. Those of Parquet reach six.
const thriftDepth = 24

// errTruncated says that a Thrift structure goes on behind the bytes given.
var errTruncated = errors.New("ends early")

// A walk goes over one Thrift structure without making anything of it, before
// a decoder does that would believe its sizes.
type walk struct {
	data []byte
	pos  int
	cost int64 // estimate of the memory that decoding takes, in bytes
}

// thriftLen is how many bytes the structure at the beginning of data takes, and
// an estimate of the memory that decoding it will take, itself not counted.
func thriftLen(data []byte) (n int, cost int64, err error) {
	w := walk{data: data}
	if err := w.structure(0, 0); err != nil {
		return w.pos, 0, err
	}
	return w.pos, w.cost + int64(w.pos), nil
}

// structure takes fields up to the stop field. lists counts the lists around it.
func (w *walk) structure(depth, lists int) error {
	if depth > thriftDepth {
		return errors.New("nests too deep")
	}
	for {
		if w.pos >= len(w.data) {
			return errTruncated
		}
		head := w.data[w.pos]
		w.pos++
		kind := head & 15
		if kind == 0 {
			return nil
		}
		if head>>4 == 0 { // the field's id follows
			if _, err := w.uvarint(); err != nil {
				return err
			}
		}
		if kind == thriftTrue || kind == thriftFalse {
			continue // the value is in the kind
		}
		if err := w.value(kind, depth, lists); err != nil {
			return err
		}
	}
}

// value takes one value that is no field of type bool.
func (w *walk) value(kind byte, depth, lists int) error {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		return w.skip(1)
	case thriftI16, thriftI32, thriftI64:
		_, err := w.uvarint()
		return err
	case thriftDouble:
		return w.skip(8)
	case thriftBinary:
		n, err := w.uvarint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case thriftList, thriftSet:
		return w.list(depth, lists)
	case thriftMap:
		return w.pairs(depth, lists)
	case thriftStruct:
		return w.structure(depth+1, lists)
	}
	return fmt.Errorf("holds a value of the unknown type %d", kind)
}

func (w *walk) list(depth, lists int) error {
	if w.pos >= len(w.data) {
		return errTruncated
	}
	head := w.data[w.pos]
	w.pos++
	n, kind := uint64(head>>4), head&15
	if n == 15 {
		var err error
		if n, err = w.uvarint(); err != nil {
			return err
		}
	}
	if err := w.count(n, elementCost(kind, lists)); err != nil {
		return err
	}
	for range n {
		if err := w.value(kind, depth+1, lists+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) pairs(depth, lists int) error {
	n, err := w.uvarint()
	if err != nil || n == 0 {
		return err
	}
	if w.pos >= len(w.data) {
		return errTruncated
	}
	kinds := w.data[w.pos]
	w.pos++
	if err := w.count(n, 64); err != nil {
		return err
	}
	for range n {
		if err := w.value(kinds>>4, depth+1, lists+1); err != nil {
			return err
		}
		if err := w.value(kinds&15, depth+1, lists+1); err != nil {
			return err
		}
	}
	return nil
}

// count takes n elements into account. Each takes a byte at least.
func (w *walk) count(n uint64, each int64) error {
	if n > uint64(len(w.data)-w.pos) {
		return errTruncated
	}
	w.cost += int64(n) * each
	return nil
}

// elementCost is the memory that an element of a footer's list takes: schema
// elements and row groups stand in no other list, column chunks in one.
func elementCost(kind byte, lists int) int64 {
	switch {
	case kind != thriftStruct:
		return 24
	case lists == 0:
		return 192
	case lists == 1:
		return 640
	}
	return 48
}

func (w *walk) skip(n uint64) error {
	if n > uint64(len(w.data)-w.pos) {
		return errTruncated
	}
	w.pos += int(n)
	return nil
}

func (w *walk) uvarint() (uint64, error) {
	u, n := binary.Uvarint(w.data[w.pos:])
	switch {
	case n == 0:
		return 0, errTruncated
	case n < 0:
		return 0, errors.New("holds a number of more than 64 bits")
	}
	w.pos += n
	return u, nil
}

// unmarshal decodes the structure that data is. What v holds then may alias data.
func unmarshal(data []byte, v any) error {
	var compact thrift.CompactProtocol
	return thrift.NewDecoder(compact.NewReaderFromBytes(data)).Decode(v)
}
