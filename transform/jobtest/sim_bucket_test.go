package jobtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
	"github.com/batchmill/batchmill/workers"
)

// bucketWorld is a world whose outputs are kept in a bucket, and in some its
// inputs too. Its job is run by lives: processes that die, are cancelled, or
// sleep while a later one takes the job over and find out when they wake up.
type bucketWorld struct {
	*world
	rnd   *rand.Rand // of its own, so that the world is what its seed makes it anywhere
	out   *bucket.Bucket
	in    *bucket.Bucket // nil where the inputs are not in one
	air   bucket.Weather // what is the same for all lives
	lives []*life
}

// life is one process that runs the job.
type life struct {
	number   int
	limit    int64
	weather  bucket.Weather
	patience time.Duration // after which it is cancelled; 0 is never
	client   *bucket.Client
	from, to time.Time
	res      *transform.Result
	progress *transform.Progress
	err      error
	done     chan struct{}
}

// simBucket is a bucket whose listings have many pages.
func simBucket(name string) *bucket.Bucket {
	b := bucket.New(name)
	b.Page = 5
	return b
}

// overBucket is the store on S3 over a client of a bucket. Its sizes are small, so that
// small jobs have many requests.
func overBucket(name string, c *bucket.Client) *s3.Store {
	return s3.Over(c.Calls(), s3.Location{Bucket: name}, s3.Options{Part: 64, Memory: 64 << 10, Concurrency: 3})
}

// gotLost tells whether err is that a request was made often enough without an answer.
func gotLost(err error) bool {
	return err != nil && strings.Contains(err.Error(), bucket.ErrLost.Error())
}

// leastBound is the shortest time that package s3 gives to any of its requests.
const leastBound = 10 * time.Second

// tookLong tells whether err is that package s3 gave up a request which it gives a
// bounded time: the process slept on it.
func tookLong(err error) bool {
	return strings.Contains(err.Error(), "deadline exceeded") || strings.Contains(err.Error(), "no answer within")
}

// inBucket tells whether a seed's world is kept in a bucket.
func inBucket(seed uint64) bool { return seed%4 == 3 }

// simulateBucket runs the world's job by some lives, which may overlap, and then
// by a last one that nothing disturbs.
func (w *world) simulateBucket(ctx context.Context, seed uint64) error {
	b := &bucketWorld{world: w, rnd: rand.New(rand.NewPCG(seed, 6)), out: simBucket("out")}
	b.spec.Output = "s3://out"
	b.air = bucket.Weather{Latency: pick(b.rnd, time.Millisecond, 20*time.Millisecond, 300*time.Millisecond), Drift: true,
		Lost: pick(b.rnd, 0, 0, 0.01, 0.05), Busy: pick(b.rnd, 0, 0, 0.05)}
	if b.rnd.IntN(3) == 0 {
		b.in = simBucket("in")
		b.out.CopiesFrom(b.in)
		for name, text := range w.input.Snapshot() {
			b.in.Put(name, text)
		}
	}
	defer b.outlive()
	growing := w.growing()
	for range b.rnd.IntN(5) {
		if growing && (b.spec.Limit == 0 || b.rnd.IntN(2) == 0) {
			b.growLimit(b.rnd.IntN(pick(b.rnd, 3, 60, 400)))
		}
		b.begin(ctx)
		if err := b.meanwhile(); err != nil {
			return err
		}
	}
	if err := b.wait(); err != nil {
		return err
	}
	if growing {
		b.spec.Limit = 0
	}
	w.change()
	for _, h := range w.hosts {
		h.mostInFlight = 0 // it was shared by several
	}
	return b.finish(ctx)
}

