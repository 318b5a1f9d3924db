package lines

import (
	"bytes"
	"errors"
	"math"

	"github.com/batchmill/batchmill/formats"
)

// A Decoder takes each line of a response that is not empty as an answer.
type Decoder struct{}

var _ formats.Decoder = Decoder{}

// Decode implements [formats.Decoder]. Answers come without their line ends.
func (Decoder) Decode(dst []formats.Answer, body []byte, want int) ([]formats.Answer, []byte, error) {
	if len(body) > math.MaxUint32 {
		return dst, body, &formats.SyntaxError{Message: "the response is longer than 4 GiB"}
	}
	kept, got := len(dst), 0
	for start := 0; start < len(body); {
		end := len(body)
		if n := bytes.IndexByte(body[start:], '\n'); n >= 0 {
			end = start + n + 1
		}
		if text := trimEnd(body[start:end]); len(text) > 0 {
			if got++; got <= want {
				dst = append(dst, formats.Answer{Start: uint32(start), End: uint32(start + len(text)), Form: formats.LineForm})
			}
		}
		start = end
	}
	if got != want {
		return dst[:kept], body, &formats.CountError{Got: got, Want: want}
	}
	return dst, body, nil
}

// Whole implements [formats.Decoder].
func (Decoder) Whole(body []byte) bool { return bytes.HasSuffix(body, []byte("\n")) }

// ErrJoin says that a line has no place for an answer.
var ErrJoin = errors.New("opaque lines cannot be joined with answers; use --join none, or another --output-format")

// JoinerConfig says how output records are written as lines.
type JoinerConfig struct {
	// Input asks for the record beside its answer, which lines cannot give.
	Input bool
}

// Validate returns ErrJoin if a join is asked for.
func (c JoinerConfig) Validate() error {
	if c.Input {
		return ErrJoin
	}
	return nil
}

type joiner struct{}

// NewJoiner writes answers as lines, and an empty line as a placeholder.
func NewJoiner(c JoinerConfig) (formats.Joiner, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return joiner{}, nil
}

// Check finds nothing: the records themselves do not go out.
func (joiner) Check(*formats.Batch) {}

// Learn learns nothing: a line takes any answer.
func (joiner) Learn(*formats.Layout, []byte, formats.Form) bool { return true }

// Begin appends nothing: lines have no header.
func (joiner) Begin(dst []byte, _ *formats.Layout, _ []byte) []byte { return dst }

func (joiner) Fit(a *formats.Answers, _ *formats.Layout, misfit func(i int, message string)) {
	for i := range a.List {
		if a.List[i].Form != formats.JSONForm && bytes.IndexByte(a.Bytes(i), '\n') >= 0 {
			misfit(i, "the answer holds a line break, and an output record is one line; use --output-format csv or jsonl")
		}
	}
}

func (joiner) Join(dst []byte, b *formats.Batch, a *formats.Answers, _ *formats.Layout, placeholders bool) ([]byte, int) {
	written := 0
	for i := range b.Recs {
		if a.List[i].Form == formats.NoAnswer && !placeholders {
			continue
		}
		start := len(dst)
		dst = append(dst, a.Bytes(i)...)
		flatten(dst[start:])
		dst = append(dst, '\n')
		written++
	}
	return dst, written
}

// flatten makes spaces of line breaks, which only JSON may have, as white
// space: whatever an answer holds, the answer takes one line.
func flatten(text []byte) {
	for i := bytes.IndexByte(text, '\n'); i >= 0; i = bytes.IndexByte(text, '\n') {
		if text[i] = ' '; i > 0 && text[i-1] == '\r' {
			text[i-1] = ' '
		}
		text = text[i+1:]
	}
}
