package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
)

// oldDictionary is PLAIN_DICTIONARY: what format version 1 calls a dictionary
// and the indexes into a dictionary. Nobody should write oldDictionary, and
// most files hold it.
const oldDictionary = format.Encoding(2)

// decodeValues decodes the n values that body holds. v may alias body.
func (c *cursor) decodeValues(v *values, encoding format.Encoding, n int, body []byte) error {
	*v = values{n: n, width: c.leaf.width}
	if n == 0 {
		return nil
	}
	switch encoding {
	case format.Plain:
		return c.decodePlain(v, body, &c.out, &c.spans)
	case oldDictionary, format.RLEDictionary:
		return c.decodeIndexes(v, body)
	case format.DeltaBinaryPacked:
		return c.decodeIntegers(v, body)
	case format.DeltaLengthByteArray, format.DeltaByteArray:
		return c.decodeDeltaBytes(v, encoding, body)
	case format.ByteStreamSplit:
		return c.decodeSplit(v, body)
	case format.RLE:
		return c.decodeBits(v, body)
	}
	return fmt.Errorf("encoded as %s, which batchmill does not read", encoding)
}

// mismatch is an encoding that does not go with the column's type.
func (c *cursor) mismatch(encoding format.Encoding) error {
	return fmt.Errorf("values of %s encoded as %s", c.leaf.kind, encoding)
}

// decodePlain decodes PLAIN values, with out and spans as buffers.
func (c *cursor) decodePlain(v *values, body []byte, out *[]byte, spans *[]formats.Span) (err error) {
	switch c.leaf.kind {
	case format.ByteArray:
		if *spans, err = reserve(c.w, *spans, v.n); err != nil {
			return err
		}
		v.data, v.spans = body, *spans
		return plainSpans(v.spans, body)
	case format.Boolean:
		if *out, err = reserve(c.w, *out, v.n); err != nil {
			return err
		}
		if v.data = *out; len(body) < (v.n+7)/8 {
			return errShort
		}
		unpack(v.data, body, 1)
		return nil
	}
	if int64(v.n)*int64(v.width) > int64(len(body)) {
		return errShort
	}
	v.data = body[:v.n*v.width]
	return nil
}

// plainSpans finds values that stand behind their lengths of four bytes.
func plainSpans(spans []formats.Span, body []byte) error {
	at := 0
	for i := range spans {
		if len(body)-at < 4 {
			return errShort
		}
		n := int64(binary.LittleEndian.Uint32(body[at:]))
		if at += 4; n > int64(len(body)-at) {
			return fmt.Errorf("value %d has a length of %d with %d bytes left", i+1, n, len(body)-at)
		}
		spans[i] = formats.Span{Start: uint32(at), End: uint32(at + int(n))}
		at += int(n)
	}
	return nil
}

// decodeIndexes decodes indexes into the dictionary, and looks them up.
func (c *cursor) decodeIndexes(v *values, body []byte) (err error) {
	if !c.dict.loaded {
		return errors.New("indexes into a dictionary, and the chunk has none before them")
	}
	if len(body) == 0 {
		return errShort
	}
	width := int(body[0])
	if width > 32 {
		return fmt.Errorf("indexes of %d bits", width)
	}
	if c.w.indexes, err = reserve(c.w, c.w.indexes, v.n); err != nil {
		return err
	}
	if err = decodeHybrid(c.w.indexes, body[1:], width); err != nil {
		return err
	}
	for _, index := range c.w.indexes {
		if int64(index) >= int64(c.dict.n) {
			return fmt.Errorf("an index of %d into a dictionary of %d", index, c.dict.n)
		}
	}
	return c.lookUp(v, c.w.indexes)
}

func (c *cursor) lookUp(v *values, indexes []uint32) (err error) {
	if v.width == 0 {
		if c.spans, err = reserve(c.w, c.spans, v.n); err != nil {
			return err
		}
		v.data, v.spans = c.dict.data, c.spans
		for i, index := range indexes {
			v.spans[i] = c.dict.spans[index]
		}
		return nil
	}
	if c.out, err = reserve(c.w, c.out, v.n*v.width); err != nil {
		return err
	}
	v.data = c.out
	switch dict := c.dict.data; v.width {
	case 8:
		for i, index := range indexes {
			*(*[8]byte)(v.data[i*8:]) = [8]byte(dict[index*8:])
		}
	case 4:
		for i, index := range indexes {
			*(*[4]byte)(v.data[i*4:]) = [4]byte(dict[index*4:])
		}
	default:
		for i, index := range indexes {
			copy(v.data[i*v.width:(i+1)*v.width], dict[int(index)*v.width:])
		}
	}
	return nil
}

