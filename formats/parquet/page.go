package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"unsafe"

	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
)

// A page is a decoded data page. A slot is what has levels: a value, a null,
// or a list without elements.
type page struct {
	slots  int
	rep    []uint8 // nil where the column does not repeat
	def    []uint8 // nil where every slot holds a value
	values values
	pos    int // slots behind
	vpos   int // values behind
}

// values are the values of a page or a dictionary, nulls left out.
type values struct {
	n     int
	width int            // bytes of each value; 0 where spans tell the values
	data  []byte         // as PLAIN has them, little-endian; a BOOLEAN is a byte
	spans []formats.Span // of data
}

// A workshop is what the columns of one reader share.
type workshop struct {
	src      io.ReaderAt
	o        Options
	reserved int // bytes of all buffers that were taken with reserve
	window   int // bytes read at a time to find page headers
	codecs   codecs
	packed   []byte   // a compressed page
	indexes  []uint32 // into a dictionary
	numbers  []int64  // of delta encodings
	header   format.PageHeader
}

// reserve is buf with a length of n, or new memory of that length if the
// reader's budget has room. The content of buf is lost.
func reserve[T any](w *workshop, buf []T, n int) ([]T, error) {
	if n <= cap(buf) {
		return buf[:n], nil
	}
	size := int(unsafe.Sizeof(*new(T)))
	if n > w.o.MaxPage/size {
		return nil, w.o.tooSmall(fmt.Sprintf("a page takes more than %d bytes", w.o.MaxPage), int64(n)*int64(size), 0)
	}
	room := min(n+n/8, w.o.MaxPage/size) // pages differ a little; do not grow for each
	reserved := w.reserved + (room-cap(buf))*size
	if reserved > w.o.Memory {
		return nil, w.o.tooSmall(fmt.Sprintf("the pages of the columns in use take more than %d bytes at a time", w.o.Memory), 0, int64(reserved))
	}
	w.reserved = reserved
	return make([]T, n, room), nil
}

// decodePage decodes a data page of version 1 or 2 into c.page.
func (c *cursor) decodePage(h *format.PageHeader, body []byte) (err error) {
	n, encoding := 0, format.Plain
	c.page = page{}
	if h.Type == format.DataPage {
		n, encoding = int(h.DataPageHeader.V.NumValues), h.DataPageHeader.V.Encoding
		if err = c.checkCount(n); err == nil {
			body, err = c.levelsV1(h, n, body)
		}
	} else {
		n, encoding = int(h.DataPageHeaderV2.V.NumValues), h.DataPageHeaderV2.V.Encoding
		if err = c.checkCount(n); err == nil {
			body, err = c.levelsV2(h, n, body)
		}
	}
	if err != nil {
		return err
	}
	c.page.slots = n
	if c.leaf.maxDef > 0 {
		if n, err = c.present(n); err != nil {
			return err
		}
	}
	return c.decodeValues(&c.page.values, encoding, n, body)
}

// checkCount tells whether a page may hold n slots.
func (c *cursor) checkCount(n int) error {
	if n < 0 || int64(n) > c.left {
		return fmt.Errorf("a page of %d values where the chunk has %d left", n, c.left)
	}
	if n > c.w.o.MaxPage/max(1, c.leaf.width) {
		return c.w.o.tooSmall(fmt.Sprintf("a page of %d values takes more than %d bytes", n, c.w.o.MaxPage), int64(n)*int64(max(1, c.leaf.width)), 0)
	}
	return nil
}

// levelsV1 decompresses a page and decodes the levels at its beginning. The
// result is the values' bytes.
func (c *cursor) levelsV1(h *format.PageHeader, n int, body []byte) ([]byte, error) {
	body, err := c.decompress(body, int(h.UncompressedPageSize))
	if err != nil {
		return nil, err
	}
	v1 := &h.DataPageHeader.V
	if c.leaf.maxRep > 0 {
		if c.page.rep, body, err = c.levelV1(&c.rep, n, v1.RepetitionLevelEncoding, c.leaf.maxRep, body); err != nil {
			return nil, fmt.Errorf("repetition levels: %w", err)
		}
	}
	if c.leaf.maxDef > 0 {
		if c.page.def, body, err = c.levelV1(&c.def, n, v1.DefinitionLevelEncoding, c.leaf.maxDef, body); err != nil {
			return nil, fmt.Errorf("definition levels: %w", err)
		}
	}
	return body, nil
}

