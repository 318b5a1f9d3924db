package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errShort = errors.New("its data ends early")

// decodeHybrid fills dst with values of width bits, at most 32, from the RLE
// and bit-packing hybrid that src begins with. decodeHybrid takes no more
// values than dst has room for, however long a run says it is.
// (https://github.com/apache/parquet-format/blob/master/Encodings.md#RLE)
func decodeHybrid[T uint8 | uint32](dst []T, src []byte, width int) error {
	for len(dst) > 0 {
		head, n := binary.Uvarint(src)
		if n <= 0 {
			return errShort
		}
		src = src[n:]
		if head&1 == 0 { // a run of one value
			value, rest, err := runValue(src, width)
			if err != nil {
				return err
			}
			src = rest
			run := dst[:min(head>>1, uint64(len(dst)))]
			for i := range run {
				run[i] = T(value)
			}
			dst = dst[len(run):]
			continue
		}
		// Groups of eight values. The last group may be cut where its values are not needed.
		groups := min(head>>1, uint64(len(dst)))
		values := dst[:min(groups*8, uint64(len(dst)))]
		if len(src) < (len(values)*width+7)/8 {
			return errShort
		}
		unpack(values, src, width)
		dst, src = dst[len(values):], src[min(len(src), int(groups)*width):]
	}
	return nil
}

// runValue is the value of a run, in as few whole bytes as hold width bits.
func runValue(src []byte, width int) (value uint32, rest []byte, err error) {
	n := (width + 7) / 8
	if len(src) < n {
		return 0, nil, errShort
	}
	for i := range n {
		value |= uint32(src[i]) << (8 * i)
	}
	if width < 32 && value>>width != 0 {
		return 0, nil, fmt.Errorf("a run of %d does not fit in %d bits", value, width)
	}
	return value, src[n:], nil
}

// unpack fills dst with values of width bits, the lowest bits of a byte first.
// src must hold all values.
func unpack[T uint8 | uint32](dst []T, src []byte, width int) {
	mask, bit, i := uint64(1)<<width-1, 0, 0
	for ; i < len(dst) && bit>>3+8 <= len(src); i++ {
		dst[i] = T(binary.LittleEndian.Uint64(src[bit>>3:]) >> (bit & 7) & mask)
		bit += width
	}
	for ; i < len(dst); i++ {
		var last [8]byte
		copy(last[:], src[min(bit>>3, len(src)):])
		dst[i] = T(binary.LittleEndian.Uint64(last[:]) >> (bit & 7) & mask)
		bit += width
	}
}

// unpackOld fills dst from the deprecated BIT_PACKED encoding of levels, the
// highest bits of a byte first, and returns what stands behind.
// (https://github.com/apache/parquet-format/blob/master/Encodings.md#BITPACKED)
func unpackOld(dst, src []byte, width int) (rest []byte, err error) {
	n := (len(dst)*width + 7) / 8
	if len(src) < n {
		return nil, errShort
	}
	for i := range dst {
		value := byte(0)
		for bit := i * width; bit < (i+1)*width; bit++ {
			value = value<<1 | src[bit>>3]>>(7-bit&7)&1
		}
		dst[i] = value
	}
	return src[n:], nil
}