// decodeIntegers decodes DELTA_BINARY_PACKED.
func (c *cursor) decodeIntegers(v *values, body []byte) (err error) {
	if c.leaf.kind != format.Int32 && c.leaf.kind != format.Int64 {
		return c.mismatch(format.DeltaBinaryPacked)
	}
	if c.w.numbers, err = reserve(c.w, c.w.numbers, v.n); err != nil {
		return err
	}
	numbers, _, err := decodeDelta(c.w.numbers, v.n, body)
	if err != nil {
		return err
	}
	if c.out, err = reserve(c.w, c.out, v.n*v.width); err != nil {
		return err
	}
	v.data = c.out
	for i, number := range numbers {
		if v.width == 4 {
			binary.LittleEndian.PutUint32(v.data[i*4:], uint32(number))
		} else {
			binary.LittleEndian.PutUint64(v.data[i*8:], uint64(number))
		}
	}
	return nil
}

// decodeDeltaBytes decodes the two delta encodings of byte arrays. The second
// stands in columns of fixed length too.
func (c *cursor) decodeDeltaBytes(v *values, encoding format.Encoding, body []byte) (err error) {
	fixed := c.leaf.kind == format.FixedLenByteArray && encoding == format.DeltaByteArray
	if c.leaf.kind != format.ByteArray && !fixed {
		return c.mismatch(encoding)
	}
	if c.w.numbers, err = reserve(c.w, c.w.numbers, 2*v.n); err != nil {
		return err
	}
	if c.spans, err = reserve(c.w, c.spans, v.n); err != nil {
		return err
	}
	if encoding == format.DeltaLengthByteArray {
		v.spans = c.spans
		v.data, err = deltaSpans(v.spans, c.w.numbers, v.n, body)
		return err
	}
	grow := func(buf []byte, n int) ([]byte, error) { return reserve(c.w, buf, n) }
	if c.out, err = deltaStrings(c.out, c.spans, c.w.numbers, v.n, body, grow); err != nil {
		return err
	}
	if v.data, v.spans = c.out, c.spans; !fixed {
		return nil
	}
	for _, span := range v.spans {
		if int(span.End-span.Start) != v.width {
			return fmt.Errorf("a value of %d bytes in a column of %d", span.End-span.Start, v.width)
		}
	}
	v.spans = nil // the values follow one another
	return nil
}

// decodeSplit decodes BYTE_STREAM_SPLIT: all first bytes, all second bytes, ...
// (https://github.com/apache/parquet-format/blob/master/Encodings.md#BYTESTREAMSPLIT)
func (c *cursor) decodeSplit(v *values, body []byte) (err error) {
	switch c.leaf.kind {
	case format.Boolean, format.Int96, format.ByteArray:
		return c.mismatch(format.ByteStreamSplit)
	}
	if int64(len(body)) != int64(v.n)*int64(v.width) {
		return fmt.Errorf("%d bytes for %d values of %d", len(body), v.n, v.width)
	}
	if c.out, err = reserve(c.w, c.out, len(body)); err != nil {
		return err
	}
	v.data = c.out
	for s := range v.width {
		stream := body[s*v.n : (s+1)*v.n]
		for i, b := range stream {
			v.data[i*v.width+s] = b
		}
	}
	return nil
}

// decodeBits decodes BOOLEAN values in the hybrid encoding behind its length.
func (c *cursor) decodeBits(v *values, body []byte) (err error) {
	if c.leaf.kind != format.Boolean {
		return c.mismatch(format.RLE)
	}
	if len(body) < 4 || int64(binary.LittleEndian.Uint32(body)) > int64(len(body)-4) {
		return errShort
	}
	if c.out, err = reserve(c.w, c.out, v.n); err != nil {
		return err
	}
	v.data = c.out
	return decodeHybrid(v.data, body[4:4+binary.LittleEndian.Uint32(body)], bits.Len8(1))
}
