package parquet

import (
	"encoding/binary"
	"fmt"

	"github.com/batchmill/batchmill/formats"
)

// decodeDelta decodes the DELTA_BINARY_PACKED numbers that src begins with,
// which must be n, into dst's memory, and returns what stands behind. Sums wrap
// at 64 bits; for a column of 32 bits their lower half is right.
// (https://github.com/apache/parquet-format/blob/master/Encodings.md#DELTAENC)
func decodeDelta(dst []int64, n int, src []byte) (values []int64, rest []byte, err error) {
	block, src, err := uvarint(src)
	if err != nil {
		return nil, nil, err
	}
	minis, src, err := uvarint(src)
	if err != nil {
		return nil, nil, err
	}
	total, src, err := uvarint(src)
	if err != nil {
		return nil, nil, err
	}
	value, src, err := varint(src)
	switch {
	case err != nil:
		return nil, nil, err
	case total != uint64(n):
		return nil, nil, fmt.Errorf("%d numbers where %d are due", total, n)
	case block == 0 || block > 1<<20 || minis == 0 || minis > 1<<16 || block%minis != 0 || block/minis%8 != 0:
		return nil, nil, fmt.Errorf("blocks of %d numbers in %d parts", block, minis)
	}
	dst = dst[:0]
	if n > 0 {
		dst = append(dst, value)
	}
	for len(dst) < n {
		if dst, src, err = deltaBlock(dst, n, src, int(minis), int(block/minis)); err != nil {
			return nil, nil, err
		}
	}
	return dst, src, nil
}

// deltaBlock appends the numbers of one block, up to n in dst. Parts behind
// the last number are not there, whatever their widths say.
func deltaBlock(dst []int64, n int, src []byte, minis, per int) ([]int64, []byte, error) {
	least, src, err := varint(src)
	if err != nil {
		return nil, nil, err
	}
	if len(src) < minis {
		return nil, nil, errShort
	}
	widths, src := src[:minis], src[minis:]
	last := dst[len(dst)-1]
	for _, width := range widths {
		count := min(per, n-len(dst))
		if count == 0 {
			break
		}
		w := int(width)
		if w > 64 || len(src) < (count*w+7)/8 {
			return nil, nil, errShort
		}
		for i := range count {
			last += least + int64(bitsAt(src, i*w, w))
			dst = append(dst, last)
		}
		src = src[min(len(src), per*w/8):]
	}
	return dst, src, nil
}

// bitsAt is the number of w bits, at most 64, at a bit of src. Bytes that src
// lacks are 0.
func bitsAt(src []byte, bit, w int) uint64 {
	at, shift := bit>>3, bit&7
	var lo uint64
	var next byte
	if at+9 <= len(src) {
		lo, next = binary.LittleEndian.Uint64(src[at:]), src[at+8]
	} else {
		var tail [9]byte
		copy(tail[:], src[min(at, len(src)):])
		lo, next = binary.LittleEndian.Uint64(tail[:]), tail[8]
	}
	v := lo >> shift
	if shift > 0 {
		v |= uint64(next) << (64 - shift)
	}
	return v & (1<<w - 1)
}

// deltaSpans takes the n lengths of a DELTA_LENGTH_BYTE_ARRAY, and makes spans
// of the bytes behind the lengths; these bytes are returned.
func deltaSpans(spans []formats.Span, scratch []int64, n int, src []byte) (data []byte, err error) {
	lengths, data, err := decodeDelta(scratch, n, src)
	if err != nil {
		return nil, err
	}
	at := int64(0)
	for i, length := range lengths {
		if length < 0 || length > int64(len(data))-at {
			return nil, fmt.Errorf("value %d has a length of %d with %d bytes left", i+1, length, int64(len(data))-at)
		}
		spans[i] = formats.Span{Start: uint32(at), End: uint32(at + length)}
		at += length
	}
	return data, nil
}

// deltaStrings decodes the n values of a DELTA_BYTE_ARRAY: how many bytes each
// value shares with the value before, and the rest of the value. The values
// are appended to dst, which grow makes room for; grow may refuse.
func deltaStrings(dst []byte, spans []formats.Span, scratch []int64, n int, src []byte, grow func([]byte, int) ([]byte, error)) ([]byte, error) {
	prefixes, src, err := decodeDelta(scratch, n, src)
	if err != nil {
		return nil, err
	}
	total := 0
	suffixes, err := deltaSpans(spans, scratch[n:], n, src)
	if err != nil {
		return nil, err
	}
	before := int64(0)
	for i, p := range prefixes {
		if p < 0 || p > before {
			return nil, fmt.Errorf("value %d shares %d bytes with one of %d", i+1, p, before)
		}
		before = p + int64(spans[i].End-spans[i].Start)
		if total += int(before); total > 1<<30 {
			return nil, fmt.Errorf("values of more than %d bytes together", 1<<30)
		}
	}
	if dst, err = grow(dst, total); err != nil {
		return nil, err
	}
	at, prev := 0, 0
	for i, p := range prefixes {
		start := at
		at += copy(dst[at:], dst[prev:prev+int(p)])
		at += copy(dst[at:], suffixes[spans[i].Start:spans[i].End])
		spans[i] = formats.Span{Start: uint32(start), End: uint32(at)}
		prev = start
	}
	return dst[:at], nil
}

func uvarint(src []byte) (uint64, []byte, error) {
	u, n := binary.Uvarint(src)
	if n <= 0 {
		return 0, nil, errShort
	}
	return u, src[n:], nil
}

func varint(src []byte) (int64, []byte, error) {
	v, n := binary.Varint(src)
	if n <= 0 {
		return 0, nil, errShort
	}
	return v, src[n:], nil
}
