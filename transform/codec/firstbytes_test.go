package codec

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform/job"
)

// oddHeads are beginnings of data that is no text of a format, by what a message must name.
func oddHeads(t testing.TB) map[string][][]byte {
	heads := map[string][][]byte{}
	for i := range kinds {
		for _, magic := range kinds[i].magic {
			heads[kinds[i].name] = append(heads[kinds[i].name], []byte(magic+"\x15\x04\x00"))
		}
	}
	for _, name := range compress.Names()[1:] {
		heads[name] = append(heads[name], packed(t, name, "1,2\n3,4\n"), packed(t, name, ""))
	}
	heads["bzip2"] = [][]byte{[]byte("BZh91AY&SY\x01\x02")}
	heads["zstd"] = append(heads["zstd"], []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"))
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	err := w.WriteHeader(&tar.Header{Name: "a.csv", Size: 4, Mode: 0o600})
	_, failed := w.Write([]byte("1,2\n"))
	if err := errors.Join(err, failed, w.Close()); err != nil {
		t.Fatal(err)
	}
	old := bytes.Clone(archive.Bytes()) // as tar wrote it before it had a mark
	clear(old[257:265])
	copy(old[148:156], fmt.Sprintf("%06o\x00 ", sumOf(old)))
	heads["a tar archive"] = [][]byte{archive.Bytes(), old}
	return heads
}

// sumOf is the sum of a tar header.
func sumOf(block []byte) (sum int) {
	for i, c := range block[:512] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int(c)
	}
	return sum
}

