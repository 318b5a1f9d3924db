package lines

import (
	"errors"

	"github.com/batchmill/batchmill/formats"
)

// ErrOtherInput says that only lines can be sent as lines.
var ErrOtherInput = errors.New("only an input of lines can be sent as opaque lines; choose another --content-type, such as text/csv or application/jsonlines")

// EncoderConfig says how payloads of lines are rendered.
type EncoderConfig struct {
	// Verbatim: the input is lines. Lines can be made in no other way.
	Verbatim bool
}

// Validate returns ErrOtherInput unless the input is lines.
func (c EncoderConfig) Validate() error {
	if !c.Verbatim {
		return ErrOtherInput
	}
	return nil
}

type encoder struct{}

// NewEncoder sends lines as they stand.
func NewEncoder(c EncoderConfig) (formats.Encoder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return encoder{}, nil
}

// Check finds nothing: every line can be sent.
func (encoder) Check(*formats.Batch) {}

func (encoder) Encode(dst []byte, b *formats.Batch, sel []int32) []byte {
	first, last := sel[0], sel[len(sel)-1]
	if !b.Gaps && int(last-first) == len(sel)-1 {
		return b.Data[b.Recs[first].Start:b.Recs[last].End]
	}
	for _, i := range sel {
		dst = append(append(dst, trimEnd(b.Record(int(i)))...), '\n')
	}
	return dst
}
