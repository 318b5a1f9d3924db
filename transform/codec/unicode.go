package codec

import (
	"fmt"

	"github.com/batchmill/batchmill/formats"
)

// Text is Unicode where it changes format, or claims to be JSON. Four places hold
// that, each with a message that names column and byte:
//
//	records      the encoder's and the joiner's Check (formats.CheckText); readers of JSON Lines and Parquet, always
//	headers      settleNames, before the job starts
//	answers      the decoders of JSON and Parquet, always; crossing for answers of other formats
//	files        of an encoding that was named or seen: package charset, for every format
//
// Bytes of CSV that stay CSV, and of lines that stay lines, pass as they are.

// crossing decodes answers that become another format in the output.
type crossing struct {
	formats.Decoder
	from, to string
}

// Decode refuses a response that is not UTF-8.
func (d crossing) Decode(dst []formats.Answer, body []byte, want int) ([]formats.Answer, []byte, error) {
	if at := formats.NotUTF8(body); at >= 0 {
		return dst, body, &formats.SyntaxError{Offset: int64(at),
			Message: fmt.Sprintf("0x%02x is not UTF-8, and answers of %s become %s; have the host send UTF-8, or name its charset in the Content-Type", body[at], d.from, d.to)}
	}
	return d.Decoder.Decode(dst, body, want)
}

// crossed is d for answers of a format. An output of lines holds the bytes of any answer.
func (c *Codec) crossed(d formats.Decoder, format string) formats.Decoder {
	if format == c.Out || c.Out == FormatLines {
		return d
	}
	return crossing{d, format, c.Out}
}