// begin begins a life. What ends it, if anything does, is left to chance.
func (b *bucketWorld) begin(ctx context.Context) {
	l := &life{number: len(b.lives) + 1, limit: b.spec.Limit, weather: b.air, from: time.Now(), done: make(chan struct{})}
	l.weather.Seed = b.rnd.Uint64()
	switch b.rnd.IntN(6) {
	case 0, 1:
		l.weather.Dies = 1 + b.rnd.Int64N(pick(b.rnd, int64(20), 60, 300))
	case 2, 3:
		l.weather.Sleeps = 1 + b.rnd.Int64N(pick(b.rnd, int64(20), 60, 300))
		l.weather.Nap = time.Duration(b.rnd.ExpFloat64() * float64(pick(b.rnd, time.Second, 10*time.Second, 2*time.Minute)))
		if b.rnd.IntN(4) == 0 {
			l.weather.Dies = l.weather.Sleeps + 1 + b.rnd.Int64N(5) // soon after it wakes up
		}
	case 4:
		l.weather.Cut = 1 + b.rnd.Int64N(200)
	default:
		l.patience = time.Duration(b.rnd.IntN(20_000)+1) * time.Millisecond
	}
	b.lives = append(b.lives, l)
	w := *b.world // as it is now: the world's limit grows while lives go on
	go b.live(ctx, l, &w)
}

// live is a life to its end, in a world of its own.
func (b *bucketWorld) live(ctx context.Context, l *life, w *world) {
	defer close(l.done)
	if l.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.patience)
		defer cancel()
	}
	l.client = b.out.Connect(l.weather)
	var in store.Store = w.input
	if b.in != nil {
		air := b.air
		air.Seed = l.weather.Seed + 1
		in = overBucket("in", b.in.Connect(air))
	}
	l.res, l.progress, l.err = w.runFrom(ctx, in, overBucket("out", l.client))
	l.to = time.Now()
}

// runFrom is run with another input.
func (w *world) runFrom(ctx context.Context, in, out store.Store) (*transform.Result, *transform.Progress, error) {
	spec := w.spec
	if err := spec.Validate(); err != nil {
		return nil, nil, err
	}
	plan, err := plan.New(ctx, spec, []plan.Source{{Store: in}}, out, nil)
	if err != nil {
		return nil, nil, err
	}
	var hosts []workers.Host
	for _, h := range w.hosts {
		hosts = append(hosts, h)
	}
	progress := new(transform.Progress)
	defer plan.Close()
	res, err := transform.Run(ctx, plan, workers.Fleet{Hosts: hosts}, progress)
	return res, progress, err
}

// meanwhile lets time pass before the next life: all of this one's, or so little
// that both overlap.
func (b *bucketWorld) meanwhile() error {
	if b.rnd.IntN(2) == 0 {
		return b.wait()
	}
	time.Sleep(time.Duration(b.rnd.ExpFloat64() * float64(pick(b.rnd, 20*b.air.Latency, time.Second, 20*time.Second))))
	return b.look(false)
}

// outlive waits until no life is at work any more.
func (b *bucketWorld) outlive() {
	for _, l := range b.lives {
		<-l.done
	}
}

// wait waits for all lives, and judges how they ended.
func (b *bucketWorld) wait() error {
	finished := false
	for _, l := range b.lives {
		<-l.done
		if err := b.judge(l); err != nil {
			return fmt.Errorf("life %d of %d, %+v: %w", l.number, len(b.lives), l.weather, err)
		}
		finished = finished || l.err == nil
	}
	return b.look(finished)
}

// judge says what is wrong with how a life ended: with what became of it, or
// superseded where another one was at work after it began.
func (b *bucketWorld) judge(l *life) error {
	if l.err == nil {
		if l.res.Storage != nil && !gotLost(l.res.Storage) {
			return fmt.Errorf("an object failed: %w", l.res.Storage)
		}
		return nil
	}
	switch {
	case l.client.Died():
		return nil // whatever was told then, nobody heard it
	case errors.Is(l.err, context.DeadlineExceeded) && l.patience > 0:
		return nil
	case (gotLost(l.err) || tookLong(l.err)) && l.weather.Cut > 0, tookLong(l.err) && l.weather.Nap > leastBound:
		return nil
	case transform.ClassOf(l.err) == job.Superseded && b.overlapped(l):
		return nil
	case transform.ClassOf(l.err) == job.Usage && l.limit > 0 && b.overlapped(l):
		return nil // the other one, which began later, was to reach further, and was quicker
	case errors.Is(l.err, store.ErrChanged) && b.overlapped(l):
		return nil // it read the manifest that the other one was replacing
	}
	return fmt.Errorf("class %d: %w", transform.ClassOf(l.err), l.err)
}

