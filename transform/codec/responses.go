package codec

import (
	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/lines"
)

// wholeResponses writes responses as they came, for
// --answers per-batch. The response stands as the answer of its first record;
// the other records have empty answers.
type wholeResponses struct{}

func (wholeResponses) Check(*formats.Batch)                                     {}
func (wholeResponses) Learn(*formats.Layout, []byte, formats.Form) bool         { return true }
func (wholeResponses) Begin(dst []byte, _ *formats.Layout, _ []byte) []byte     { return dst }
func (wholeResponses) Fit(*formats.Answers, *formats.Layout, func(int, string)) {}

func (wholeResponses) Join(dst []byte, _ *formats.Batch, a *formats.Answers, _ *formats.Layout, _ bool) ([]byte, int) {
	answered := 0
	for i := range a.List {
		if a.List[i].Form != formats.NoAnswer {
			answered++
		}
		text := a.Bytes(i)
		if len(text) == 0 {
			continue
		}
		dst = append(dst, text...)
		if text[len(text)-1] != '\n' {
			dst = append(dst, '\n')
		}
	}
	return dst, answered
}

// wholeDecoder takes a response as one text.
type wholeDecoder struct{ lines.Decoder }

// Decode makes body the answer of the first record, and gives the others empty answers.
func (wholeDecoder) Decode(dst []formats.Answer, body []byte, want int) ([]formats.Answer, []byte, error) {
	dst = append(dst, formats.Answer{End: uint32(len(body)), Form: formats.LineForm})
	for range want - 1 {
		dst = append(dst, formats.Answer{Form: formats.LineForm})
	}
	return dst, body, nil
}
