package floor

import (
	"bytes"
	"errors"
	"io"
)

const (
	firstRead = 64 << 10 // bytes asked for before the size of a batch is known
	leastRead = 4 << 10
)

var errOpenQuote = errors.New("the input ends inside a quoted field")

// A batch is records in one piece of memory; record i ends before ends[i],
// where the next one begins. The memory is used again.
type batch struct {
	data []byte
	ends []int
}

// A cutter cuts a stream into batches. Reads go straight to a batch's memory
// and ask for about as much as a batch has had, so that little is read too far.
type cutter struct {
	src    io.Reader
	quotes bool   // newlines between double quotes end no record
	rest   []byte // read, not cut yet
	size   int    // bytes in the batch before
	err    error  // what ended src
}

// next replaces b by the next n records, by fewer at the end of the input, and
// returns io.EOF after it. A last record without LF gets one.
func (c *cutter) next(b *batch, n int) error {
	b.data, b.ends = append(b.data[:0], c.rest...), b.ends[:0]
	start, quote := 0, -1
	for {
		start, quote = c.scan(b, n, start, quote)
		if len(b.ends) == n {
			break
		}
		if c.err != nil {
			if err := c.last(b, start); err != nil {
				return err
			}
			break
		}
		c.fill(b)
	}
	end := b.ends[len(b.ends)-1]
	c.rest = append(c.rest[:0], b.data[end:]...)
	b.data, c.size = b.data[:end], end
	return nil
}

// last closes the batch that the end of the input cut short.
func (c *cutter) last(b *batch, start int) error {
	if c.err != io.EOF {
		return c.err
	}
	if start < len(b.data) {
		if c.quotes && bytes.Count(b.data[start:], []byte{'"'})%2 == 1 {
			return errOpenQuote
		}
		b.data = append(b.data, '\n')
		b.ends = append(b.ends, len(b.data))
	}
	if len(b.ends) == 0 {
		return io.EOF
	}
	return nil
}

// fill reads once, at least leastRead bytes if they are there.
func (c *cutter) fill(b *batch) {
	want := leastRead
	if c.size == 0 {
		want = firstRead
	} else if more := c.size + c.size/256 - len(b.data); more > want {
		want = more
	}
	have := len(b.data)
	if cap(b.data)-have < want {
		grown := make([]byte, have, have+want+have/2)
		copy(grown, b.data)
		b.data = grown
	}
	n, err := c.src.Read(b.data[have : have+want])
	b.data, c.err = b.data[:have+n], err
}

// scan finds the ends of whole records from start on, up to n in all. It returns
// where the first record begins that is not whole, and the place of the first
// quote at or after start as far as it was looked for: records without
// quotes, the most, cost one search.
func (c *cutter) scan(b *batch, n, start, quote int) (int, int) {
	quote = min(quote, start-1) // what is known of quotes ends with the bytes of the last call
	at := start
	for len(b.ends) < n {
		line := bytes.IndexByte(b.data[at:], '\n')
		if line < 0 {
			break
		}
		line += at
		if c.quotes && quote < at {
			quote = indexFrom(b.data, at)
		}
		if c.quotes && quote < line {
			at = indexFrom(b.data, quote+1) + 1
			if at > len(b.data) {
				break
			}
			continue
		}
		b.ends = append(b.ends, line+1)
		start, at = line+1, line+1
	}
	return start, quote
}

// indexFrom is the place of the first double quote at or after at, or len(data).
func indexFrom(data []byte, at int) int {
	if i := bytes.IndexByte(data[at:], '"'); i >= 0 {
		return at + i
	}
	return len(data)
}
