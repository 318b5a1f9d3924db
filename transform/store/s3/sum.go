package s3

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/minio/crc64nvme"
)

// nvme is the polynomial of CRC-64/NVME, reflected, as S3 computes it for
// x-amz-checksum-crc64nvme.
const nvme = 0x9a6c9329ac4bc9b5

// A sum is the CRC-64/NVME of so many bytes. Sums of parts make the sum of the
// whole, so that parts can be summed beside each other and no byte twice.
type sum struct {
	crc  uint64
	size int64
}

func sumOf(b []byte) sum { return sum{}.add(b) }

// add is the sum of the bytes of s and of b behind them.
func (s sum) add(b []byte) sum {
	return sum{crc64nvme.Update(s.crc, b), s.size + int64(len(b))}
}

// then is the sum of the bytes of s and of those of next behind them. A CRC is
// a remainder of polynomials: the first one is moved by next's length, which
// is to multiply it by x to the power of that many bits.
func (s sum) then(next sum) sum {
	shift, square := uint64(1)<<63, uint64(1)<<(63-8) // x^0 and x^8
	for n := next.size; n > 0; n >>= 1 {
		if n&1 == 1 {
			shift = multiply(shift, square)
		}
		square = multiply(square, square)
	}
	return sum{multiply(shift, s.crc) ^ next.crc, s.size + next.size}
}

// multiply multiplies two polynomials modulo the CRC's. The highest bit is x^0.
func multiply(a, b uint64) uint64 {
	var product uint64
	for ; a != 0; a <<= 1 {
		if a>>63 == 1 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry == 1 {
			b ^= nvme
		}
	}
	return product
}

// String is the sum as the service writes it: base64 of its bytes, highest first.
func (s sum) String() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], s.crc)
	return base64.StdEncoding.EncodeToString(b[:])
}
