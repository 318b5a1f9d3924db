package hosttest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/job"
)

// rows are all rows, in the order of the table.
func rows(t *testing.T) (all []row) {
	for _, group := range [][]row{framing(), broken(), interim(), duplicates(), early(), leftovers(), stalls(), resets(), answersRows(), secure(t)} {
		all = append(all, group...)
	}
	return all
}

const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"

// says answers each request with a text that is made from the turn, and keeps the connection.
func says(text func(t *turn) string) func(*turn) bool {
	return func(t *turn) bool { t.send(text(t)); return true }
}

// closing answers like says, and closes the connection.
func closing(text func(t *turn) string) func(*turn) bool {
	return func(t *turn) bool { t.send(text(t)); return false }
}

// lines are the right response with more lines in its head.
func lines(more ...string) func(*turn) bool {
	return says(func(t *turn) string { return t.head(len(t.answer), more...) + t.answer })
}

func chunked(size int, end string) func(*turn) string {
	return func(t *turn) string { return t.head(-1, "Transfer-Encoding: chunked") + t.chunks(size) + end }
}

// framing are frames that are odd and right: every answer has to come through.
func framing() []row {
	return []row{
		{name: "framing: Content-Length", play: ordinary, want: whole},
		{name: "framing: the same Content-Length twice", play: says(func(t *turn) string {
			return t.head(len(t.answer), "Content-Length: "+strconv.Itoa(len(t.answer))) + t.answer
		}), want: whole},
		{name: "framing: Content-Length with zeros in front", play: says(func(t *turn) string {
			return t.head(-1, fmt.Sprintf("Content-Length: 000%d", len(t.answer))) + t.answer
		}), want: whole},
		{name: "framing: chunks", play: says(chunked(7, "0\r\n\r\n")), want: whole},
		{name: "framing: chunks of one byte", play: says(chunked(1, "0\r\n\r\n")), want: whole},
		{name: "framing: chunks with trailers", play: says(chunked(9, "0\r\nX-Sum: 1\r\nContent-Length: 3\r\n\r\n")), want: whole},
		{name: "framing: chunks with extensions", play: says(func(t *turn) string {
			return t.head(-1, "Transfer-Encoding: chunked") + strings.ReplaceAll(t.chunks(9), "9\r\n", "9;a=\"b\"\r\n") + "0;last\r\n\r\n"
		}), want: either},
		{name: "framing: chunks and a Content-Length that is wrong", play: says(func(t *turn) string {
			return t.head(5, "Transfer-Encoding: chunked") + t.chunks(9) + "0\r\n\r\n"
		}), want: whole},
		{name: "framing: neither, the connection ends", play: closing(func(t *turn) string { return t.head(-1) + t.answer }), want: whole},
		{name: "framing: HTTP/1.0, the connection ends", play: closing(func(t *turn) string {
			return strings.Replace(t.head(-1), "1.1", "1.0", 1) + t.answer
		}), want: whole},
		{name: "framing: HTTP/1.0 with Content-Length", play: closing(func(t *turn) string {
			return strings.Replace(t.response(), "1.1", "1.0", 1)
		}), want: whole},
		{name: "framing: HTTP/1.0 kept alive", play: says(func(t *turn) string {
			return strings.Replace(t.head(len(t.answer), "Connection: keep-alive"), "1.1", "1.0", 1) + t.answer
		}), want: whole},
		{name: "framing: Connection: close, and kept open", play: lines("Connection: close"), want: whole},
		{name: "framing: lines end in LF alone", play: says(func(t *turn) string {
			return strings.ReplaceAll(t.head(len(t.answer)), "\r\n", "\n") + t.answer
		}), want: whole},
		{name: "framing: a header goes on in the next line", play: lines("X-Folded: a", " b"), want: whole},
		{name: "framing: 1,000 header lines", play: lines(strings.Split(strings.Repeat("X-A: b\n", 1000), "\n")[:1000]...), want: whole},
		{name: "framing: a header of 60,000 bytes", play: lines("X-A: " + strings.Repeat("b", 60000)), want: whole},
		{name: "framing: a reason of 10,000 bytes", play: says(func(t *turn) string {
			return strings.Replace(t.response(), "OK", strings.Repeat("OK ", 3333), 1)
		}), want: whole},
		{name: "framing: a reason is missing", play: says(func(t *turn) string { return strings.Replace(t.response(), " OK", "", 1) }), want: whole},
		{name: "framing: half-closed after the response", play: func(t *turn) bool {
			t.send(t.response())
			t.halfClose()
			return t.hang()
		}, want: whole},
	}
}

