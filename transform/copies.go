package transform

import "sync/atomic"

// copies bounds what the window does not count: the copies of answers that are made before
// their place's turn. There are two, the log's entry, and the output while it stands beside
// the answers that it is made of. Behind a slow head they would grow as large as the window. A
// place that finds no room leaves its copies to the assembler, which makes those of
// one place at a time. So nobody waits for room.
type copies struct {
	budget int64
	used   atomic.Int64
}

// copiesShare is the part of --memory, one of 4, that early copies may take.
const copiesShare = 4

// take tells whether there is room for n more bytes, and takes them.
func (c *copies) take(n int64) bool {
	if c.used.Add(n) <= c.budget {
		return true
	}
	c.used.Add(-n)
	return false
}

// give takes n bytes back.
func (c *copies) give(n int64) { c.used.Add(-n) }

// takeCopies tells whether p's copies are made now. Else they are late: the assembler's work.
func (a *asker) takeCopies(p *place) bool {
	n := int64(len(p.answers.Data))
	if p.late = !a.copies.take(2 * n); !p.late {
		p.early = n
	}
	return !p.late
}
