package jobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/batchmill/batchmill/workers"
)

// A mood is how a host takes requests.
type mood struct {
	kind  moodKind
	slow  float64       // serving: times as slow; 0 is as fast as ever
	code  int           // replying: the status of every answer
	after time.Duration // replying: its Retry-After
}

type moodKind uint8

const (
	serving   moodKind = iota
	absent             // no connection
	stalling           // takes requests and never answers; its ping does not either
	mute               // takes requests and never answers, but its ping does
	replying           // a status, at once
	garbling           // an answer too few, at once
	resetting          // breaks every request off, at once
	loading            // alive, and not ready yet
)

var (
	up      = mood{}
	dead    = mood{kind: absent}
	stalled = mood{kind: stalling}
	silent  = mood{kind: mute}
	garbled = mood{kind: garbling}
	resets  = mood{kind: resetting}
	unready = mood{kind: loading}
)

func slowed(times float64) mood { return mood{slow: times} }
func says(code int, after ...time.Duration) mood {
	return mood{replying, 0, code, slices.Max(append(after, 0))}
}

// A moment is from when a mood holds, counted from the job's begin.
type moment struct {
	at   time.Duration
	mood mood
}

// sec is so many seconds.
func sec(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// flapping changes between moods every so often, until the end.
func flapping(every, end time.Duration, moods ...mood) (script []moment) {
	for i := 0; time.Duration(i)*every < end; i++ {
		script = append(script, moment{time.Duration(i) * every, moods[i%len(moods)]})
	}
	return append(script, moment{end, up})
}

// An actor is a host that plays a script. In good times it serves so many requests at once in a
// time that is known, and lets others wait their turn.
type actor struct {
	part
	name    string
	places  int           // requests served at once
	base    time.Duration // that a request takes, and each of its records
	each    time.Duration
	timeout time.Duration // as --timeout ends requests
	params  workers.Parameters
	largest int   // of a payload in bytes, above is a 413; 0 is no limit
	bad     fault // what comes of a batch with a poisoned record
	// second is what comes of a request that was sent before, to another host; nil is as ever.
	second  func(context.Context, *actor, *workers.Request) (workers.Response, error)
	say     func(id int) string // its answers; nil is what the oracle has
	start   time.Time
	account *account
	serves  chan struct{}

	mu       sync.Mutex
	asked    int
	inFlight int
	most     int
}

// part is what an actor does when.
type part struct {
	script []moment
	joins  time.Duration
	leaves time.Duration // 0 is never
	gives  time.Duration // when its keeper gives it up; 0 is never
}

// account is what all hosts of a job were asked.
type account struct {
	mu     sync.Mutex
	asked  int
	bodies map[string]string // by idempotency key
	times  map[string]int    // asked, by key
	wrong  string
}

// note counts a request, and returns how often its key was asked about.
func (l *account) note(r *workers.Request) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	l.times[r.Key]++
	if was, ok := l.bodies[r.Key]; ok && was != string(r.Body) {
		l.wrong = fmt.Sprintf("two payloads have the key %s", r.Key)
	}
	l.bodies[r.Key] = string(r.Body)
	return l.times[r.Key]
}

func (h *actor) begin(l *account) {
	h.start, h.account, h.serves = time.Now(), l, make(chan struct{}, h.places)
}

func (h *actor) Name() string { return h.name }

// moodAt is the mood at a time since the job's begin, and when the next one begins; 0 is never.
func (h *actor) moodAt(since time.Duration) (now mood, next time.Duration) {
	for _, m := range h.script {
		if m.at > since {
			return now, m.at
		}
		now = m.mood
	}
	return now, 0
}

func (h *actor) mood() mood {
	m, _ := h.moodAt(time.Since(h.start))
	return m
}

func (h *actor) Ready(ctx context.Context) (workers.Parameters, error) {
	switch m := h.mood(); m.kind {
	case absent:
		return workers.Parameters{}, errors.New("connection dead")
	case stalling:
		return workers.Parameters{}, errors.Join(think(ctx, 5*time.Second), errors.New("GET /ping: timeout"))
	case loading:
		return workers.Parameters{}, errors.New("GET /ping: status 503, not ready yet")
	}
	return h.params, ctx.Err()
}

func (h *actor) Invoke(caller context.Context, r *workers.Request) (workers.Response, error) {
	nth := h.account.note(r)
	h.enter(1)
	defer h.enter(-1)
	ctx, cancel := context.WithTimeout(caller, h.timeout)
	defer cancel()
	var resp workers.Response
	var err error
	if h.second != nil && nth == 2 {
		resp, err = h.second(ctx, h, r)
	} else {
		resp, err = h.play(ctx, r)
	}
	switch {
	case err == nil:
		return resp, nil
	case caller.Err() != nil:
		return workers.Response{}, caller.Err()
	case strings.Contains(err.Error(), "no memory for the response"):
		return workers.Response{}, err
	case errors.Is(err, context.DeadlineExceeded):
		return resp, h.fails(workers.Broken, fmt.Errorf("no whole response within %v: %w", h.timeout, err))
	}
	return resp, err
}

