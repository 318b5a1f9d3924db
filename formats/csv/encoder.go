package csv

import (
	"slices"

	"github.com/batchmill/batchmill/formats"
)

// EncoderConfig says how CSV payloads are rendered.
type EncoderConfig struct {
	Dialect
	// Names are the columns, in order, for records that come by names: the
	// header's, or the keys of the job's first record.
	Names []string
	// Width is the number of fields of a record, 0 when it is not fixed.
	Width int
	// Verbatim: the batches hold CSV of this dialect, to be sent as it stands.
	Verbatim bool
	// Filter picks the fields to send; nil sends all.
	Filter Filter
	// Header, when it is not empty, is a line of CSV that goes first in every
	// payload. Filter applies to the header too.
	Header []byte
}

type encoder struct {
	cols     *columns
	verbatim bool
	picks    []int // nil: all fields
	header   []byte
}

// NewEncoder returns an Encoder, or an *OptionError when the dialect is not
// valid or the filter names a field that does not exist.
func NewEncoder(c EncoderConfig) (formats.Encoder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e := &encoder{cols: newColumns(c.orDefault(), c.Names, c.Width), verbatim: c.Verbatim}
	width := c.Width
	if width == 0 {
		width = len(c.Names) // ragged: what the header names can be picked
	}
	var err error
	if e.picks, err = c.Filter.Resolve(c.Names, width); err != nil {
		return nil, err
	}
	if e.picks != nil && c.Width == 0 {
		e.cols.least = slices.Max(e.picks) + 1
	}
	if len(c.Header) > 0 {
		e.header = e.headerLine(c.Header)
	}
	return e, nil
}

// headerLine is line by the filter, with a line end.
func (e *encoder) headerLine(line []byte) []byte {
	body, end := split(line)
	end = oneEnd(end)
	if e.picks == nil {
		return e.cols.closeRecord(slices.Clone(body), 0, end)
	}
	return e.cols.closeRecord(appendPicks(e.cols.Dialect, nil, body, e.cols.fields(nil, body), e.picks), 0, end)
}

// appendPicks appends the picked fields of body as they stand there. A pick
// past the last field is an empty field.
func appendPicks(d Dialect, dst, body []byte, fields []formats.Span, picks []int) []byte {
	for k, p := range picks {
		if k > 0 {
			dst = append(dst, d.Delimiter)
		}
		if p < len(fields) {
			dst = d.appendRaw(dst, body[fields[p].Start:fields[p].End])
		}
	}
	return dst
}

// Check implements formats.Encoder.
func (e *encoder) Check(b *formats.Batch) {
	if _, ok := b.Rows.(formats.Cells); ok {
		return
	}
	switch {
	case !e.verbatim:
		e.cols.check(b)
	case e.cols.least > 0:
		e.cols.checkLeast(b)
	}
}

// Encode implements formats.Encoder.
func (e *encoder) Encode(dst []byte, b *formats.Batch, sel []int32) []byte {
	cells, ok := b.Rows.(formats.Cells)
	switch {
	case len(sel) == 0:
		return dst
	case ok:
		return e.encodeCells(append(dst, e.header...), b, cells, sel)
	case !e.verbatim:
		return e.encodeRows(append(dst, e.header...), b, sel)
	case e.picks != nil:
		return e.encodePicks(append(dst, e.header...), b, sel)
	case len(e.header) == 0 && adjacent(b, sel) && !oddEnds(b, sel):
		return b.Data[b.Recs[sel[0]].Start:b.Recs[sel[len(sel)-1]].End]
	}
	return e.gather(append(dst, e.header...), b, sel)
}

// adjacent tells whether the records sel stand side by side in b.Data.
func adjacent(b *formats.Batch, sel []int32) bool {
	first, last := sel[0], sel[len(sel)-1]
	if int(last-first) != len(sel)-1 {
		return false
	}
	for i := first + 1; b.Gaps && i <= last; i++ {
		if b.Recs[i].Start != b.Recs[i-1].End {
			return false
		}
	}
	return true
}

// oddEnds tells whether a record's line end has more than one CR. To a host the first
// of them would be a byte of the last field.
func oddEnds(b *formats.Batch, sel []int32) bool {
	for _, i := range sel {
		if end := int(b.Recs[i].End); end >= 3 && b.Data[end-2] == '\r' && b.Data[end-3] == '\r' {
			return true // or data of CRs without a line end, which gather keeps
		}
	}
	return false
}

// gather copies records together. A record without a line end gets LF, but not
// at the payload's end, which stays as the object's end was.
func (e *encoder) gather(dst []byte, b *formats.Batch, sel []int32) []byte {
	for k, i := range sel {
		body, end := split(b.Record(int(i)))
		dst = append(append(dst, body...), oneEnd(end)...)
		if k < len(sel)-1 && len(end) == 0 {
			dst = append(dst, '\n')
		}
	}
	return dst
}

func (e *encoder) encodePicks(dst []byte, b *formats.Batch, sel []int32) []byte {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for _, i := range sel {
		body, end := split(b.Record(int(i)))
		s.spans = e.cols.fields(s.spans[:0], body)
		start := len(dst)
		dst = appendPicks(e.cols.Dialect, dst, body, s.spans, e.picks)
		dst = e.cols.closeRecord(dst, start, oneEnd(end))
	}
	return dst
}

func (e *encoder) encodeRows(dst []byte, b *formats.Batch, sel []int32) []byte {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for _, i := range sel {
		start := len(dst)
		if e.cols.load(b, int(i), s, nil) != nil {
			s.slots = s.slots[:0] // Check has refused the record; the count must hold all the same
		}
		if e.picks != nil {
			s.slots = pickSlots(s.slots, e.picks)
		}
		dst = e.cols.closeRecord(e.cols.appendRow(dst, s), start, nil)
	}
	return dst
}

// encodeCells renders records whose fields come singly: most fields are
// numbers, and go into the payload as they are made.
func (e *encoder) encodeCells(dst []byte, b *formats.Batch, cells formats.Cells, sel []int32) []byte {
	picks := e.picks
	if picks == nil {
		picks = make([]int, e.cols.width)
		for k := range picks {
			picks[k] = k
		}
	}
	var kind formats.Kind
	for _, i := range sel {
		start := len(dst)
		for k, col := range picks {
			if k > 0 {
				dst = append(dst, e.cols.Delimiter)
			}
			from := len(dst)
			if dst, kind = cells.AppendCell(dst, b, int(i), col); kind == formats.String || kind == formats.JSON {
				dst = e.cols.quoteEnd(dst, from, kind == formats.JSON)
			}
		}
		dst = e.cols.closeRecord(dst, start, nil)
	}
	return dst
}

// pickSlots appends the picked slots to slots and returns the picked slots alone.
func pickSlots(slots []int32, picks []int) []int32 {
	n := len(slots)
	for _, p := range picks {
		at := int32(-1)
		if p < n {
			at = slots[p]
		}
		slots = append(slots, at)
	}
	return slots[:copy(slots, slots[n:])]
}
