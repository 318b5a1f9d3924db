package transform

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// Names in the output store.
const (
	manifestName = "_manifest.json"
	successName  = "_SUCCESS"
	rejectsDir   = "_rejects"
	workDir      = "_batchmill"
	logName      = workDir + "/log"
	lockName     = workDir + "/lock"
	probeDir     = workDir + "/probe"
)

// The kinds of log entries.
const (
	entryGroup   = 'G' // where it begins itself: see frameGroup
	entryJob     = 'J' // jobEntry, as JSON: the first entry but for a group's
	entryObject  = 'O' // objectEntry, as JSON: an input and its pin, one each
	entryAnswers = 'A' // what hosts said about a batch: see appendAnswers
	entryRetried = 'R' // the same of one record that was asked about again
	entryLayout  = 'W' // formats.Layout, as JSON: what the job's first answers settled
	entryIntent  = 'I' // settled, as JSON: outputs are complete, and about to get their names
	entrySettled = 'S' // settled, as JSON: outputs have their names
	entryAlive   = 'H' // empty: a run is at work and has nothing to log
	entryRedo    = 'D' // empty: all outputs are to be made again, from what is logged
)

// settled is an object's end. Index is its place in the job.
type settled struct {
	Index  int             `json:"index"`
	Object manifest.Object `json:"object"`
}

// state is what an output directory knows of its job, and the log that keeps it.
type state struct {
	plan   *Plan
	keeper store.Keeper
	log    *logWriter
	seen   int64     // size of the log when it was read
	grown  time.Time // and when it had grown last
	// otherPolicy: an older run under another --on-bad was about to publish something.
	otherPolicy bool
	// damaged: the log cannot be opened, and is to be forgotten whole.
	damaged bool
	unlock  func() error

	job     jobEntry
	fates   *fates // what became of the objects
	known   *replay
	layout  *formats.Layout // of answers, as logged; nil when not settled
	objects int             // object entries seen
	// oldRejects: there are rejects files, some of which may be outdated.
	oldRejects bool
}

// openState locks the output where it can, reads what earlier runs left, and refuses
// an output that is not this job's. It is the first thing that writes, and writes
// only the lock. The state must be closed.
func openState(ctx context.Context, p *Plan) (_ *state, err error) {
	keeper, ok := p.Output.(store.Keeper)
	if !ok {
		return nil, usage("choose another --output", "%s cannot keep a job's state", p.Output.URI(""))
	}
	st := &state{plan: p, keeper: keeper, fates: newFates(p)}
	st.forgetAll()
	if st.unlock, err = lock(ctx, p.Output); err != nil {
		if errors.Is(err, store.ErrLocked) {
			err = &Failure{Class: Superseded, Err: fmt.Errorf("%s: another run of batchmill is at work there", p.Output.URI("")),
				Hint: "wait for it, or choose another --output"}
		}
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close())
		}
	}()
	if err := st.lookForRejects(ctx); err != nil {
		return nil, err
	}
	whole, err := st.readLog(ctx)
	if err != nil {
		return nil, err
	}
	return st, st.claim(ctx, whole)
}

// lock takes the output's lock. It tries twice: who asks for the job's status
// holds it for an instant. Where there are no locks, [state.begin] takes the log over.
func lock(ctx context.Context, s store.Store) (func() error, error) {
	k, ok := s.(store.Locker)
	if !ok {
		return nil, nil
	}
	unlock, err := k.Lock(ctx, lockName)
	if errors.Is(err, store.ErrLocked) {
		time.Sleep(50 * time.Millisecond)
		unlock, err = k.Lock(ctx, lockName)
	}
	return unlock, err
}

// readLog takes what earlier runs logged, and returns how much of it is whole.
// --restart forgets it. So does --overwrite when it is another job's.
func (st *state) readLog(ctx context.Context) (int64, error) {
	if st.plan.Spec.Restart {
		var err error
		st.seen, st.grown, err = logSize(ctx, st.keeper)
		if errors.Is(err, store.ErrDamaged) { // only a restart comes past that
			st.damaged, err = true, nil
		}
		return 0, err
	}
	whole, log, err := readLog(ctx, st.keeper, st.plan.Output.URI(logName), st.replay)
	st.seen, st.grown = log.Size, log.ModTime
	var other *otherJobError
	if st.plan.Spec.Overwrite && errors.As(err, &other) {
		st.forgetAll()
		return 0, nil
	}
	if err == nil && st.objects < st.plan.count() {
		// It died before all inputs were noted, so nothing was asked.
		st.forgetAll()
		whole = 0
	}
	st.known.size = whole
	return whole, err
}

