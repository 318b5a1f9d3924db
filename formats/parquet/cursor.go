package parquet

import (
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

// A cursor reads the pages of one column, row group after row group.
type cursor struct {
	w      *workshop
	leaf   *leaf
	codec  format.CompressionCodec
	pos    int64 // where the next page begins
	end    int64 // where the chunk ends
	left   int64 // values of the chunk behind the current page
	offset int64 // where the current page begins

	window []byte // bytes of the file from at on
	at     int64

	page  page
	dict  dict
	carry carry

	// Memory of the current page, kept for the next page.
	raw, plain, out []byte
	rep, def        []uint8
	spans           []formats.Span
}

// dict is the dictionary of the current chunk. The memory is kept for the next chunk.
type dict struct {
	values
	loaded      bool // the chunk has shown its dictionary
	plain, out  []byte
	spansMemory []formats.Span
}

// open sets the cursor at the beginning of a chunk that [Open] has checked.
func (c *cursor) open(m *format.ColumnMetaData) {
	c.codec, c.left = m.Codec, m.NumValues
	c.pos = chunkStart(m)
	c.end = c.pos + m.TotalCompressedSize
	c.offset, c.page, c.dict.loaded = c.pos, page{}, false
	c.carry.rows = 0
}

// load decodes the chunk's next data page that holds anything. Errors that are
// not read errors become a *FormatError.
func (c *cursor) load() error {
	for c.page = (page{}); c.page.slots == 0; {
		c.offset = c.pos
		if err := c.next(); err != nil {
			return c.wrap(err)
		}
	}
	return nil
}

func (c *cursor) wrap(err error) error {
	var read *formats.ReadError
	if errors.As(err, &read) {
		return err
	}
	return &FormatError{Offset: c.offset, Column: c.leaf.path, Message: err.Error()}
}

// next reads one page of any kind.
func (c *cursor) next() error {
	if c.left <= 0 || c.pos >= c.end {
		return fmt.Errorf("the chunk ends with %d values to come", c.left)
	}
	h, err := c.header()
	if err != nil {
		return err
	}
	size := int(h.CompressedPageSize)
	switch {
	case size < 0 || int64(size) > c.end-c.pos:
		return fmt.Errorf("a page of %d bytes with %d left in its chunk", size, c.end-c.pos)
	case h.UncompressedPageSize < 0:
		return fmt.Errorf("a page of %d bytes, decompressed", h.UncompressedPageSize)
	case max(size, int(h.UncompressedPageSize)) > c.w.o.MaxPage:
		return c.w.o.tooSmall(fmt.Sprintf("a page of %d bytes, %d decompressed, is larger than the %d bytes that a page may have",
			size, h.UncompressedPageSize, c.w.o.MaxPage), int64(max(size, int(h.UncompressedPageSize))), 0)
	}
	switch {
	case h.Type == format.DataPage && h.DataPageHeader.Valid, h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		return c.dataPage(h, size)
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		return c.dictionary(h, size)
	case h.Type == format.IndexPage:
		c.pos += int64(size)
		return nil
	}
	return fmt.Errorf("a page of type %d without the header that belongs to it", h.Type)
}

func (c *cursor) dataPage(h *format.PageHeader, size int) error {
	v2 := h.DataPageHeaderV2.V.IsCompressed
	buf := &c.w.packed
	if c.codec == format.Uncompressed || h.Type == format.DataPageV2 && v2.Valid && !v2.V {
		buf = &c.raw // values will stay where they are
	}
	body, err := c.body(buf, size)
	if err == nil {
		err = checkSum(h, body)
	}
	if err == nil {
		err = c.decodePage(h, body)
	}
	if err == nil {
		c.left -= int64(c.page.slots)
	}
	return err
}

// dictionary reads the chunk's dictionary into memory of its own.
func (c *cursor) dictionary(h *format.PageHeader, size int) error {
	d := &h.DictionaryPageHeader.V
	n := int(d.NumValues)
	switch {
	case c.dict.loaded:
		return errors.New("a second dictionary")
	case d.Encoding != format.Plain && d.Encoding != oldDictionary:
		return fmt.Errorf("a dictionary encoded as %s", d.Encoding)
	case n < 0:
		return fmt.Errorf("a dictionary of %d values", n)
	case n > c.w.o.MaxPage/max(1, c.leaf.width):
		return c.w.o.tooSmall(fmt.Sprintf("a dictionary of %d values takes more than %d bytes", n, c.w.o.MaxPage), int64(n)*int64(max(1, c.leaf.width)), 0)
	}
	packed, err := c.body(&c.w.packed, size)
	if err != nil {
		return err
	}
	if err := checkSum(h, packed); err != nil {
		return err
	}
	if c.codec == format.Uncompressed {
		if c.dict.plain, err = reserve(c.w, c.dict.plain, size); err == nil {
			copy(c.dict.plain, packed)
		}
	} else if err = checkSize(c.codec, packed, int(h.UncompressedPageSize)); err == nil {
		if c.dict.plain, err = reserve(c.w, c.dict.plain, int(h.UncompressedPageSize)); err == nil && len(c.dict.plain) > 0 {
			err = c.w.codecs.decode(c.codec, c.dict.plain, packed)
		}
	}
	if err != nil {
		return err
	}
	c.dict.loaded, c.dict.values = true, values{n: n, width: c.leaf.width}
	return c.decodePlain(&c.dict.values, c.dict.plain, &c.dict.out, &c.dict.spansMemory)
}

// header reads the next page's header. The header is good until the next call.
// Most headers have some fifty bytes; statistics can make a header as long as
// a few values.
func (c *cursor) header() (*format.PageHeader, error) {
	most := c.w.o.MaxPage
	for want := c.w.window; ; want *= 4 {
		data, err := c.peek(min(want, most))
		if err != nil {
			return nil, err
		}
		n, cost, err := measure(data)
		if err == thrift.ErrTruncated && int64(len(data)) < min(c.end-c.pos, int64(most)) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("its page header %w", err)
		}
		if cost > int64(n)+1<<20 { // a header has no lists
			return nil, fmt.Errorf("its page header takes about %d bytes of memory", cost)
		}
		c.w.header = format.PageHeader{}
		if err := unmarshal(data[:n], &c.w.header); err != nil {
			return nil, fmt.Errorf("its page header is broken: %w", err)
		}
		c.pos += int64(n)
		return &c.w.header, nil
	}
}