func (h *actor) enter(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked += max(n, 0)
	h.inFlight += n
	h.most = max(h.most, h.inFlight)
}

func (h *actor) fails(c workers.Cause, err error) error {
	return &workers.TransportError{Host: h.name, Cause: c, Err: err}
}

// play takes a request as the mood is.
func (h *actor) play(ctx context.Context, r *workers.Request) (workers.Response, error) {
	ids, poisoned := payloadIDs(r)
	if m := h.mood(); m.kind != serving && m.kind != stalling && m.kind != mute {
		if err := think(ctx, time.Millisecond); err != nil {
			return workers.Response{}, err
		}
		return h.atOnce(m, r, ids)
	}
	select {
	case h.serves <- struct{}{}:
	case <-ctx.Done():
		return workers.Response{}, ctx.Err()
	}
	defer func() { <-h.serves }()
	if err := h.serve(ctx, h.cost(len(ids))); err != nil {
		return workers.Response{}, err
	}
	switch {
	case h.largest > 0 && len(r.Body) > h.largest:
		return workers.Response{Status: 413, Body: []byte("too large")}, nil
	case poisoned:
		return h.bad(&fakeHost{alone: map[int]int{}}, r, ids)
	}
	return h.answer(ctx, r, ids)
}

func (h *actor) cost(records int) time.Duration { return h.base + time.Duration(records)*h.each }

// atOnce is what a host says that does not serve.
func (h *actor) atOnce(m mood, r *workers.Request, ids []int) (workers.Response, error) {
	switch m.kind {
	case replying:
		return workers.Response{Status: m.code, RetryAfter: m.after, Body: []byte("as told")}, nil
	case garbling:
		return workers.Response{Status: 200, ContentType: r.Accept, Body: render(ids[1:])}, nil
	case resetting:
		return workers.Response{}, h.fails(workers.Broken, errors.New("connection reset"))
	}
	return workers.Response{}, h.fails(workers.Unreachable, errors.New("connection dead"))
}

// serve works on a request, through all moods that come meanwhile.
func (h *actor) serve(ctx context.Context, work time.Duration) error {
	for work > 0 {
		since := time.Since(h.start)
		m, next := h.moodAt(since)
		switch m.kind {
		case absent, resetting:
			return h.fails(workers.Broken, errors.New("connection reset"))
		case stalling, mute: // and what it has taken is lost
			<-ctx.Done()
			return ctx.Err()
		}
		slow := max(m.slow, 1)
		step := time.Duration(float64(work) * slow)
		if next > 0 {
			step = min(step, next-since)
		}
		if err := think(ctx, step); err != nil {
			return err
		}
		work -= time.Duration(float64(step) / slow)
	}
	return nil
}

// answer takes memory for an answer as the true client does.
func (h *actor) answer(ctx context.Context, r *workers.Request, ids []int) (workers.Response, error) {
	body := render(ids)
	if h.say != nil {
		body = nil
		for _, id := range ids {
			body = append(body, h.say(id)+"\n"...)
		}
	}
	if r.Reserve != nil {
		if err := r.Reserve(ctx, len(body)); err != nil {
			return workers.Response{}, err
		}
	}
	return workers.Response{Status: 200, ContentType: r.Accept, Body: append(r.Into[:0], body...)}, nil
}

func render(ids []int) []byte {
	var b bytes.Buffer
	for _, id := range ids {
		b.WriteString(answerTo(id) + "\n")
	}
	return b.Bytes()
}

// kept is an actor that somebody keeps up.
type kept struct{ *actor }

func (h kept) Keep(ctx context.Context) error {
	if h.gives == 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := think(ctx, h.gives-time.Since(h.start)); err != nil {
		return err
	}
	return errors.New("it ended 5 times")
}

// named is a source: the actors that have joined and not left stand behind it.
type named struct{ actors []*actor }

func (named) Name() string { return "dns+http://fleet" }

func (n *named) Watch(ctx context.Context, tell func([]workers.Host), _ func(error)) error {
	var changes []time.Duration
	for _, h := range n.actors {
		changes = append(changes, h.joins, h.leaves)
	}
	slices.Sort(changes)
	for _, at := range slices.Compact(changes) {
		if err := think(ctx, at-time.Since(n.actors[0].start)); err != nil {
			return err
		}
		var there []workers.Host
		for _, h := range n.actors {
			if h.joins <= at && (h.leaves == 0 || at < h.leaves) {
				there = append(there, h)
			}
		}
		tell(there)
	}
	<-ctx.Done()
	return ctx.Err()
}
