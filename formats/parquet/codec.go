package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// A codecs holds decoders for one goroutine. The zero codecs is ready to use.
type codecs struct {
	zstd   *zstd.Decoder
	gzip   *gzip.Reader
	brotli *brotli.Reader
	src    bytes.Reader
}

// expansion is how many bytes one compressed byte can become at most. A page
// that claims more is refused before its memory is taken. Codecs that are not
// here know no such bound.
var expansion = map[format.CompressionCodec]int64{
	format.Snappy: 64, format.Lz4Raw: 256, format.Gzip: 1040,
}

// checkSize tells whether src can be what size bytes were compressed to.
func checkSize(codec format.CompressionCodec, src []byte, size int) error {
	if most, ok := expansion[codec]; ok && int64(size) > most*(int64(len(src))+16) {
		return fmt.Errorf("%d compressed bytes cannot hold the %d that the header tells of", len(src), size)
	}
	return nil
}

// decode decompresses src into dst, which the content of src has to fill
// exactly. No codec writes past dst or reads past src.
func (c *codecs) decode(codec format.CompressionCodec, dst, src []byte) (err error) {
	n := 0
	switch codec {
	case format.Snappy:
		n, err = decodeSnappy(dst, src)
	case format.Lz4Raw:
		n, err = lz4.UncompressBlock(src, dst)
	case format.Zstd:
		n, err = c.decodeZstd(dst, src)
	case format.Gzip:
		n, err = c.decodeGzip(dst, src)
	case format.Brotli:
		n, err = c.decodeBrotli(dst, src)
	default:
		return fmt.Errorf("compressed with %s, which batchmill does not read", codec)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", codec, err)
	}
	if n != len(dst) {
		return fmt.Errorf("%s: %d bytes, and the header tells of %d", codec, n, len(dst))
	}
	return nil
}

func decodeSnappy(dst, src []byte) (int, error) {
	n, err := snappy.DecodedLen(src)
	if err != nil || n != len(dst) {
		return n, err
	}
	_, err = snappy.Decode(dst, src)
	return n, err
}

func (c *codecs) decodeZstd(dst, src []byte) (int, error) {
	if c.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return 0, err
		}
		c.zstd = d
	}
	out, err := c.zstd.DecodeAll(src, dst[:0:len(dst)])
	return len(out), err
}

func (c *codecs) decodeGzip(dst, src []byte) (int, error) {
	c.src.Reset(src)
	if c.gzip == nil {
		c.gzip = new(gzip.Reader)
	}
	if err := c.gzip.Reset(&c.src); err != nil {
		return 0, err
	}
	return fill(dst, c.gzip)
}

func (c *codecs) decodeBrotli(dst, src []byte) (int, error) {
	c.src.Reset(src)
	if c.brotli == nil {
		c.brotli = new(brotli.Reader)
	}
	if err := c.brotli.Reset(&c.src); err != nil {
		return 0, err
	}
	return fill(dst, c.brotli)
}

// fill reads dst full and looks that r ends there, so that the checksum of r
// is looked at too.
func fill(dst []byte, r io.Reader) (int, error) {
	n, err := io.ReadFull(r, dst)
	if err == io.EOF && len(dst) == 0 {
		return 0, nil
	}
	if err != nil {
		return n, err
	}
	var more [1]byte
	switch extra, err := io.ReadFull(r, more[:]); {
	case extra > 0:
		return n, errors.New("more bytes than the header tells of")
	case err != io.EOF:
		return n, err
	}
	return n, nil
}
