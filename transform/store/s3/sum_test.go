package s3

import (
	"math/rand/v2"
	"testing"
)

// TestSumKnown holds the sum against the check value of CRC-64/NVME.
func TestSumKnown(t *testing.T) {
	if got := sumOf([]byte("123456789")).crc; got != 0xae8b14860a799888 {
		t.Errorf("the sum of 123456789 is %x, want ae8b14860a799888", got)
	}
	if got := (sum{}).String(); got != "AAAAAAAAAAA=" {
		t.Errorf("the sum of nothing is %s", got)
	}
}

// TestSumThen: the sums of the pieces, however they were cut, make the sum of the whole.
func TestSumThen(t *testing.T) {
	for range 200 {
		data := make([]byte, rand.IntN(5000))
		for i := range data {
			data[i] = byte(rand.Uint32())
		}
		var got sum
		for rest := data; len(rest) > 0; {
			n := rand.IntN(len(rest) + 1)
			got = got.then(sumOf(rest[:n]))
			rest = rest[n:]
			if len(rest) < 10 {
				got, rest = got.then(sumOf(rest)), nil
			}
		}
		if want := sumOf(data); got != want {
			t.Fatalf("%d bytes: pieces make %x, the whole %x", len(data), got, want)
		}
	}
}
