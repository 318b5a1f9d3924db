package jobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
)

// slips are the kept connections of a host that answers twice, late or on the wrong connection: some
// responses hold the answers to other records, as many as were asked for. That shows later, or
// at the latest when the connections are examined.
type slips struct {
	rate float64 // share of responses that have slipped
	rnd  *rand.Rand

	mu      sync.Mutex
	before  map[string][]byte // the latest right response for so many records
	pending []*workers.Trust  // of responses that are wrong, or seem to be
}

// pass is what comes of the right response to a request about n records.
func (s *slips) pass(r *workers.Request, n int, right []byte) ([]byte, *workers.Trust) {
	if s == nil {
		return right, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := fmt.Sprint(r.Accept, n)
	stale := s.before[kind]
	s.before[kind] = bytes.Clone(right)
	trust := new(workers.Trust)
	if s.rnd.Float64() >= s.rate || stale == nil {
		return right, trust
	}
	s.pending = append(s.pending, trust)
	if s.rnd.IntN(2) == 0 {
		time.AfterFunc(time.Duration(s.rnd.IntN(3000)+1)*time.Millisecond, trust.Doubt)
	}
	if s.rnd.IntN(4) == 0 {
		return right, trust // the doubt is wrong
	}
	return stale, trust
}

// show puts into doubt what has slipped.
func (s *slips) show() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.pending {
		t.Doubt()
	}
	s.pending = nil
}

// simulateSlips runs the world's job with hosts whose connections slip, until it ends well: no
// answer that has slipped is in an output then. Some runs are cut short. A log that
// holds such answers is refused until the job begins again.
func (w *world) simulateSlips(ctx context.Context, seed uint64) error {
	rnd := rand.New(rand.NewPCG(seed, 9))
	if w.spec.OnBad == "fail" { // an output that was published before the doubt stays where the job begun anew holds its object
		w.spec.OnBad = "placeholder"
	}
	for _, h := range w.hosts {
		h.slips = &slips{rate: pick(rnd, 0.01, 0.1, 0.5), rnd: rand.New(rand.NewPCG(rnd.Uint64(), 3)), before: map[string][]byte{}}
	}
	for try := 0; ; try++ {
		if try == 5 {
			w.keepNoConnections()
		}
		within := time.Duration(1 << 62)
		if rnd.IntN(3) == 0 && try < 5 {
			within = time.Duration(rnd.IntN(5000)) * time.Millisecond
		}
		patient, cancel := context.WithTimeout(ctx, within)
		res, r, err := w.run(patient, w.output)
		cancel()
		switch {
		case err == nil:
			return w.check(res, r)
		case errors.Is(err, context.DeadlineExceeded):
		case !strings.Contains(err.Error(), "sends more than"):
			return fmt.Errorf("%+v: %w", w.spec, err)
		case transform.ClassOf(err) == job.Superseded: // nothing that is in doubt was kept
		default:
			if err := w.refusesItsLog(ctx); err != nil {
				return err
			}
			w.spec.Restart, w.spec.Overwrite = true, true
		}
	}
}

// keepNoConnections does what --no-keep-alive does.
func (w *world) keepNoConnections() {
	for _, h := range w.hosts {
		h.slips = nil
	}
}

// refusesItsLog tries to go on with a log that is in doubt.
func (w *world) refusesItsLog(ctx context.Context) error {
	restart := w.spec.Restart
	w.spec.Restart = false
	_, _, err := w.run(ctx, w.output)
	w.spec.Restart = restart
	if err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(transform.HintOf(err), "--restart --overwrite") {
		return fmt.Errorf("a log that is in doubt is gone on with: %w", err)
	}
	return nil
}
