package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
)

// world is a few runs of one job that all write one log, in one bucket. They
// take turns, request by request, in an order that a seed settles; a run
// that gets no turn sleeps, and any request may be a run's last.
type world struct {
	t    *testing.T
	rand *rand.Rand
	m    *bucket.Bucket
	runs []*simRun

	entries int      // made so far
	acked   []string // synced, and nobody has cut or removed the log since
	cutting int      // cuts and removals under way
	cuts    int      // begun so far
	strays  bool     // a run died between a put and its looks, so that there may be a segment of a removed log
	synced  int
	fenced  int
	damaged bool
	last    int // who had the last turn
	trace   []string
}

// simRun is a process. It is a goroutine that waits for its turn before each request.
type simRun struct {
	w      *world
	id     int
	s      *Store
	ctx    context.Context
	kill   context.CancelFunc
	asks   chan string   // the next request
	turn   chan simFault // and what becomes of it
	asking bool
	ended  bool
	dead   bool
	put    string // the last key
}

type simFault uint8

const (
	simDone      simFault = iota
	simLost               // it is carried out, and the answer is lost
	simNever              // it never arrives
	simDead               // the process dies before it
	simDeadLater          // the process dies behind it
)

func (w *world) start() {
	r := &simRun{w: w, id: len(w.runs), asks: make(chan string), turn: make(chan simFault)}
	r.ctx, r.kill = context.WithCancel(w.t.Context())
	client := w.m.Connect(bucket.Weather{Seed: w.rand.Uint64()})
	client.Steer = r.one
	r.s = Over(client.Calls(), Location{Bucket: "bucket", Key: "out"}, Options{})
	w.runs = append(w.runs, r)
	go func() {
		defer close(r.asks)
		defer r.kill()
		r.main()
	}()
}

// one waits for a turn, and makes one request of it. Contents are read without a turn.
func (r *simRun) one(op s3test.Op, asked string, carryOut func()) error {
	if op == s3test.Get {
		carryOut()
		return nil
	}
	if r.dead {
		return bucket.ErrDied
	}
	r.asks <- string(op) + " " + asked
	fault := <-r.turn
	r.w.trace = append(r.w.trace, fmt.Sprintf("%d: %s %s (%d)", r.id, op, asked, fault))
	switch fault {
	case simNever:
		return bucket.ErrLost
	case simDead:
		r.die()
		return bucket.ErrDied
	}
	carryOut()
	r.note(op, asked)
	switch fault {
	case simLost:
		return bucket.ErrLost
	case simDeadLater:
		r.die()
		return bucket.ErrDied
	}
	return nil
}

// note remembers what the run may have put.
func (r *simRun) note(op s3test.Op, key string) {
	if op == "put" {
		r.put = key
	}
}

// die ends the process. It may leave a segment of a log that was removed, by
// another run or by itself.
func (r *simRun) die() {
	if o := r.w.m.Get(r.put); o == nil {
		keys := r.w.m.Keys()
		r.w.strays = r.w.strays || r.put != "" && len(keys) > 0 && keys[len(keys)-1] > r.put
	} else {
		first := r.w.m.Get("out/log/" + o.Meta[metaBase])
		r.w.strays = r.w.strays || first == nil || first.Meta[metaLog] != o.Meta[metaLog]
	}
	r.dead = true
	r.kill()
}

// main reads the log, takes it over, appends to it, and may cut or remove it.
func (r *simRun) main() {
	for range 4 {
		log, err := r.read()
		if err != nil {
			return
		}
		a, err := r.s.Append(r.ctx, "log", int64(len(log)))
		switch {
		case errors.Is(err, store.ErrGrown):
			continue
		case err != nil:
			r.failed("append", err)
			return
		}
		r.work(a, log)
		return
	}
}

func (r *simRun) read() (string, error) {
	for range 3 {
		t, err := r.s.findLog(r.ctx, "log")
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		if err != nil {
			r.failed("read", err)
			return "", err
		}
		if log, ok := r.w.content(t); ok {
			return log, nil
		}
	}
	return "", errors.New("it does not stand still")
}

// content is what the segments of a table hold, if they are still there.
func (w *world) content(t *table) (string, bool) {
	var log strings.Builder
	for _, g := range t.segments {
		o := w.m.Get("out/" + segmentName("log", g.number))
		if o == nil || strings.Trim(o.ETag, `"`) != g.etag {
			return "", false
		}
		log.Write(o.Data)
	}
	return log.String(), true
}