// overlapped tells whether another life was at work when l was, which has ended.
func (b *bucketWorld) overlapped(l *life) bool {
	return slices.ContainsFunc(b.lives, func(x *life) bool {
		return x != l && x.from.Before(l.to) && (!x.ended() || l.from.Before(x.to))
	})
}

// ended tells whether the life is over; only then may its end be looked at.
func (l *life) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// look holds what is visible now against the oracle.
func (b *bucketWorld) look(finished bool) error {
	b.mirror()
	return b.checkVisible(finished)
}

// mirror shows the oracle what is in the bucket.
func (b *bucketWorld) mirror() {
	b.output = store.NewMemory()
	for name, text := range b.out.Snapshot() {
		_ = b.output.Put(name, text) // the names are good
	}
}

// finish runs the job once more, undisturbed and alone, and checks all.
func (b *bucketWorld) finish(ctx context.Context) error {
	if err := b.logIsWhole(ctx); err != nil {
		return fmt.Errorf("after %s: %w", b.history(), err)
	}
	last := &life{number: len(b.lives) + 1, limit: b.spec.Limit, weather: b.air, from: time.Now(), done: make(chan struct{})}
	last.weather.Seed = b.rnd.Uint64()
	b.live(ctx, last, b.world)
	if last.err != nil {
		return fmt.Errorf("%+v: the last run, after %s: %w", b.spec, b.history(), last.err)
	}
	b.mirror()
	res, err := whole(b.output, last.res, nil)
	if err != nil {
		return fmt.Errorf("after %s: %w", b.history(), err)
	}
	if err := b.check(res, last.progress); err != nil {
		return fmt.Errorf("after %s: %w", b.history(), err)
	}
	if err := b.nothingLeft(ctx, last); err != nil {
		return fmt.Errorf("after %s: %w", b.history(), err)
	}
	if b.tab == nil {
		return nil
	}
	return b.sameBytes(ctx)
}

// history tells how the lives ended.
func (b *bucketWorld) history() string {
	var all []string
	for _, l := range b.lives {
		all = append(all, fmt.Sprintf("[%v..%v asked %d: %v]", l.from.Unix()%1000, l.to.Unix()%1000, l.client.Requests(), l.err))
	}
	return cmp.Or(strings.Join(all, " "), "nothing")
}

// logIsWhole reads the log as the next run will.
func (b *bucketWorld) logIsWhole(ctx context.Context) error {
	calm := overBucket("out", b.out.Connect(bucket.Weather{}))
	_, err := wholeLog(ctx, calm)
	return err
}

// nothingLeft: no working state of a job that is complete, and no unfinished
// upload. A life that died, or whose network was cut, while a later one was at work
// already may leave an upload or the object of its probe; `batchmill clean` finds those.
func (b *bucketWorld) nothingLeft(ctx context.Context, last *life) error {
	done := last.limit == 0 // a limited job goes on from its log
	for _, o := range last.res.Manifest.Objects {
		done = done && o.Status == manifest.Published && o.Rejected == 0
	}
	if slices.ContainsFunc(b.lives, func(l *life) bool { return (l.weather.Dies > 0 || l.weather.Cut > 0) && b.overlapped(l) }) {
		calm := overBucket("out", b.out.Connect(bucket.Weather{}))
		if err := ledger.Clean(ctx, calm, ledger.Cleaning{Force: true, Removed: func(string, string) {}}); err != nil {
			return err
		}
	}
	for name := range b.out.Snapshot() {
		if strings.HasPrefix(name, plan.WorkDir+"/") && (done || !strings.HasPrefix(name, ledger.LogName+"/")) {
			return fmt.Errorf("left behind: %s", name)
		}
	}
	if left := b.out.Uploads(); len(left) > 0 {
		return fmt.Errorf("unfinished uploads: %q", left)
	}
	return nil
}