// bad are the frames in which a whole answer cannot be told from a part.
var bad = []struct {
	name string
	text func(t *turn) string
}{
	{"two different Content-Lengths", func(t *turn) string {
		return t.head(len(t.answer), fmt.Sprintf("Content-Length: %d", len(t.answer)+1)) + t.answer
	}},
	{"a Content-Length below 0", func(t *turn) string { return t.head(-1, "Content-Length: -1") + t.answer }},
	{"a Content-Length with a sign", func(t *turn) string {
		return t.head(-1, fmt.Sprintf("Content-Length: +%d", len(t.answer))) + t.answer
	}},
	{"a Content-Length in hex", func(t *turn) string {
		return t.head(-1, fmt.Sprintf("Content-Length: %#x", len(t.answer))) + t.answer
	}},
	{"a Content-Length without a number", func(t *turn) string { return t.head(-1, "Content-Length: all") + t.answer }},
	{"a Content-Length list", func(t *turn) string {
		return t.head(-1, fmt.Sprintf("Content-Length: %d, %d", len(t.answer), len(t.answer)+1)) + t.answer
	}},
	{"a Content-Length over 64 bits", func(t *turn) string {
		return t.head(-1, "Content-Length: 99999999999999999999") + t.answer
	}},
	{"a Content-Length of 0", func(t *turn) string { return t.head(0) + t.answer }},
	{"a Content-Length too large, the connection ends", func(t *turn) string { return t.head(len(t.answer)+1) + t.answer }},
	{"a Content-Length too small by an answer", func(t *turn) string { return t.head(len(t.answer)-7) + t.answer }},
	{"a Content-Length too small by a digit", func(t *turn) string { return t.head(len(t.answer)-2) + t.answer }},
	{"a Content-Length too small by half an answer", func(t *turn) string { return t.head(len(t.answer)-3) + t.answer }},
	{"chunked twice", func(t *turn) string {
		return t.head(-1, "Transfer-Encoding: chunked, chunked") + t.chunks(9) + "0\r\n\r\n"
	}},
	{"an unknown transfer coding", func(t *turn) string { return t.head(-1, "Transfer-Encoding: zip") + t.answer }},
	{"a chunk that is cut", func(t *turn) string { return t.head(-1, "Transfer-Encoding: chunked") + "ff\r\n" + t.answer }},
	{"chunks without the last", chunked(9, "")},
	{"chunks without the last line end", chunked(9, "0\r\n")},
	{"a chunk size over 64 bits", func(t *turn) string {
		return t.head(-1, "Transfer-Encoding: chunked") + "fffffffffffffffff\r\n" + t.answer
	}},
	{"a chunk size that is no number", func(t *turn) string { return t.head(-1, "Transfer-Encoding: chunked") + "xyz\r\n" + t.answer }},
	{"chunks without their line ends", func(t *turn) string {
		return t.head(-1, "Transfer-Encoding: chunked") + strings.ReplaceAll(t.chunks(9), "\r\n", "") + "0\r\n\r\n"
	}},
	{"neither length nor chunks, one byte is missing", func(t *turn) string { return t.head(-1) + t.answer[:len(t.answer)-1] }},
	{"HTTP/1.0 with chunks, which it does not have", func(t *turn) string {
		return strings.Replace(chunked(9, "")(t), "1.1", "1.0", 1)
	}},
	{"a header line without a colon", func(t *turn) string { return t.head(len(t.answer), "no colon") + t.answer }},
	{"a header name with a space", func(t *turn) string { return t.head(len(t.answer), "X A : b") + t.answer }},
	{"a header without end", func(t *turn) string { return ok + strings.Repeat("X-A: b\r\n", 20000) }},
	{"a header line without end", func(t *turn) string { return ok + "X: " + strings.Repeat("a", 200000) }},
	{"the head is cut", func(t *turn) string { return ok[:20] }},
	{"the status has two digits", func(t *turn) string { return strings.Replace(t.response(), "200", "20", 1) }},
	{"the status is 0200", func(t *turn) string { return strings.Replace(t.response(), "200", "0200", 1) }},
	{"HTTP/2 in plain text", func(t *turn) string { return strings.Replace(t.response(), "HTTP/1.1", "HTTP/2.0", 1) }},
	{"HTTP/0.9: no head", func(t *turn) string { return t.answer }},
	{"another protocol", func(t *turn) string { return "SSH-2.0-OpenSSH_9.0\r\n" }},
	{"nothing", func(t *turn) string { return "" }},
}

