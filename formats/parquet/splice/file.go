package splice

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"strconv"

	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

const (
	magic          = "PAR1"
	magicEncrypted = "PARE"

	// A file ends with the footer, its length in four bytes, and the magic.
	tailSize = 8

	// maxFooter bounds the bytes that Open reads; maxElements and maxGroups bound
	// the schema elements and row groups, for which Open keeps 64 bytes a column
	// and 32 bytes a row group.
	maxFooter   = 64 << 20
	maxElements = 1 << 18
	maxGroups   = 1 << 20
)

// A File is the footer of a Parquet file, read and checked, and the file
// itself. Many goroutines may use a File at once if its ReaderAt allows.
type File struct {
	src     io.ReaderAt
	end     int64 // where the footer begins, and all else has ended
	meta    message
	root    message
	columns []column // top level
	leaves  int
	groups  []group
	orders  [][]byte // a ColumnOrder for each leaf; nil where the file has none

	boundless map[int]bool // leaves whose bounds are not copied
	// padded tells that chunks are longer than the footer says, see padding.
	padded bool
}

// A column is a column of the top level, with all that is nested in the column.
type column struct {
	name     string
	schema   []byte // its schema elements, depth first
	elements int
	first    int // its first leaf
	leaves   int
}

// A group is a row group as it stands in the footer.
type group struct {
	raw  []byte
	rows int64
}

// Open reads the footer of the size bytes of r and checks that all the footer
// says can be true: counts, and that each place lies inside of the file. Open
// keeps the footer (at most 64 MiB) and reads no data. r must stay readable
// while the File is in use.
//
// The error is a *FormatError for what is not good Parquet, an
// *EncryptedError, or what r returned.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{src: r, end: size}
	footer, err := f.footer(size)
	if err != nil {
		return nil, err
	}
	if err := f.readFooter(footer, size); err != nil {
		return nil, fmt.Errorf("the footer at byte %d: %w", f.end, err)
	}
	return f, nil
}

// readFooter checks what the footer of a file of size bytes says.
func (f *File) readFooter(footer []byte, size int64) error {
	c := read(footer)
	f.meta = c.message(&fileShape)
	if err := c.err(fileShape.name); err != nil {
		return err
	}
	if f.meta.has(fileCrypto) || f.meta.has(fileSigning) {
		return &EncryptedError{Part: "a part of the file"}
	}
	f.padded = shortChunks(f.CreatedBy())
	if err := f.readSchema(); err != nil {
		return err
	}
	f.readOrders()
	return f.readGroups(size)
}

// footer reads the footer's bytes and moves f.end to where they begin.
func (f *File) footer(size int64) ([]byte, error) {
	if size < int64(len(magic))+tailSize {
		return nil, bad("%d bytes are too few for a Parquet file", size)
	}
	var head [len(magic)]byte
	var tail [tailSize]byte
	if err := errors.Join(f.readAt(head[:], 0), f.readAt(tail[:], size-tailSize)); err != nil {
		return nil, err
	}
	if string(head[:]) == magicEncrypted || string(tail[4:]) == magicEncrypted {
		return nil, &EncryptedError{Part: "the footer"}
	}
	if string(head[:]) != magic || string(tail[4:]) != magic {
		return nil, bad("the file does not begin and end with %s; it is not Parquet, or not whole", magic)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if n > size-tailSize-int64(len(magic)) {
		return nil, bad("a footer of %d bytes is longer than the file (%d bytes)", n, size)
	}
	if n > maxFooter {
		return nil, bad("a footer of %d bytes is above the limit of %d", n, maxFooter)
	}
	footer := make([]byte, n)
	f.end = size - tailSize - n
	return footer, f.readAt(footer, f.end)
}

// readAt fills b or fails: what the size promised must be there.
func (f *File) readAt(b []byte, at int64) error {
	n, err := f.src.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at offset %d, got %d: %w", len(b), at, n, err)
}

// NumRows is the number of rows of all row groups.
func (f *File) NumRows() int64 { return f.meta.int(fileRows) }

// NumGroups is the number of row groups.
func (f *File) NumGroups() int { return len(f.groups) }

// GroupRows is the number of rows of row group i.
func (f *File) GroupRows(i int) int64 { return f.groups[i].rows }

// Names are the columns of the top level, in order.
func (f *File) Names() []string {
	names := make([]string, len(f.columns))
	for i := range f.columns {
		names[i] = f.columns[i].name
	}
	return names
}

// CreatedBy is what wrote the file, in its own words.
func (f *File) CreatedBy() string { return string(f.meta.text(fileCreatedBy)) }

// KeyValues are the file's keys and values, in order. A key may stand there
// more than once.
func (f *File) KeyValues() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		c := f.meta.list(fileKeyValues)
		for range c.ListOf(thrift.Struct) {
			kv := c.message(&keyValueShape)
			if c.Err() != nil || !yield(string(kv.text(keyValueKey)), string(kv.text(keyValueValue))) {
				return
			}
		}
	}
}

var parquetMR = regexp.MustCompile(`^parquet-mr version (\d+)\.(\d+)\.(\d+)`)

// shortChunks tells whether chunks may be longer than their metadata says:
// parquet-mr left the head of the dictionary page out of the size before
// version 1.2.9 (PARQUET-816).
func shortChunks(createdBy string) bool {
	v := parquetMR.FindStringSubmatch(createdBy)
	if v == nil {
		return false
	}
	for i, fixed := range []int{1, 2, 9} {
		if n, err := strconv.Atoi(v[i+1]); err != nil || n != fixed {
			return err == nil && n < fixed
		}
	}
	return false
}