func (c *cursor) levelV1(buf *[]byte, n int, encoding format.Encoding, most uint8, body []byte) (levels, rest []byte, err error) {
	if levels, err = reserve(c.w, *buf, n); err != nil {
		return nil, nil, err
	}
	*buf = levels
	switch encoding {
	case format.BitPacked:
		rest, err = unpackOld(levels, body, bits.Len8(most))
	case format.RLE:
		if len(body) < 4 {
			return nil, nil, errShort
		}
		size := int64(binary.LittleEndian.Uint32(body))
		if body = body[4:]; size > int64(len(body)) {
			return nil, nil, errShort
		}
		rest = body[size:]
		err = decodeHybrid(levels, body[:size], bits.Len8(most))
	default:
		err = fmt.Errorf("encoded as %s", encoding)
	}
	if err == nil {
		err = checkLevels(levels, most)
	}
	return levels, rest, err
}

// levelsV2 decodes the levels, which stand uncompressed before the values, and
// decompresses the values.
func (c *cursor) levelsV2(h *format.PageHeader, n int, body []byte) ([]byte, error) {
	v2 := &h.DataPageHeaderV2.V
	rep, def := int(v2.RepetitionLevelsByteLength), int(v2.DefinitionLevelsByteLength)
	if rep < 0 || def < 0 || rep > len(body) || def > len(body)-rep || rep+def > int(h.UncompressedPageSize) {
		return nil, fmt.Errorf("levels of %d and %d bytes in a page of %d", rep, def, len(body))
	}
	var err error
	if c.leaf.maxRep > 0 {
		if c.page.rep, err = c.levelV2(&c.rep, n, c.leaf.maxRep, body[:rep]); err != nil {
			return nil, fmt.Errorf("repetition levels: %w", err)
		}
	}
	if c.leaf.maxDef > 0 {
		if c.page.def, err = c.levelV2(&c.def, n, c.leaf.maxDef, body[rep:rep+def]); err != nil {
			return nil, fmt.Errorf("definition levels: %w", err)
		}
	}
	body = body[rep+def:]
	if v2.IsCompressed.Valid && !v2.IsCompressed.V || len(body) == 0 {
		return body, nil
	}
	return c.decompress(body, int(h.UncompressedPageSize)-rep-def)
}

func (c *cursor) levelV2(buf *[]byte, n int, most uint8, body []byte) (levels []byte, err error) {
	if levels, err = reserve(c.w, *buf, n); err != nil {
		return nil, err
	}
	*buf = levels
	if err = decodeHybrid(levels, body, bits.Len8(most)); err == nil {
		err = checkLevels(levels, most)
	}
	return levels, err
}

// checkLevels tells whether no level is above most, where bits would allow it.
func checkLevels(levels []byte, most uint8) error {
	if most&(most+1) == 0 {
		return nil
	}
	for _, level := range levels {
		if level > most {
			return fmt.Errorf("a level of %d, and the highest is %d", level, most)
		}
	}
	return nil
}

// present counts the slots that hold values, and drops the levels where all do.
func (c *cursor) present(n int) (int, error) {
	full := bytes.Count(c.page.def, []byte{c.leaf.maxDef})
	if full == n {
		c.page.def = nil
	}
	return full, nil
}

// decompress is body, or the bytes that were compressed to body, in memory of the cursor.
func (c *cursor) decompress(body []byte, size int) ([]byte, error) {
	if c.codec == format.Uncompressed {
		return body, nil
	}
	if err := checkSize(c.codec, body, size); err != nil {
		return nil, err
	}
	var err error
	if c.plain, err = reserve(c.w, c.plain, size); err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, nil
	}
	return c.plain, c.w.codecs.decode(c.codec, c.plain, body)
}

// checkSum holds a page against its checksum, if the header has a checksum.
func checkSum(h *format.PageHeader, body []byte) error {
	if h.CRC != 0 && crc32.ChecksumIEEE(body) != uint32(h.CRC) {
		return fmt.Errorf("the checksum is %08x, and the header tells of %08x", crc32.ChecksumIEEE(body), uint32(h.CRC))
	}
	return nil
}