// forgetAll is the state of an output without a log.
func (st *state) forgetAll() {
	st.job, st.objects, st.layout = jobEntry{}, 0, nil
	clear(st.fates.newest)
	clear(st.fates.marks)
	st.known = &replay{keeper: st.keeper, uri: st.plan.Output.URI(logName), retried: map[int]map[int64]*logged{}}
}

// replay takes one entry of the log.
func (st *state) replay(offset int64, kind byte, body []byte) error {
	switch kind {
	case entryJob:
		if err := json.Unmarshal(body, &st.job); err != nil {
			return err
		}
		return st.sameJob()
	case entryObject:
		return st.sameObject(body)
	case entryAlive:
		return nil
	case entryLayout:
		st.layout = new(formats.Layout)
		return json.Unmarshal(body, st.layout)
	case entryAnswers, entryRetried:
		return st.replayAnswers(offset, kind, body)
	case entryIntent, entrySettled:
		return st.replaySettled(kind, body)
	case entryRedo:
		st.redo()
		return nil
	}
	return fmt.Errorf("entries of kind %q are unknown; a newer batchmill wrote it", kind)
}

func (st *state) replayAnswers(offset int64, kind byte, body []byte) error {
	if kind == entryRetried {
		body = slices.Clone(body) // these few stay in memory
	}
	l, err := parseAnswers(body)
	if err != nil {
		return err
	}
	if l.object < 0 || l.object >= st.plan.count() {
		return fmt.Errorf("object %d is none of the job's", l.object)
	}
	if kind == entryRetried {
		if st.known.retried[l.object] == nil {
			st.known.retried[l.object] = map[int64]*logged{}
		}
		st.known.retried[l.object][l.first] = l
		return nil
	}
	st.known.note(offset, l)
	return nil
}

func (st *state) replaySettled(kind byte, body []byte) error {
	var s settled
	if err := json.Unmarshal(body, &s); err != nil {
		return err
	}
	if s.Index < 0 || s.Index >= st.plan.count() {
		return fmt.Errorf("object %d is none of the job's", s.Index)
	}
	if o := &s.Object; o.Status != manifest.Held && (o.Status != manifest.Published || o.Output == nil) {
		return fmt.Errorf("object %d has the status %q, or no output", s.Index, o.Status)
	}
	if err := st.fates.put(s.Index, &s.Object); err != nil {
		return err
	}
	if kind == entryIntent {
		st.fates.set(s.Index, intentMark)
		return nil
	}
	st.fates.settle(s.Index, s.Object.Status)
	return nil
}

// begin opens the log behind what is whole of it, and writes what binds it
// where it is new. The error is [store.ErrGrown] when an older run wrote to
// it since it was read: then that run can write no more, and all is to be read again.
func (st *state) begin(ctx context.Context) error {
	whole := st.known.size
	wait, err := st.quietFor(ctx)
	if err != nil {
		return err
	}
	if prober, ok := st.plan.Output.(store.Prober); ok {
		if err := prober.Probe(ctx, probeDir); err != nil {
			return err
		}
	}
	if st.damaged {
		if err := st.keeper.Remove(ctx, logName); err != nil {
			return err
		}
	}
	out, err := st.keeper.Append(ctx, logName, st.seen)
	if err != nil {
		return err
	}
	err = st.finishedMeanwhile(ctx, whole)
	if err == nil {
		err = out.Truncate(whole)
	}
	if err != nil {
		return errors.Join(err, out.Close())
	}
	st.log = newLogWriter(out, whole)
	switch {
	case whole == 0:
		err = st.bind()
	case st.plan.Spec.Overwrite:
		err = st.note(entryRedo, struct{}{})
	}
	if err != nil {
		return err
	}
	if err := st.log.commit(); err != nil {
		return err
	}
	if err := rest(ctx, wait); err != nil {
		return err
	}
	if err := st.tidy(ctx); err != nil {
		return err
	}
	if o, ok := st.plan.Output.(store.Owner); ok {
		o.Own(st.job.ID)
	}
	return st.takeDown(ctx)
}