func (r *simRun) work(a store.Appender, log string) {
	w, cuts := r.w, r.w.cuts
	for range 1 + w.rand.IntN(5) {
		switch w.rand.IntN(12) {
		case 0:
			w.cut(func() error { return a.Truncate(0) }, r)
			if _, err := a.Write(nil); err != nil {
				return
			}
			log, cuts = "", w.cuts
			continue
		case 2:
			kept := w.rand.IntN(len(log) + 1)
			w.cut(func() error { return a.Truncate(int64(kept)) }, r)
			if _, err := a.Write(nil); err != nil {
				return
			}
			log, cuts = log[:kept], w.cuts
			continue
		case 1:
			a.Close()
			w.cut(func() error { return r.s.Remove(r.ctx, "log") }, r)
			return
		}
		w.entries++
		// Sizes differ: Append knows what its caller has read by nothing else.
		entry := fmt.Sprintf("%d.%d%s ", r.id, w.entries, strings.Repeat("_", w.rand.IntN(10_000)))
		if err := tryAdd(a, entry); err != nil {
			r.failed("sync", err)
			return
		}
		log += entry
		w.synced++
		if w.cutting > 0 || cuts != w.cuts {
			continue // it may have been cut already
		}
		w.acked = append(w.acked, entry)
		// No one has written behind this run's back: the log begins with all that it knows.
		if now, err := w.now(); err != nil || !strings.HasPrefix(now, log) {
			w.t.Errorf("run %d has synced %q; the log holds %q, %v", r.id, brief(log), brief(now), err)
		}
	}
}

func brief(log string) string { return strings.ReplaceAll(log, "_", "") }

// cut is what may take entries away: from when it begins, until it ends or its run dies.
func (w *world) cut(do func() error, r *simRun) {
	w.acked = nil
	w.cutting++
	w.cuts++
	err := do()
	w.acked = nil
	w.cutting--
	w.cuts++
	if err != nil {
		r.failed("cut", err)
	}
}

// failed checks that err is one that may be.
func (r *simRun) failed(what string, err error) {
	var damage *DamageError
	switch {
	case r.dead:
	case errors.Is(err, store.ErrSuperseded):
		r.w.fenced++
	case strings.Contains(err.Error(), bucket.ErrLost.Error()):
	case errors.As(err, &damage) && r.w.cuts > 0: // see TestInterleaved
	default:
		r.w.t.Errorf("run %d: %s: %v", r.id, what, err)
	}
}

// step gives one run its turn. It tells whether any is left.
func (w *world) step(sleepy int) bool {
	synctest.Wait()
	var ready []*simRun
	for _, r := range w.runs {
		if !r.asking && !r.ended {
			select {
			case _, ok := <-r.asks:
				r.asking, r.ended = ok, !ok
			default: // it waits for its clock
			}
		}
		if r.asking {
			ready = append(ready, r)
		}
	}
	return w.turn(ready, sleepy)
}

// turn lets one of the runs that ask go on; mostly the one that went last, so
// that the others sleep for long.
func (w *world) turn(ready []*simRun, sleepy int) bool {
	if len(ready) == 0 {
		if !slices.ContainsFunc(w.runs, func(r *simRun) bool { return !r.ended }) {
			return false
		}
		time.Sleep(time.Second)
		return true
	}
	r := ready[w.rand.IntN(len(ready))]
	if i := slices.IndexFunc(ready, func(r *simRun) bool { return r.id == w.last }); i >= 0 && w.rand.IntN(sleepy) > 0 {
		r = ready[i]
	}
	w.last, r.asking = r.id, false
	fault := simDone
	if n := w.rand.IntN(200); n < 4 {
		fault = simLost
	} else if n < 6 {
		fault = simNever
	} else if n < 8 {
		fault = simDead
	} else if n < 11 {
		fault = simDeadLater
	}
	r.turn <- fault
	synctest.Wait()
	w.check()
	return true
}

// TestInterleaved lets up to three runs at a time write one log. In every
// order, whoever sleeps, loses answers or dies: what was synced is in the log
// until it is cut; no run syncs behind what it has not read; and the next run
// finds a whole log.
//
// A log looks damaged for a moment when a run that slept while it was
// removed has put its segment and has not looked yet, and stays so if the run
// dies there. That is an error to who reads it, never a wrong log.
func TestInterleaved(t *testing.T) {
	worlds := 200
	if testing.Short() {
		worlds = 40
	}
	t.Attr("interleavings", strconv.Itoa(worlds))
	synced, fenced, damaged := 0, 0, 0
	for seed := range worlds {
		w := &world{t: t, m: bucket.New("bucket"), rand: rand.New(rand.NewPCG(uint64(seed), 1))}
		synctest.Test(t, func(t *testing.T) {
			w.t = t
			more := 3 + w.rand.IntN(4)
			sleepy := 2 + w.rand.IntN(30)
			w.start()
			for w.step(sleepy) {
				if more > 0 && w.rand.IntN(8) == 0 && w.living() < 3 {
					more--
					w.start()
				}
			}
			w.finish()
			if t.Failed() {
				t.Fatalf("seed %d:\n%s", seed, strings.Join(w.trace, "\n"))
			}
		})
		synced, fenced = synced+w.synced, fenced+w.fenced
		if w.damaged {
			damaged++
		}
	}
	t.Logf("%d worlds: %d syncs, %d runs fenced, %d logs damaged by who died on waking up", worlds, synced, fenced, damaged)
	if synced < worlds || fenced < worlds/20 || damaged > worlds/20 {
		t.Error("this tests little")
	}
}

func (w *world) living() (n int) {
	for _, r := range w.runs {
		if !r.ended && !r.dead {
			n++
		}
	}
	return n
}
