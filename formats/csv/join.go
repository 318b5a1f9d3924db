package csv

import (
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
)

// Join implements formats.Joiner. A record with bytes that cannot stand in the
// output (ragged, a bad quote, too large) comes out as empty fields.
func (j *joiner) Join(dst []byte, b *formats.Batch, a *formats.Answers, l *formats.Layout, placeholders bool) ([]byte, int) {
	p := j.planFor(l)
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	if j.input && j.verbatim && j.filter == nil {
		return j.joinVerbatim(dst, b, a, p, s, placeholders)
	}
	written := 0
	for i := range b.Recs {
		form := a.List[i].Form
		if form == formats.NoAnswer && !placeholders {
			continue
		}
		if form == formats.NoAnswer {
			s.answer = j.appendBlanks(s.answer[:0], p.width)
		} else {
			s.answer = j.appendAnswer(s.answer[:0], p, s, a.Bytes(i), form)
		}
		body, end := j.record(b, i, b.Flaw(i), s)
		dst = j.appendJoined(dst, p, s, body, s.answer, end)
		written++
	}
	return dst, written
}

// joinVerbatim is the hot path: for a CSV answer, two copies a record.
func (j *joiner) joinVerbatim(dst []byte, b *formats.Batch, a *formats.Answers, p *plan, s *scratch, placeholders bool) ([]byte, int) {
	written := 0
	for i, at := range b.Recs {
		answer := a.List[i]
		if answer.Form == formats.NoAnswer && !placeholders {
			continue
		}
		body, end := split(b.Data[at.Start:at.End])
		if len(b.Flaws) > 0 && !stands(b.Flaw(i)) {
			dst = j.appendBlanks(dst, max(j.base, 1))
		} else {
			dst = append(dst, body...)
		}
		dst = append(dst, j.Delimiter)
		switch answer.Form {
		case formats.NoAnswer:
			dst = j.appendBlanks(dst, p.width)
		case formats.CSVForm:
			dst = j.appendCSV(dst, a.Data[answer.Start:answer.End])
		default:
			dst = j.appendAnswer(dst, p, s, a.Data[answer.Start:answer.End], answer.Form)
		}
		if len(end) == 0 {
			dst = append(dst, '\n')
		} else {
			dst = append(dst, end...)
		}
		written++
	}
	return dst, written
}

// record is the input's part of output record i and its line end, both empty
// where the output is answers alone.
func (j *joiner) record(b *formats.Batch, i int, flaw *formats.Flaw, s *scratch) (body, end []byte) {
	switch {
	case !j.input:
		return nil, nil
	case j.verbatim:
		body, end = split(b.Record(i))
		if stands(flaw) {
			return body, end
		}
	case stands(flaw) && (flaw == nil || flaw.Reason != formats.ReasonUnicode) && j.cols.load(b, i, s, nil) == nil:
		s.record = j.cols.appendRow(s.record[:0], s)
		if flaw == nil || utf8.Valid(s.record) { // a record tells its first flaw only
			return s.record, nil
		}
	}
	s.record = j.appendBlanks(s.record[:0], max(j.base, 1))
	return s.record, end
}
