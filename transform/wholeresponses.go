package transform

import "github.com/batchmill/batchmill/formats"

// wholeResponses writes what came from the hosts as it came, for
// --answers per-batch. The response stands as the answer of its first record;
// the other records have empty ones.
type wholeResponses struct{}

func (wholeResponses) Check(*formats.Batch)                                     {}
func (wholeResponses) Learn(*formats.Layout, []byte, formats.Form) bool         { return true }
func (wholeResponses) Begin(dst []byte, _ *formats.Layout) []byte               { return dst }
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
