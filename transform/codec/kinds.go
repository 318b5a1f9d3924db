package codec

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/batchmill/batchmill/formats/compress"
)

// headLen is how many first bytes of an object are looked at: a block of tar.
const headLen = 512

// A kind is data that is no text of a format, as its first bytes show.
type kind struct {
	name string // in a message, behind "it is"
	cure string // what to do with such an object
	// codec is the compression that batchmill reads itself; None for other kinds.
	codec compress.Codec
	magic []string // any of them at the very beginning
	// printable: a text may begin so too. The data counts as the kind only where a byte
	// of the head is none of text.
	printable bool
	test      func(head []byte) bool // nil where magic tells
}

const (
	unpackIt  = "unpack it before the run"
	exportIt  = "export its records as CSV, JSON Lines or Parquet"
	otherName = "give it a name that ends in .parquet, or say --input-format parquet; a job reads one format"
)

// kinds are what objects are taken for by their first bytes. The first row that fits
// counts. Compressions that batchmill reads are known to package compress, UTF-16 and UTF-32 to package charset.
var kinds = []kind{
	{name: "a Parquet file", cure: otherName, magic: []string{"PAR1", "PARE"}, printable: true},
	{name: "a tar archive", cure: unpackIt, test: isTar},
	{name: "a zip archive, which Excel workbooks are too", cure: unpackIt, magic: []string{"PK\x03\x04", "PK\x05\x06", "PK\x07\x08"}},
	{name: "xz data", cure: unpackIt + " with xz -d", magic: []string{"\xfd7zXZ\x00"}},
	{name: "a 7z archive", cure: unpackIt, magic: []string{"7z\xbc\xaf\x27\x1c"}},
	{name: "a rar archive", cure: unpackIt, magic: []string{"Rar!\x1a\x07"}},
	{name: "lzma data", cure: unpackIt, magic: []string{"\x5d\x00\x00"}},
	{name: "lzip data", cure: unpackIt, magic: []string{"LZIP\x00", "LZIP\x01"}},
	{name: "lzop data", cure: unpackIt, magic: []string{"\x89LZO\x00\r\n\x1a\n"}},
	{name: "compress data (.Z)", cure: unpackIt, magic: []string{"\x1f\x9d", "\x1f\xa0"}},
	{name: "lz4 data of the legacy kind", cure: unpackIt, magic: []string{"\x02\x21\x4c\x18"}},
	{name: "an ORC file", cure: exportIt, magic: []string{"ORC"}, printable: true},
	{name: "an Avro file", cure: exportIt, magic: []string{"Obj\x01"}},
	{name: "Arrow data", cure: exportIt, magic: []string{"ARROW1\x00", "\xff\xff\xff\xff"}, printable: true},
	{name: "a Feather file", cure: exportIt, magic: []string{"FEA1"}, printable: true},
	{name: "a Hadoop sequence file", cure: exportIt, magic: []string{"SEQ\x04", "SEQ\x05", "SEQ\x06"}},
	{name: "an SQLite database", cure: exportIt, magic: []string{"SQLite format 3\x00"}},
	{name: "an HDF5 file", cure: exportIt, magic: []string{"\x89HDF\r\n\x1a\n"}},
	{name: "a NumPy array", cure: exportIt, magic: []string{"\x93NUMPY"}},
	{name: "a Python pickle", cure: exportIt, magic: []string{"\x80\x02", "\x80\x03", "\x80\x04", "\x80\x05"}},
	{name: "an Office document of the old kind", cure: exportIt, magic: []string{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"}},
	{name: "a PDF document", cure: exportIt, magic: []string{"%PDF-"}, printable: true},
	{name: "a picture", cure: "leave it out of the input", magic: []string{"\x89PNG\r\n\x1a\n", "\xff\xd8\xff"}},
	{name: "a program", cure: "leave it out of the input", magic: []string{"\x7fELF"}},
}

// kindOf tells what data is by its first bytes; nil where they may be text.
func kindOf(head []byte) *kind {
	if c := compress.OfContent(head); c != compress.None {
		return &kind{name: c.String() + " data", codec: c,
			cure: "give it a name that ends in " + c.Ext() + ", or read it with --input-compression " + c.String()}
	}
	for i := range kinds {
		if kinds[i].fits(head) {
			return &kinds[i]
		}
	}
	return nil
}

func (k *kind) fits(head []byte) bool {
	if k.test != nil {
		return k.test(head)
	}
	for _, magic := range k.magic {
		if bytes.HasPrefix(head, []byte(magic)) {
			return !k.printable || bytes.ContainsFunc(head, notOfText)
		}
	}
	return false
}

// notOfText tells whether r is none of a text: a control character that stands in none.
func notOfText(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1b", r) }

// isTar tells whether a head is the first block of an archive: its sum stands in it.
func isTar(head []byte) bool {
	const from, to = 148, 156 // where the sum is, in octal digits; for the sum itself, spaces stand there
	if len(head) < headLen || head[0] == 0 {
		return false
	}
	want, err := strconv.ParseUint(string(bytes.Trim(head[from:to], " \x00")), 8, 32)
	if err != nil {
		return false
	}
	sum := uint64(to-from) * ' '
	for i, c := range head[:headLen] {
		if i < from || i >= to {
			sum += uint64(c)
		}
	}
	return sum == want
}