func packed(t testing.TB, name, text string) []byte {
	codec, _ := compress.ByName(name)
	var b bytes.Buffer
	w := compress.NewWriter(&b, codec)
	_, err := io.WriteString(w, text)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// codecOf is a codec that reads objects of a format.
func codecOf(t testing.TB, in, packing string) *Codec {
	s := &job.Spec{InputFormat: in, InputCodec: packing, Header: "no"}
	if err := s.Complete(); err != nil {
		t.Fatal(err)
	}
	c, err := New(s, in, NewSurvey())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// bytesOf is a Source of data that comes as slow makes it come.
type bytesOf struct {
	io.Reader
	io.ReaderAt
}

func sourceOf(data []byte, slow func(io.Reader) io.Reader) Source {
	return bytesOf{slow(bytes.NewReader(data)), bytes.NewReader(data)}
}

// read reads all records of an object.
func read(c *Codec, in Input, src Source) (records []string, err error) {
	r, err := c.Reader(in, src)
	for err == nil {
		b := new(formats.Batch)
		if err = r.Next(b, formats.Caps{Records: 3, Bytes: 1 << 20}); err == nil {
			for i := range b.Recs {
				records = append(records, string(b.Record(i)))
			}
		}
	}
	return records, err
}

var slowness = map[string]func(io.Reader) io.Reader{
	"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "error with data": iotest.DataErrReader,
}

// TestOddDataIsNoRecords: what first bytes show to be no text of a format is never a record,
// whatever the object's name, format and compression, and whatever comes behind.
func TestOddDataIsNoRecords(t *testing.T) {
	tried := 0
	rnd := rand.New(rand.NewPCG(1, 0))
	for name, heads := range oddHeads(t) {
		for i, head := range heads {
			for _, tail := range [][]byte{nil, []byte("\n1,2\n{}\n3,4\n"), noise(rnd, 3000)} {
				data := append(bytes.Clone(head), tail...)
				for _, format := range []string{FormatCSV, FormatJSONL, FormatLines} {
					for how, slow := range slowness {
						for _, flag := range []string{"auto", "none"} {
							tried++
							records, err := read(codecOf(t, format, flag), InputOf("x", "in/x."+format, "", int64(len(data))), sourceOf(data, slow))
							if len(records) > 0 || err == nil || err == io.EOF || !strings.Contains(err.Error(), "it is "+name) || !strings.Contains(err.Error(), "; ") {
								t.Errorf("%s %d as %s, %s, %s: %.80q, %v", name, i, format, how, flag, records, err)
							}
						}
					}
					inner := packed(t, "gzip", string(data))
					records, err := read(codecOf(t, format, "auto"), InputOf("x", "x.gz", "", int64(len(inner))), sourceOf(inner, slowness["whole"]))
					if len(records) > 0 || err == nil || err == io.EOF || !strings.Contains(err.Error(), "inside of the gzip data is "+name) {
						t.Errorf("%s in gzip as %s: %.80q, %v", name, format, records, err)
					}
				}
			}
			if name == "a Parquet file" {
				continue
			}
			records, err := read(codecOf(t, FormatParquet, "auto"), InputOf("x", "x.parquet", "", int64(len(head))), sourceOf(head, slowness["whole"]))
			if len(records) > 0 || err == nil || !strings.Contains(err.Error(), "it is "+name) || !strings.Contains(err.Error(), "no Parquet file") {
				t.Errorf("%s as Parquet: %.80q, %v", name, records, err)
			}
		}
	}
	t.Attr("first_bytes", strconv.Itoa(tried))
}

func noise(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

// TestPackingSaidAndShown: how an object is compressed is what the flag, the name or the store says,
// in this order, and its first bytes have to agree. An object is read rightly or not at all.
func TestPackingSaidAndShown(t *testing.T) {
	const text = "1,2\n3,4\n"
	gz, zst := packed(t, "gzip", text), packed(t, "zstd", text)
	for _, c := range []struct {
		flag, name, encoding string
		data                 []byte
		want                 string // in the error; empty where the text is read
	}{
		{"auto", "a.csv", "", []byte(text), ""},
		{"auto", "a.csv.gz", "", gz, ""},
		{"auto", "a.csv", "gzip", gz, ""},
		{"auto", "a.csv", "x-gzip", gz, ""},
		{"auto", "a.csv", "aws-chunked, GZIP", gz, ""},
		{"auto", "a.csv", "zstd", zst, ""},
		{"auto", "a.csv", "identity", []byte(text), ""},
		{"auto", "a.csv.gz", "gzip", gz, ""},
		{"auto", "a.csv.zst", "gzip", zst, ""},
		{"gzip", "a.csv", "", gz, ""},
		{"gzip", "a.csv.zst", "br", gz, ""},
		{"none", "a.csv.gz", "gzip", []byte(text), ""},
		{"auto", "a.csv", "", gz, "it is gzip data, which its name does not tell; give it a name that ends in .gz, or read it with --input-compression gzip"},
		{"none", "a.csv", "", gz, "it is gzip data, which --input-compression does not tell"},
		{"auto", "a.csv", "identity", gz, "it is gzip data, which its name does not tell"},
		{"auto", "a.csv.gz", "", []byte(text), "its name says gzip, but its first bytes are not gzip's; correct what is wrong, or read it with --input-compression none"},
		{"auto", "a.csv", "gzip", []byte(text), "its Content-Encoding says gzip, but its first bytes are not gzip's"},
		{"auto", "a.csv.gz", "", zst, "its name says gzip, but it is zstd data; correct what is wrong, or read it with --input-compression zstd"},
		{"zstd", "a.csv.gz", "", gz, "--input-compression says zstd, but it is gzip data; correct what is wrong, or read it with --input-compression gzip"},
		{"auto", "a.csv", "br", []byte(text), `its Content-Encoding is "br", which batchmill cannot read; unpack it before the run`},
		{"auto", "a.csv", "gzip, gzip", gz, "which batchmill cannot read"},
		{"auto", "a.csv.gz", "", packed(t, "gzip", string(gz)), "inside of the gzip data is gzip data again"},
	} {
		for how, slow := range slowness {
			records, err := read(codecOf(t, FormatCSV, c.flag), InputOf("a", c.name, c.encoding, int64(len(c.data))), sourceOf(c.data, slow))
			switch {
			case c.want == "" && (err != io.EOF || strings.Join(records, "") != text):
				t.Errorf("%+v, %s: %.80q, %v", c, how, records, err)
			case c.want != "" && (len(records) > 0 || err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%s %s %q, %s: %.80q, %v, want %s", c.flag, c.name, c.encoding, how, records, err, c.want)
			}
		}
	}
}

// TestTextPasses: what is text is taken for nothing else, and neither how bytes come in, nor an
// error behind them, is lost.
func TestTextPasses(t *testing.T) {
	failed := errors.New("failed")
	for _, text := range []string{"", "1", "PAR1,PAR2\n1,2\n", "ORC\n1\n", "%PDF-1.7\n", "BZh9", "BZh91AY", "LZIP", "PK,x\n", "0123456789", "a,b\n" + strings.Repeat("1,2\n", 5000), "\xef\xbb\xbfa\n1\n", "caf\xe9,1\n"} {
		for name, slow := range slowness {
			for _, end := range []error{nil, failed, io.ErrUnexpectedEOF} {
				src := slow(strings.NewReader(text))
				if end != nil {
					src = slow(io.MultiReader(strings.NewReader(text), iotest.ErrReader(end)))
				}
				got, err := io.ReadAll(&judged{src: src, judge: new(packing).judgeText})
				if string(got) != text || err != end {
					t.Errorf("%.20q, %s: %d bytes, %v, want %v", text, name, len(got), err, end)
				}
			}
		}
	}
}

// FuzzText: a text in UTF-8 without control characters is taken for nothing else, and no first
// bytes make the look at them fail.
func FuzzText(f *testing.F) {
	for _, heads := range oddHeads(f) {
		for _, head := range heads {
			f.Add(head)
		}
	}
	f.Add([]byte("id,x\n1,2\n"))
	f.Add([]byte("\x7fELFELF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:min(len(data), headLen)]
		k := kindOf(data)
		text := utf8.Valid(data) && !bytes.ContainsFunc(data, notOfText)
		for _, magic := range []string{"BZh", "\x7fELF"} { // no text begins so, although each byte could be one of a text
			text = text && !bytes.HasPrefix(data, []byte(magic))
		}
		if k != nil && text {
			t.Errorf("%q is taken for %s", data, k.name)
		}
		if k != nil && (k.name == "" || k.cure == "") {
			t.Errorf("%q: %+v", data, k)
		}
	})
}
