package jsonl

import (
	"bytes"
	"errors"
	"io"

	"github.com/batchmill/batchmill/formats/json"
)

// The faults of an object that is no JSON Lines.
var (
	errPretty  = errors.New("it is one JSON value over several lines, and JSON Lines has one value a line; write it so before the run, for example with: jq -c '.'")
	errOneLine = errors.New("several JSON values stand in one line, and JSON Lines has one value a line; write them so before the run, for example with: jq -c '.'")
	errArray   = errors.New("it is one JSON array over several lines, and JSON Lines has one value a line; read the elements of the array with --input-format json")
)

// mostAhead is how many first bytes are looked at to tell one JSON document from lines.
const mostAhead = 256 << 10

// document reads an object that is JSON Lines, or with Documents one JSON array, whose
// elements document gives as lines. Other documents are refused. The first bytes decide:
// they are read ahead, only as far as they leave a doubt.
type document struct {
	src       io.Reader
	documents bool
	begun     bool
	head      []byte // read and not given yet
	err       error  // behind head
	array     *elements
}

// A verdict is what the beginning of an object shows.
type verdict uint8

const (
	unsure verdict = iota // more bytes are needed
	isLines
	isArray
	isPretty
	isOneLine
	isLinesArray // an array over several lines where only lines are read
)

// Read implements io.Reader.
func (d *document) Read(p []byte) (n int, err error) {
	if !d.begun {
		d.begun = true
		d.begin()
	}
	switch {
	case len(d.head) > 0:
		n = copy(p, d.head)
		d.head = d.head[n:]
	case d.err != nil:
		return 0, d.err
	default:
		n, err = d.src.Read(p)
	}
	if d.array == nil {
		return n, err
	}
	n, wrong := d.array.lines(p[:n])
	if wrong == nil && len(d.head) == 0 && (err == io.EOF || d.err == io.EOF) {
		wrong = d.array.end()
	}
	if wrong != nil {
		d.head, d.err, err = nil, wrong, wrong
	}
	return n, err
}

// begin reads ahead until the first bytes tell what the object is.
func (d *document) begin() {
	for v, size := unsure, 4<<10; v == unsure; size *= 2 {
		d.fill(size)
		v = d.judge(d.head, d.err == io.EOF || size >= mostAhead)
		if v == unsure && d.err != nil {
			d.head = nil // nobody knows whether its lines are records
			return
		}
		if faults[v] != nil {
			d.head, d.err = nil, faults[v]
		}
		if v == isArray {
			d.array = new(elements)
		}
	}
}

// faults are why an object is refused.
var faults = map[verdict]error{isPretty: errPretty, isOneLine: errOneLine, isLinesArray: errArray}

// fill reads until head has size bytes, or an error comes.
func (d *document) fill(size int) {
	n := len(d.head)
	d.head = append(make([]byte, 0, size), d.head...)[:size]
	for n < size && d.err == nil {
		var m int
		m, d.err = d.src.Read(d.head[n:])
		n += m
	}
	d.head = d.head[:n]
}

// judge tells what an object is that begins with head. With all, no more bytes will be shown.
func (d *document) judge(head []byte, all bool) verdict {
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	body := head[json.Trim(head).Start:]
	switch {
	case len(body) == 0:
		return judged(all, isLines)
	case body[0] != '{' && body[0] != '[':
		return isLines
	case !d.documents:
		return judgeLines(body, all)
	case body[0] == '[':
		return judgeArray(body, all)
	}
	return judgeObject(body, all)
}

// judged is v, but that only all bytes can tell so.
func judged(all bool, v verdict) verdict {
	if all {
		return v
	}
	return unsure
}

// judgeLines refuses lines of which the first is a bracket and nothing else.
func judgeLines(body []byte, all bool) verdict {
	line, _, whole := bytes.Cut(body, []byte("\n"))
	switch {
	case len(trim(line)) > 1:
		return isLines
	case !whole:
		return judged(all, isLines)
	case body[0] == '[':
		return isLinesArray
	}
	return isPretty
}

// judgeArray tells one array from lines of arrays: behind the array on the first line another line
// has a value.
func judgeArray(body []byte, all bool) verdict {
	end := arrayEnd(body)
	if end == 0 { // open so far, or wrong: who reads its elements tells
		return judged(all, isArray)
	}
	next := end + int(json.Trim(body[end:]).Start)
	switch {
	case next == len(body):
		return judged(all, isArray)
	case holdsLine(body[:end]):
		return isPretty
	case holdsLine(body[end:next]):
		return isLines
	}
	return judgeRest(body[next:], all)
}

// arrayEnd is the index behind the array that begins body; 0 where it does not end.
func arrayEnd(body []byte) int {
	var e elements
	for i, c := range body {
		if _, ok := e.step(c); !ok {
			return 0
		}
		if e.state == behindArray {
			return i + 1
		}
	}
	return 0
}

// judgeObject tells lines from an object that goes on over its first line.
func judgeObject(body []byte, all bool) verdict {
	end, whole := json.Prefix(body)
	line := bytes.IndexByte(body, '\n')
	goesOn := line >= 0 && line < end && len(trim(body[line:end])) > 0
	next := end + int(json.Trim(body[end:]).Start)
	switch {
	case goesOn:
		return isPretty
	case !whole && end < len(body):
		return isLines
	case !whole || next == len(body) && line < 0:
		return judged(all, isLines)
	case next == len(body) || holdsLine(body[end:next]):
		return isLines
	}
	return judgeRest(body[next:], all)
}

// judgeRest judges what stands on the first line behind its first value: where all is one line
// of values nobody meant lines.
func judgeRest(rest []byte, all bool) verdict {
	if rest[0] != '{' && rest[0] != '[' || holdsLine(trim(rest)) {
		return isLines
	}
	return judged(all, isOneLine)
}

func holdsLine(text []byte) bool { return bytes.IndexByte(text, '\n') >= 0 }
