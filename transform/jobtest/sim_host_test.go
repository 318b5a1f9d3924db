package jobtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/batchmill/batchmill/workers"
)

// fakeHost answers from the records' ids, and misbehaves as its rates say. It
// remembers what it did to each record, for the oracle.
type fakeHost struct {
	name    string
	latency time.Duration // mean
	faults  float64       // share of requests that go wrong
	limit   int           // payloads above it get a 413; 0 is no limit
	pace    time.Duration // latency of every request, instead of chance
	down    func(now time.Time) bool
	rnd     *rand.Rand
	poison  int               // status for a batch with a poisoned record
	script  func(n int) fault // what happens to request n, instead of chance
	count   int
	keep    func(id int) bool        // which records a host that filters answers; nil is all
	bare    bool                     // such a host leaves out the last line end
	look    func(r *workers.Request) // what the oracle says of a payload
	// Hosts that speak Parquet read and write in their own way; nil is the usual one.
	read  func(r *workers.Request) (ids []int, poisoned bool)
	write func(r *workers.Request, ids []int) []byte
	slips *slips // what its connections do to its answers; nil keeps them

	mu    sync.Mutex
	alone map[int]int // id -> how often it failed in a request of its own
	// miscounted are the ids of requests that got another number of answers.
	miscounted map[int]bool
	asked      map[int]int // id -> how often it was asked about
	inFlight,
	mostInFlight int
}

func (h *fakeHost) Name() string { return h.name }

func (h *fakeHost) Ready(context.Context) (workers.Parameters, error) {
	if h.down != nil && h.down(time.Now()) {
		return workers.Parameters{}, errors.New("not yet")
	}
	return workers.Parameters{}, nil
}

// think waits for delay or for the end of ctx. A delay of nothing makes no timer: one that is due when it is
// received from runs on the receiver's thread, with a race context that its whole bubble shares, and two of them at
// once end the race detector (golang/go#78156).
func think(ctx context.Context, delay time.Duration) error {
	if delay <= 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(delay):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *fakeHost) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	read := payloadIDs
	if h.read != nil {
		read = h.read
	}
	ids, poisoned := read(r)
	if h.look != nil {
		h.look(r)
	}
	delay, fault := h.begin(ids)
	defer h.end()
	if err := think(ctx, delay); err != nil {
		return workers.Response{}, err
	}
	switch {
	case h.down != nil && h.down(time.Now()):
		return workers.Response{}, &workers.TransportError{Host: h.name, Cause: workers.Unreachable, Err: errors.New("connection refused")}
	case h.limit > 0 && len(r.Body) > h.limit:
		h.failed(ids)
		return workers.Response{Status: 413}, nil
	case fault != nil:
		return fault(h, r, ids)
	case poisoned && h.poison != 0:
		h.failed(ids)
		return workers.Response{Status: h.poison, Body: []byte("bad record")}, nil
	}
	body := h.render(r, ids)
	if r.Reserve != nil {
		if err := r.Reserve(ctx, len(body)); err != nil {
			return workers.Response{}, err
		}
	}
	body, trust := h.slips.pass(r, len(ids), body)
	return workers.Response{Status: 200, ContentType: r.Accept, Body: append(r.Into[:0], body...), Trust: trust}, nil
}

// Examine shows which answers were those to other records.
func (h *fakeHost) Examine(context.Context) { h.slips.show() }

func (h *fakeHost) begin(ids []int) (time.Duration, fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		h.asked[id]++
	}
	h.inFlight++
	h.mostInFlight = max(h.mostInFlight, h.inFlight)
	delay := time.Duration(h.rnd.ExpFloat64()*float64(h.latency)) + h.pace
	if h.count++; h.script != nil {
		return delay, h.script(h.count - 1)
	}
	if h.rnd.Float64() < h.faults {
		if h.keep != nil {
			return delay, wholeFaults[h.rnd.IntN(len(wholeFaults))]
		}
		return delay, faults[h.rnd.IntN(len(faults))]
	}
	return delay, nil
}

func (h *fakeHost) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inFlight--
}

func (h *fakeHost) failed(ids []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(ids) == 1 {
		h.alone[ids[0]]++
	}
}

// miscount remembers that a request about ids gets another number of answers.
func (h *fakeHost) miscount(ids []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.miscounted == nil {
		h.miscounted = map[int]bool{}
	}
	for _, id := range ids {
		h.miscounted[id] = true
	}
}