// foreign is how many of bad, before the last, are not HTTP at all.
const foreign = 2

// broken are the bad frames in some responses, which are asked for again, and in those about one
// record, which is a reject; the worst of them in all responses, which ends the job.
func broken() (all []row) {
	for i, b := range bad {
		end := whole
		if i >= len(bad)-foreign-1 && i < len(bad)-1 { // the text may be the rest of the response before
			end = doubted
		}
		all = append(all, row{name: "frame in some: " + b.name, play: closing(b.text), when: every(4), spec: attempts(8), want: end})
		switch i % 4 {
		case 0:
			all = append(all, row{name: "frame about one record: " + b.name, play: closing(b.text), when: about(1042), want: rejects(1042)})
		case 2:
			all = append(all, row{name: "frame in all: " + b.name, play: closing(b.text), want: refused(job.BadInput, job.NoHosts)})
		}
	}
	return all
}

// interim are responses with a status below 200 before the final one, or in its place.
func interim() []row {
	before := func(text string) func(*turn) bool { return says(func(t *turn) string { return text + t.response() }) }
	return []row{
		{name: "1xx: 100 before the response", play: before("HTTP/1.1 100 Continue\r\n\r\n"), want: whole},
		{name: "1xx: 102 before the response", play: before("HTTP/1.1 102 Processing\r\n\r\n"), want: whole},
		{name: "1xx: 103 with a Link and a length", play: before("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\r\n"), want: whole},
		{name: "1xx: 199 before the response", play: before("HTTP/1.1 199 Odd\r\n\r\n"), want: whole},
		{name: "1xx: a hundred before the response", play: before(strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 100)), want: whole},
		{name: "1xx: 100 behind the response", play: says(func(t *turn) string { return t.response() + "HTTP/1.1 100 Continue\r\n\r\n" }), want: whole},
		{name: "1xx: 101 in some", play: says(func(*turn) string { return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" }), when: every(4), spec: attempts(8), want: whole},
		{name: "1xx: 101 in all", play: says(func(*turn) string { return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" }), want: refused(job.BadInput, job.NoHosts)},
		{name: "1xx: 101 and then the response", play: before("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), want: refused(job.BadInput, job.NoHosts)},
		{name: "1xx: for ever, as fast as can be", play: func(t *turn) bool {
			for t.alive(strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 100)) {
			}
			return false
		}, when: every(4), spec: attempts(8), want: whole},
		{name: "1xx: for ever, slowly", play: func(t *turn) bool {
			for t.alive("HTTP/1.1 102 Processing\r\n\r\n") {
				t.host.rest(hasty / 20)
			}
			return false
		}, options: timeout(hasty), want: refused(job.BadInput, job.NoHosts)},
		{name: "1xx: 100 and nothing more", play: func(t *turn) bool { t.send("HTTP/1.1 100 Continue\r\n\r\n"); return t.hang() },
			options: timeout(hasty), want: refused(job.BadInput, job.NoHosts)},
	}
}
