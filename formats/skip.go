package formats

import (
	"bytes"
	"io"
)

// pass counts c where it is no record, and tells whether that is so.
func (f *Framer) pass(c Cut) bool {
	switch {
	case c.Blank:
		f.blank++
	case c.Skip:
		f.skips++
	default:
		return false
	}
	return true
}

// takeTooLarge takes a record longer than the maximum, which is alone in b. Its beginning is kept.
func (f *Framer) takeTooLarge(b *Batch, start *int) error {
	b.First, b.Offset, b.Data = f.next, f.off, b.Data[:0]
	kept := min(f.max, keptOfTooLarge)
	b.Data = append(b.Data, f.buf[f.pos:f.pos+kept]...)
	b.Recs = append(b.Recs, Span{0, uint32(kept)})
	b.AddFlaw(0, ReasonTooLarge, "longer than %d bytes without a line end; raise --max-record", f.max)
	return f.skipLine(start)
}

// skipLine takes bytes up to and with the next line end, and keeps none.
func (f *Framer) skipLine(start *int) error {
	for {
		if i := bytes.IndexByte(f.buf[f.pos:f.end], '\n'); i >= 0 {
			f.take(i + 1)
			*start = f.pos
			return nil
		}
		f.take(f.end - f.pos)
		*start, f.pos, f.end, f.plain = 0, 0, 0, -1
		if f.err == io.EOF {
			return nil
		}
		if f.err != nil {
			return f.err
		}
		f.read()
	}
}

// SkipLines passes over the first n lines, whatever stands on them, before the first
// batch. The lines count as no records. An object with fewer lines is passed over whole.
func (f *Framer) SkipLines(n int) error {
	var b Batch
	for start := f.pos; n > 0; {
		if f.pos < f.end {
			if err := f.skipLine(&start); err != nil {
				return err
			}
			f.skips++
			n--
			continue
		}
		if f.err != nil {
			return f.failure()
		}
		start = f.pos
		if f.fill(&b, &start); !f.begun {
			f.begin()
		}
	}
	return f.failure()
}

// failure is why no more bytes come; nil at the object's end, which Next tells.
func (f *Framer) failure() error {
	if f.err == io.EOF || f.pos < f.end {
		return nil
	}
	return f.err
}