// render answers id with id + 0.5, in the form that was asked for.
func (h *fakeHost) render(r *workers.Request, ids []int) []byte {
	if h.write != nil {
		return h.write(r, ids)
	}
	var b bytes.Buffer
	if h.keep != nil {
		for _, id := range ids {
			if h.keep(id) {
				b.WriteString(answerTo(id) + "\n")
			}
		}
		if h.bare {
			return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
		}
		return b.Bytes()
	}
	if r.Accept == "application/json" {
		list := make([]json.RawMessage, len(ids))
		for i, id := range ids {
			list[i] = json.RawMessage(answerTo(id))
		}
		text, _ := json.Marshal(map[string]any{"predictions": list})
		return text
	}
	for _, id := range ids {
		b.WriteString(answerTo(id) + "\n")
	}
	return b.Bytes()
}

func answerTo(id int) string { return fmt.Sprintf("%d.5", id) }

// fault is a way to go wrong.
type fault func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error)

func status(code int, after time.Duration) fault {
	return func(h *fakeHost, _ *workers.Request, ids []int) (workers.Response, error) {
		if code != 503 && code != 429 {
			h.failed(ids)
		}
		return workers.Response{Status: code, RetryAfter: after, Body: []byte("as told")}, nil
	}
}

func broken(h *fakeHost, _ *workers.Request, ids []int) (workers.Response, error) {
	h.failed(ids)
	return workers.Response{}, &workers.TransportError{Host: h.name, Cause: workers.Broken, Err: errors.New("connection reset")}
}

// oneShort leaves out the last answer.
func oneShort(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
	h.failed(ids)
	h.miscount(ids)
	return workers.Response{Status: 200, ContentType: r.Accept, Body: h.render(r, ids[:len(ids)-1])}, nil
}

// oneMore repeats the first answer.
func oneMore(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
	h.failed(ids)
	h.miscount(ids)
	return workers.Response{Status: 200, ContentType: r.Accept, Body: h.render(r, append([]int{ids[0]}, ids...))}, nil
}

// unframed loses its end together with its connection.
func unframed(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
	h.failed(ids)
	h.miscount(ids)
	body := h.render(r, ids)
	return workers.Response{Status: 200, ContentType: r.Accept, Unframed: true, Body: body[:max(0, len(body)-1)]}, nil
}

var faults = []fault{
	status(500, 0), status(502, 0), status(503, 0), status(503, 3*time.Second), status(429, 0),
	status(409, 0), status(400, 0), broken, oneShort, oneMore, unframed,
}

// wholeFaults are those that a response taken whole cannot hide: no one counts its answers.
var wholeFaults = slices.Concat(faults[:8], faults[10:])

// payloadIDs reads the first field of each record in the payload.
func payloadIDs(r *workers.Request) (ids []int, poisoned bool) {
	poisoned = bytes.Contains(r.Body, []byte("poison"))
	id := 0
	switch {
	case r.ContentType == "text/csv":
		records, err := csv.NewReader(bytes.NewReader(r.Body)).ReadAll()
		if err != nil {
			panic(fmt.Sprintf("payload is no CSV: %v: %q", err, r.Body))
		}
		if len(records) > 0 && records[0][0] == "id" {
			records = records[1:] // --send-header
		}
		for _, rec := range records {
			if _, err := fmt.Sscan(rec[0], &id); err != nil {
				panic(fmt.Sprintf("payload has no id: %v: %q", err, rec))
			}
			ids = append(ids, id)
		}
	case strings.HasSuffix(r.ContentType, "jsonlines"):
		for sc := bufio.NewScanner(bytes.NewReader(r.Body)); sc.Scan(); {
			ids = append(ids, idOf(sc.Bytes()))
		}
	case r.ContentType == "text/plain" || r.ContentType == "text/libsvm":
		for line := range strings.Lines(string(r.Body)) {
			ids = append(ids, idOfLine(line))
		}
	default:
		var list []json.RawMessage
		if err := json.Unmarshal(r.Body, &list); err != nil {
			panic(fmt.Sprintf("payload is no JSON array: %v: %q", err, r.Body))
		}
		for _, v := range list {
			ids = append(ids, idOf(v))
		}
	}
	return ids, poisoned
}

func idOfLine(line string) (id int) {
	if _, err := fmt.Sscan(line, &id); err != nil {
		panic(fmt.Sprintf("payload has no id: %v: %q", err, line))
	}
	return id
}

// idOf is the id of an object, or of a line that travels as a JSON string.
func idOf(object []byte) int {
	var line string
	if json.Unmarshal(object, &line) == nil {
		return idOfLine(line)
	}
	var v struct{ ID int }
	if err := json.Unmarshal(object, &v); err != nil {
		panic(fmt.Sprintf("payload is no JSON: %v: %q", err, object))
	}
	return v.ID
}
