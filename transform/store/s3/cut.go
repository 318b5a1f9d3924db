package s3

import (
	"context"
)

// cutPiece is how many bytes of a log are put at a time where its beginning is kept.
const cutPiece = 8 << 20

// cut keeps the first size bytes of the log, which is longer. Segments are whole and never changed, so
// these bytes are put once more, behind all others, as segments of the log that they come from. Then an
// empty segment is put that names the first of them as the log's base. Up to that segment the log holds
// what it held, and the copies behind; from then on it is cut, and the segments below its base go.
func (a *appender) cut(size int64) error {
	r, _, err := a.s.ReadLog(a.run, a.name)
	if err != nil {
		return err
	}
	defer r.Close()
	log, base, first := a.log, a.base, a.last+1
	put := func(ctx context.Context) error { return a.add(ctx, log, base) }
	for at := int64(0); at < size; at += int64(len(a.buf)) {
		a.buf = make([]byte, min(cutPiece, size-at))
		if _, err := r.ReadAt(a.buf, at); err != nil {
			return err
		}
		if err := a.whileEnding(put); err != nil {
			return err
		}
	}
	a.base, a.buf, a.size = first, nil, size
	if err := a.whileEnding(put); err != nil {
		return err
	}
	return a.whileEnding(func(ctx context.Context) error { return a.removeBelow(ctx, base) })
}

// removeBelow deletes the segments from number from up to the log's base.
func (a *appender) removeBelow(ctx context.Context, from int64) error {
	old := make([]int64, 0, a.base-from)
	for n := from; n < a.base; n++ {
		old = append(old, n)
	}
	return a.s.removeSegments(ctx, a.name, old)
}
