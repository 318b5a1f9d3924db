package workers

import (
	"math"
	"strings"
	"testing"
	"time"
)

// TestBatchSizeShrinks: after the probe a size is only ever halved, by answers that time out.
func TestBatchSizeShrinks(t *testing.T) {
	pool := NewPool(Fleet{}, Limits{})
	sz := NewSizer(time.Second, 0, 1<<20, pool)
	sz.Fix(100)
	sz.fixed = false // as one that was found
	for range 10 {
		sz.Answered(nil, nil, 10, 0, time.Second)
	}
	for i, want := range []int{100, 100, 50, 50, 50, 25} {
		sz.Failed(nil, nil, Broken, true, false)
		if size, found := sz.Now(); size != want || !found {
			t.Errorf("after %d timeouts the size is %d, want %d", i+1, size, want)
		}
	}
	sz.Failed(nil, nil, Broken, false, false)
	sz.Failed(nil, nil, Failed, false, false)
	for range 100 {
		sz.Answered(nil, nil, 10, 0, time.Second)
	}
	for range 19 {
		sz.Failed(nil, nil, Broken, true, false)
	}
	if size, _ := sz.Now(); size != 25 {
		t.Errorf("19 timeouts beside 100 answers made it %d", size)
	}
	sz.Pressed(10) // smaller ones than those that are cut now
	sz.Pressed(25)
	if size, _ := sz.Now(); size != 12 {
		t.Errorf("too few batches in memory made it %d, want 12", size)
	}
	for range 100 {
		sz.Pressed(math.MaxInt32)
	}
	if size, _ := sz.Now(); size != 1 {
		t.Errorf("the least size is %d", size)
	}
}

// TestGivenSizeStays: what the user or a host said does not shrink, and the manifest
// does not say that it did.
func TestGivenSizeStays(t *testing.T) {
	s := NewSizer(time.Second, 100, 1<<20, nil)
	for range 10 {
		s.Failed(nil, nil, Broken, true, false)
		s.Pressed(100)
		s.Answered(nil, nil, 100, 10<<20, time.Second)
	}
	if size, _ := s.Now(); size != 100 {
		t.Errorf("a size of 100 that was given became %d", size)
	}
}

// TestBound: a size whose answers take too much memory is bounded, while the size
// is looked for and once it is found, and no larger size comes after.
func TestBound(t *testing.T) {
	pool := fleet(t, 1, Limits{})
	s := NewSizer(time.Hour, 0, 1<<20, pool)
	lease := acquire(t, pool, 0, nil)
	for range 400 {
		size, l, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if size > 16 {
			t.Fatalf("batches of %d records after a bound of 10", size)
		}
		l = s.Cut(l, size, size, 1<<20)
		s.Answered(l, lease.Member(), size, size*100_000, time.Duration(size)*time.Millisecond)
		s.Resolved(l)
	}
	if size, _ := s.Now(); size > 10 {
		t.Errorf("%d records in the end, want 10 at most", size)
	}
	s.Answered(nil, nil, 10, 1<<19, time.Second)
	s.Answered(nil, nil, 10, 3<<20, time.Second)
	if size, _ := s.Now(); size != 3 {
		t.Errorf("a found size became %d, want 3", size)
	}
}

// TestBoundBeforeALevel: one answer that takes all the memory there is for a batch
// keeps the next levels from being tried.
func TestBoundBeforeALevel(t *testing.T) {
	pool := fleet(t, 1, Limits{})
	s := NewSizer(time.Hour, 0, 1<<20, pool)
	lease := acquire(t, pool, 0, nil)
	for range 400 {
		size, l, err := s.Next(t.Context())
		if err != nil || size != 1 {
			t.Fatalf("%d records in a batch, %v, want 1", size, err)
		}
		l = s.Cut(l, size, size, 1<<30)
		s.Answered(l, lease.Member(), size, 2<<20, time.Millisecond)
		s.Resolved(l)
	}
}

// TestOneLine: a host that gives one answer to several records gets one record from
// then on, which is told once, unless a batch was answered whole in between.
func TestOneLine(t *testing.T) {
	for given, want := range map[int]int{0: 1, 50: 50} {
		pool := fleet(t, 1, Limits{})
		m := pool.members[0]
		s := NewSizer(time.Hour, given, 1<<20, pool)
		for range mostOneLines {
			s.Answered(nil, m, 4, 0, time.Millisecond)
			s.Failed(nil, m, Garbled, false, true)
		}
		if pool.heard() != "" {
			t.Error("one answer to a batch now and then is no habit")
		}
		for range 2 * mostOneLines {
			s.Failed(nil, m, Garbled, false, true)
		}
		size, _ := s.Now()
		if said := pool.heard(); size != want || strings.Count(said, "one answer") != 1 || strings.Contains(said, "--batch-records 1") != (given > 0) {
			t.Errorf("given %d: %d records; told %q", given, size, said)
		}
	}
}

// TestABrokenHostEndsNoSearch: while other hosts are at work on a level, a host that
// fails everything does not decide about its size, however many batches that host fails.
func TestABrokenHostEndsNoSearch(t *testing.T) {
	pool := fleet(t, 3, Limits{})
	var leases []*Lease
	for i := range int64(3) {
		leases = append(leases, acquire(t, pool, i, nil)) // one at each host: all are at work
	}
	broken, well := leases[0].Member(), leases[1].Member()
	s := NewSizer(time.Second, 0, 1<<20, pool)
	for _, want := range []int{1, 4, 16} {
		size, l, err := s.Next(t.Context())
		if err != nil || size != want {
			t.Fatalf("a level of %d, %v, want %d", size, err, want)
		}
		for range 100 {
			s.Cut(l, size, size, 1000)
			s.Failed(l, broken, Failed, false, false)
			s.Resolved(l)
		}
		if size, found := s.Now(); found {
			t.Fatalf("one of three hosts failed batches of %d, and the size is said to be %d", want, size)
		}
		s.Answered(l, well, size, 0, time.Millisecond)
	}
}

// TestNoAnswerEndsNoSearch: hosts that all fail at first, as while they load, tell nothing
// about sizes: there is no smaller one to go back to.
func TestNoAnswerEndsNoSearch(t *testing.T) {
	pool := fleet(t, 2, Limits{})
	s := NewSizer(time.Second, 0, 1<<20, pool)
	_, l, _ := s.Next(t.Context())
	for i := range mostUnanswered * leastAnswers {
		s.Cut(l, 1, 1, 1000)
		s.Failed(l, pool.Members()[i%2], Failed, false, false)
		s.Resolved(l)
	}
	s.Answered(l, pool.Members()[0], 1, 0, time.Millisecond)
	if size, found := s.Now(); size != 4 || found {
		t.Errorf("after a good answer the size is %d (found: %v), want a level of 4", size, found)
	}
}

// TestAllHostsDecide: batches of a size that no host answers end the search, at a size
// that hosts have answered.
func TestAllHostsDecide(t *testing.T) {
	pool := fleet(t, 2, Limits{})
	s := NewSizer(time.Second, 0, 1<<20, pool)
	_, l, _ := s.Next(t.Context())
	for _, m := range pool.Members() {
		s.Answered(l, m, 1, 0, time.Millisecond)
	}
	for i := 0; i < 100; i++ {
		size, l, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if l == nil {
			return
		}
		s.Cut(l, size, size, 1000)
		s.Failed(l, pool.Members()[i%2], Broken, true, false)
		s.Resolved(l)
	}
	t.Error("100 batches in a row were broken off, and the search goes on")
}