// peek shows the n bytes from pos on, or what the chunk has of them.
func (c *cursor) peek(n int) ([]byte, error) {
	n = int(min(int64(n), c.end-c.pos))
	have := c.shown()
	if len(have) > 0 && (len(have) >= n || n == c.w.window && len(have) >= 64) {
		return have, nil // mostly a header is short; ask again for what is longer
	}
	window, err := reserve(c.w, c.window, n)
	if err != nil {
		return nil, err
	}
	got := copy(window, have)
	c.window, c.at = window, c.pos
	if err := readAt(c.w.src, c.window[got:], c.pos+int64(got)); err != nil {
		c.window = c.window[:0]
		return nil, err
	}
	return c.window, nil
}

// shown is what the window has from pos on.
func (c *cursor) shown() []byte {
	if c.pos < c.at || c.pos >= c.at+int64(len(c.window)) {
		return nil
	}
	have := c.window[c.pos-c.at:]
	return have[:min(int64(len(have)), c.end-c.pos)]
}

// body takes the n bytes from pos on. The bytes stand in the window or in buf.
func (c *cursor) body(buf *[]byte, n int) (body []byte, err error) {
	have := c.shown()
	if len(have) >= n {
		c.pos += int64(n)
		return have[:n], nil
	}
	if *buf, err = reserve(c.w, *buf, n); err != nil {
		return nil, err
	}
	got := copy(*buf, have)
	if err := readAt(c.w.src, (*buf)[got:], c.pos+int64(got)); err != nil {
		return nil, err
	}
	c.pos += int64(n)
	return *buf, nil
}
