package splice

import "github.com/batchmill/batchmill/formats/parquet/thrift"

// firstHead is how many bytes are read for a page's header at first. Headers
// take some 20 to 100 bytes, and more only where a header holds statistics of
// long values.
const firstHead = 1 << 10

// maxHead bounds a page's header, in bytes.
const maxHead = 16 << 20

// checkPages follows the headers of a chunk's pages: they must fill the chunk
// and hold the values that its metadata tells of. No value is looked at, so a
// damaged value is copied; but a chunk that no reader could walk is not.
func (f *File) checkPages(k *chunk) error {
	if k.padding > 0 {
		return nil // the size is known to be wrong
	}
	var head []byte
	values, left := int64(0), k.data
	for left.n > 0 {
		size, n, err := f.pageHead(&head, left)
		if err != nil {
			return err
		}
		if size > left.n {
			return bad("a page of %d bytes at offset %d is longer than what is left of its chunk, %d", size, left.at, left.n)
		}
		values += n
		left.at, left.n = left.at+size, left.n-size
	}
	if want := k.meta.int(metaValues); values != want {
		return bad("its pages at offset %d hold %d values, and its metadata tells of %d", k.data.at, values, want)
	}
	return nil
}

// pageHead reads the header at the beginning of left: the size of the page with
// its header, and how many values of the column it holds.
func (f *File) pageHead(room *[]byte, left extent) (size, values int64, err error) {
	for most := int64(firstHead); ; most *= 8 {
		n := min(most, left.n)
		if int64(cap(*room)) < n {
			*room = make([]byte, n)
		}
		head := (*room)[:n]
		if err := f.readAt(head, left.at); err != nil {
			return 0, 0, err
		}
		c := read(head)
		m := c.message(&pageHeadShape)
		if c.Err() != nil && n < left.n && most < maxHead {
			continue // the header may only have been cut off
		}
		if err := c.err(pageHeadShape.name); err != nil {
			return 0, 0, err
		}
		body := m.int(pageHeadCompressed)
		if body < 0 {
			return 0, 0, bad("a page of %d bytes at offset %d", body, left.at)
		}
		values, err = pageValues(&m)
		return int64(c.Offset()) + body, values, err
	}
}

// pageValues is how many values a data page holds; other pages have none.
func pageValues(m *message) (int64, error) {
	for _, id := range [...]int{pageHeadData, pageHeadDataV2} {
		if !m.has(id) {
			continue
		}
		c := read(m.fields[id].raw)
		data := c.message(&dataHeadShape)
		if err := c.err(dataHeadShape.name); err != nil {
			return 0, err
		}
		if n := data.int(dataHeadValues); n < 0 {
			return 0, bad("a page of %d values", n)
		}
		return data.int(dataHeadValues), nil
	}
	return 0, nil
}

const (
	pageHeadCompressed = 3
	pageHeadData       = 5
	pageHeadDataV2     = 8
)

var pageHeadShape = shape{
	name: "a page header",
	kinds: [maxField + 1]thrift.Kind{
		1: thrift.I32, 2: thrift.I32, pageHeadCompressed: thrift.I32, 4: thrift.I32,
		pageHeadData: thrift.Struct, 6: thrift.Struct, 7: thrift.Struct, pageHeadDataV2: thrift.Struct,
	},
	required: []int{1, 2, pageHeadCompressed},
}

const dataHeadValues = 1

// dataHeadShape is what the headers of both kinds of data pages begin with.
var dataHeadShape = shape{
	name:     "the header of a data page",
	kinds:    [maxField + 1]thrift.Kind{dataHeadValues: thrift.I32},
	required: []int{dataHeadValues},
}
