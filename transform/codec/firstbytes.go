package codec

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/batchmill/batchmill/formats/charset"
	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform/job"
)

// A packing is how an object is compressed, and who says so.
type packing struct {
	codec compress.Codec
	by    string // the beginning of "... says gzip"; empty where nobody says anything
	err   error  // what is said cannot be read
}

// packingOf believes --input-compression first, then the object's name, then what its store
// says of its content (Content-Encoding). The first bytes have to agree.
func packingOf(s *job.Spec, in Input) packing {
	if c, known := compress.ByName(s.InputCodec); known {
		return packing{codec: c, by: "--input-compression"}
	}
	if in.packed != compress.None {
		return packing{codec: in.packed, by: "its name"}
	}
	return packingOfEncoding(in.encoding)
}

// packingOfEncoding reads the value of Content-Encoding: codings in the order in which they were
// applied (RFC 9110, section 8.4). What uploads of AWS leave there is none.
func packingOfEncoding(encoding string) (p packing) {
	for coding := range strings.SplitSeq(encoding, ",") {
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding == "" || coding == "identity" || coding == "aws-chunked" {
			continue
		}
		c, known := compress.ByName(strings.TrimPrefix(coding, "x-"))
		if !known || p.codec != compress.None {
			p.err = fmt.Errorf("its Content-Encoding is %.100q, which batchmill cannot read; unpack it before the run, or, if that is wrong, "+
				"say how it is compressed with --input-compression", encoding)
			return p
		}
		p.codec, p.by = c, "its Content-Encoding"
	}
	return p
}

// unpack reads what src holds, which is compressed.
func (p *packing) unpack(s *job.Spec, src io.Reader) io.Reader {
	return compress.NewReader(&judged{src: src, judge: p.judgeStored}, p.codec, unpackLimits(s))
}

// FormatOf guesses an object's format by the beginning of its text; "" where that does not tell.
func FormatOf(s *job.Spec, in Input, src io.Reader) (string, error) {
	p := packingOf(s, in)
	if p.err != nil {
		return "", p.err
	}
	if p.codec != compress.None {
		src = p.unpack(s, src)
	}
	head, err := readHead(src)
	if err != nil && err != io.EOF {
		return "", err
	}
	named, err := findEncoding(s)
	if err != nil {
		return "", err
	}
	text, err := bufio.NewReader(charset.NewReader(bytes.NewReader(head), named, 0)).Peek(headLen)
	if f := formatOfContent(text); f != "" {
		return f, nil
	}
	if err := p.judgeText(head); err != nil {
		return "", err
	}
	if err == io.EOF {
		err = nil
	}
	return "", err
}

// agrees tells whether the first bytes may be data that is compressed so. Short data is judged by
// its decoder, which knows more.
func (p *packing) agrees(head []byte) bool {
	switch {
	case len(head) < 4, compress.OfContent(head) == p.codec:
		return true
	case p.codec == compress.Lz4: // zstd's frames that are skipped are lz4's too; the decoder tells of legacy frames
		return compress.Skippable(head) || string(head[:4]) == "\x02\x21\x4c\x18"
	case p.codec == compress.Bzip2: // of no bytes
		return bytes.HasPrefix(head, []byte("BZh"))
	}
	return false
}

// judgeStored refuses stored bytes that are not compressed as they are said to be.
func (p *packing) judgeStored(head []byte) error {
	if p.agrees(head) {
		return nil
	}
	what, cure := "its first bytes are not "+p.codec.String()+"'s", "--input-compression none"
	if k := kindOf(head); k != nil {
		what, cure = "it is "+k.name, k.cure
		if k.codec != compress.None {
			cure = "--input-compression " + k.codec.String()
		}
	}
	return fmt.Errorf("%s says %s, but %s; correct what is wrong, or read it with %s", p.by, p.codec, what, cure)
}

// judgeText refuses text whose first bytes are those of another kind of data.
func (p *packing) judgeText(head []byte) error {
	switch k := kindOf(head); {
	case k == nil:
		return nil
	case p.codec != compress.None && k.codec != compress.None:
		return fmt.Errorf("inside of the %s data is %s again; unpack the file once before the run", p.codec, k.name)
	case p.codec != compress.None:
		return fmt.Errorf("inside of the %s data is %s; %s", p.codec, k.name, k.cure)
	case k.codec == compress.None: // no name and no flag could make it right
		return fmt.Errorf("it is %s; %s", k.name, k.cure)
	case p.by != "":
		return fmt.Errorf("it is %s, which %s does not tell; %s", k.name, p.by, k.cure)
	default:
		return fmt.Errorf("it is %s, which its name does not tell; %s", k.name, k.cure)
	}
}

// judged reads src, and fails where its first bytes are not what they should be. The look at
// them costs no read beyond those that the first record needs.
type judged struct {
	src   io.Reader
	judge func(head []byte) error
	began bool
	head  []byte // read and not given yet
	err   error  // behind head
}

// Read reads what src holds.
func (j *judged) Read(p []byte) (int, error) {
	if !j.began {
		j.began = true
		j.begin()
	}
	switch {
	case len(j.head) > 0:
		n := copy(p, j.head)
		j.head = j.head[n:]
		return n, nil
	case j.err != nil:
		return 0, j.err
	}
	return j.src.Read(p)
}

// begin reads the first bytes.
func (j *judged) begin() {
	j.head, j.err = readHead(j.src)
	if err := j.judge(j.head); err != nil {
		j.head, j.err = nil, err
	}
}

// readHead reads the first bytes of src. The error is what stands behind them.
func readHead(src io.Reader) (head []byte, err error) {
	head = make([]byte, headLen)
	n := 0
	for n < len(head) && err == nil {
		var m int
		m, err = src.Read(head[n:])
		n += m
	}
	return head[:n], err
}

// notParquet is err of an object that cannot be opened as Parquet: where its first bytes
// show what it is, that tells more.
func notParquet(src io.ReaderAt, err error) error {
	head := make([]byte, headLen)
	n, failed := src.ReadAt(head, 0)
	if failed != nil && !errors.Is(failed, io.EOF) {
		return err
	}
	k := kindOf(head[:n])
	if k == nil || k.cure == otherName {
		return err
	}
	cure := k.cure
	if k.codec != compress.None {
		cure = unpackIt + "; Parquet compresses its own pages"
	}
	return fmt.Errorf("it is %s, and no Parquet file; %s", k.name, cure)
}