// finishedMeanwhile fails with [store.ErrGrown] where an older run has finished
// the job, and removed its log, since this one found none.
func (st *state) finishedMeanwhile(ctx context.Context, whole int64) error {
	if whole > 0 || st.unlock != nil || st.plan.Spec.Overwrite || st.plan.Spec.Restart {
		return nil
	}
	m, err := readManifest(ctx, st.plan.Output, func(*manifest.Object) error { return nil })
	if err != nil || m == nil || m.JobID == st.job.ID {
		return err
	}
	return &store.Error{Op: "append", URI: st.plan.Output.URI(logName), Err: store.ErrGrown}
}

// tidy removes what a run that died left, and nobody will ask for.
func (st *state) tidy(ctx context.Context) error {
	if st.plan.codec.spliced() {
		if err := st.keeper.Remove(ctx, spillDir); err != nil {
			return err
		}
	}
	if _, ok := st.plan.Output.(store.Prober); ok {
		if err := st.keeper.Remove(ctx, probeDir); err != nil {
			return err
		}
	}
	return st.abandon(ctx)
}

// redo forgets what is settled; outputs that were published may be replaced.
func (st *state) redo() {
	for i := range st.fates.marks {
		if st.fates.has(i, intentMark) {
			st.fates.set(i, oursMark)
		}
		st.fates.reopen(i)
	}
}

// bind writes what binds the log to the job. There may be millions of objects,
// so it does not wait for the end to make them durable: a log that holds
// only some of them counts as empty.
func (st *state) bind() error {
	if st.job.ID == "" {
		st.job.ID, st.job.Started = rand.Text(), time.Now().UTC()
	}
	st.job.Version, st.job.Identity = logVersion, st.plan.identity()
	if err := st.note(entryJob, st.job); err != nil {
		return err
	}
	for o, err := range st.plan.all() {
		if err != nil {
			return err
		}
		if err := st.bound(entryObject, o.entry()); err != nil {
			return err
		}
	}
	for i := range st.plan.count() {
		if !st.fates.has(i, settledMark) {
			continue
		}
		_, was, err := st.fate(i)
		if err != nil {
			return err
		}
		if err := st.bound(entrySettled, settled{i, *was}); err != nil {
			return err
		}
	}
	return st.log.commit()
}

// nearPiece is how many bytes of bind's entries wait for a commit, where one is cheap.
const nearPiece = 1 << 20

// bound notes an entry, and commits when many wait for it.
func (st *state) bound(kind byte, v any) error {
	if err := st.note(kind, v); err != nil {
		return err
	}
	piece := nearPiece
	if _, distant := st.plan.Output.(store.Distant); distant {
		piece = groupWorth
	}
	if st.log.waiting() < piece {
		return nil
	}
	return st.log.commit()
}

// fate is object i, and what became of it: nil where nothing is known.
func (st *state) fate(i int) (*object, *manifest.Object, error) {
	o, err := st.plan.object(i)
	if err != nil {
		return nil, nil, err
	}
	m, err := st.fates.of(o)
	return o, m, err
}

// note appends an entry of JSON.
func (st *state) note(kind byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return st.log.append(frameEntry(nil, kind, func(dst []byte) []byte { return append(dst, text...) }))
}

// mode is how the outputs of object i get their names.
func (st *state) mode(i int) store.Mode {
	if st.plan.Spec.Overwrite || st.fates.has(i, oursMark) {
		return store.Replace
	}
	return store.New
}

func (st *state) close() error {
	var errs []error
	st.known.close()
	errs = append(errs, st.fates.close())
	if st.log != nil {
		errs = append(errs, st.log.close())
		st.log = nil
	}
	if st.unlock != nil {
		errs = append(errs, st.unlock())
	}
	return errors.Join(errs...)
}
