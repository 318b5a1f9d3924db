package hosttest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/batchmill/batchmill/transform/job"
)

// again are the instants at which a host repeats its response.
var again = []struct {
	name string
	play func(t *turn) bool
	// late: the copy may come after the next request's head, and look like its response.
	late bool
}{
	{"at once", says(func(t *turn) string { return t.response() + t.response() }), false},
	{"after 1 ms", repeats(time.Millisecond), true},
	{"after 5 ms", repeats(5 * time.Millisecond), true},
	{"after 30 ms", repeats(30 * time.Millisecond), true},
	{"after the next head", func(t *turn) bool { t.owed = t.response(); return ordinary(t) }, true},
	{"before the connection ends", closing(func(t *turn) string { return t.response() + t.response() }), false},
	{"three times, after 2 ms each", func(t *turn) bool {
		for i := range 3 {
			t.later(time.Duration(2*i)*time.Millisecond, t.response())
		}
		return true
	}, true},
}

// instead repeats a response in place of the next one, which never comes.
func instead(t *turn) bool {
	if t.n == 1 {
		t.owed = t.response()
		return ordinary(t)
	}
	return false
}

func repeats(after time.Duration) func(*turn) bool {
	return func(t *turn) bool {
		t.send(t.response())
		t.later(after, t.response())
		return true
	}
}

// duplicates repeat all responses or some, with their request's key or without, from
// hosts that are quick and slow. With the key all is right. Without the key a late copy is
// the only doubt.
func duplicates() (all []row) {
	for _, a := range again {
		for _, some := range []struct {
			name string
			when func(*turn) bool
		}{{"all", nil}, {"some", func(t *turn) bool { return t.total%7 == 6 }}} {
			end := whole
			if a.late || some.when != nil { // responses that came before may be in doubt, too
				end = doubted
			}
			name := fmt.Sprintf("duplicate %s, of %s: ", a.name, some.name)
			all = append(all,
				row{name: name + "different answers", play: a.play, when: some.when, want: end},
				row{name: name + "equal answers", play: a.play, when: some.when, equal: true, want: end},
				row{name: name + "with the request's key", play: a.play, when: some.when, echo: true, want: whole},
				row{name: name + "slow model", play: a.play, when: some.when, think: 30 * time.Millisecond, want: end},
			)
		}
	}
	return append(all,
		row{name: "duplicate in place of the next response, with the request's key", play: instead, echo: true, spec: attempts(8), want: whole},
		row{name: "duplicate in place of the next response: THE HOLE", play: instead, want: want{hole: true}},
		row{name: "duplicate after the next head, whose own response is a 500", play: func(t *turn) bool {
			if t.n%2 == 1 {
				t.owed = t.response()
				return ordinary(t)
			}
			t.send("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
			return true
		}, spec: attempts(8), want: doubted},
		row{name: "duplicate after the next head, whose own response has a 100", play: func(t *turn) bool {
			if t.n%2 == 1 {
				t.owed = t.response()
				return ordinary(t)
			}
			t.send("HTTP/1.1 100 Continue\r\n\r\n" + t.response())
			return true
		}, want: doubted},
	)
}

// early are hosts that answer before they have read the request.
func early() []row {
	large := func(t *turn) bool { return t.total%3 == 0 && t.length > 100 }
	says413 := func(t *turn) bool {
		if large(t) {
			t.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}
		return large(t)
	}
	return []row{
		{name: "early: 413 before the body, and the end", play: ordinary, unread: says413, want: whole},
		{name: "early: 413 before the body, kept open", play: func(*turn) bool { return true }, unread: func(t *turn) bool {
			if large(t) {
				t.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
			}
			return false
		}, when: large, want: whole},
		{name: "early: 413 before the body, and a 200 after it", play: ordinary, unread: func(t *turn) bool {
			if large(t) {
				t.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
			}
			return false
		}, want: doubted},
		{name: "early: 503 before the body, and a reset", play: ordinary, unread: func(t *turn) bool {
			if t.total != 3 {
				return false
			}
			t.send("HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			t.reset()
			return true
		}, spec: attempts(4), want: whole},
		{name: "early: an empty 200 before the body", play: ordinary, unread: func(t *turn) bool {
			if t.total%4 != 0 {
				return false
			}
			t.send(ok + "Content-Length: 0\r\n\r\n")
			return true
		}, spec: attempts(8), want: whole},
	}
}

// leftovers are bytes on a connection that belong to no response.
func leftovers() (all []row) {
	push := func(text string) func(*turn) bool {
		return func(t *turn) bool {
			t.send(t.response())
			t.later(2*time.Millisecond, text)
			return true
		}
	}
	some := func(t *turn) bool { return t.total%7 == 6 }
	stranger := ok + "Content-Length: 70\r\n\r\n" + strings.Repeat("9999.5\n", 10)
	return append(all,
		row{name: "leftover: a 408, and the end", play: func(t *turn) bool {
			t.send(t.response())
			t.host.rest(2 * time.Millisecond)
			t.send("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			return false
		}, spec: attempts(8), want: whole},
		row{name: "leftover: an empty line", play: says(func(t *turn) string { return t.response() + "\r\n" }), want: whole},
		row{name: "leftover: garbage at once, in all", play: says(func(t *turn) string { return t.response() + "garbage" }), want: refused(job.BadInput, job.NoHosts)},
		row{name: "leftover: garbage at once, in some", play: says(func(t *turn) string { return t.response() + "garbage" }), when: some, spec: attempts(8), want: whole},
		row{name: "leftover: garbage later, in all", play: push("garbage"), spec: attempts(8), want: want{whole: true, classes: []job.Class{job.NoHosts, job.Superseded, job.BadInput}}},
		row{name: "leftover: garbage later, in some", play: push("garbage"), when: some, spec: attempts(8), want: doubted},
		row{name: "leftover: a 400 later, in all", play: push("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), spec: attempts(8), want: doubted},
		row{name: "leftover: a 500 later, in some", play: push("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), when: some, spec: attempts(8), want: doubted},
		row{name: "leftover: half a response later", play: push("HTTP/1.1 200 O"), when: some, spec: attempts(8), want: doubted},
		row{name: "leftover: the answer goes on in a later packet", play: func(t *turn) bool {
			t.send(t.head(len(t.answer)-3) + t.answer[:len(t.answer)-3])
			t.later(2*time.Millisecond, t.answer[len(t.answer)-3:])
			return true
		}, when: func(t *turn) bool { return t.total == 9 }, behind: true, spec: attempts(8), want: doubted},
		row{name: "leftover: a megabyte of responses", play: says(func(t *turn) string {
			return t.response() + strings.Repeat(ok+"Content-Length: 2\r\n\r\n1\n", 1<<14)
		}), want: whole},
		row{name: "leftover: a stranger's response before any request", play: ordinary, greeting: stranger, want: refused(job.NoHosts, job.BadInput)},
		row{name: "leftover: a banner before any request", play: ordinary, greeting: "220 ready\r\n", want: refused(job.NoHosts, job.BadInput)},
		row{name: "leftover: the response names another request", play: says(func(t *turn) string {
			return strings.Replace(t.response(), "Idempotency-Key: ", "Idempotency-Key: x", 1)
		}), echo: true, when: every(4), spec: attempts(8), want: whole},
		row{name: "leftover: all responses name one request", play: says(func(t *turn) string {
			return t.head(len(t.answer), "Idempotency-Key: "+strconv.Itoa(7)) + t.answer
		}), want: refused(job.BadInput, job.NoHosts)},
	)
}
