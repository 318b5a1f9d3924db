package jobtest

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
)

// TestSplittingCost: to find the one bad record of a batch of n costs few more
// requests than the batch itself, wherever it stands, whatever its failure looks
// like, and whether the job has other batches and hosts or not.
func TestSplittingCost(t *testing.T) {
	for kind, bad := range map[string]fault{"500": status(500, 0), "400": status(400, 0), "garbled": oneShort} {
		for _, n := range []int{2, 3, 10, 64, 100, 1000} {
			for where, at := range map[string]int{"first": 0, "middle": n / 2, "last": n - 1} {
				for _, shape := range []struct{ hosts, batches int }{{1, 1}, {1, 3}, {3, 1}, {3, 9}} {
					t.Run(fmt.Sprintf("%s/%d/%s/%d hosts, %d batches", kind, n, where, shape.hosts, shape.batches), func(t *testing.T) {
						splitCost(t, n, n*(shape.batches/2)+at, n*shape.batches, shape.hosts, bad, proving(kind))
					})
				}
			}
		}
	}
}

// TestSplittingCostAnywhere: nor does it cost more at the worst of all places.
func TestSplittingCostAnywhere(t *testing.T) {
	for kind, bad := range map[string]fault{"500": status(500, 0), "garbled": oneShort} {
		for _, n := range []int{2, 3, 4, 5, 6, 7, 9, 11, 12, 17, 23, 33} {
			for at := range n {
				t.Run(fmt.Sprintf("%s/%d of %d", kind, at+1, n), func(t *testing.T) { splitCost(t, n, at, n, 1, bad, proving(kind)) })
			}
		}
	}
}

// TestFirstHalfAnsweredLate: a record that fails alone once, as the first half of what
// failed, and is answered later says nothing about what is asked after it.
func TestFirstHalfAnsweredLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times := map[string]int{}
		c := fleetCase{hosts: playing(1), records: 2, poison: []int{0}}
		c.hosts[0].bad = func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
			if times[r.Key]++; len(ids) == 2 || times[r.Key] < 2 {
				return status(400, 0)(h, r, ids)
			}
			return workers.Response{Status: 200, ContentType: r.Accept, Body: render(ids)}, nil
		}
		w := c.job()
		o, err := c.once(t, w)
		if err != nil {
			t.Fatal(err)
		}
		c.poison, c.extra = nil, 3 // two halves, and the first of them again
		c.check(t, w, o)
		o.exact(t)
	})
}

// proving is how many requests a fleet that has answered nothing yet costs, to show that its answers
// to a part of a miscounted batch are to be believed.
func proving(kind string) int { return map[string]int{"garbled": 1}[kind] }

func splitCost(t *testing.T, n, at, records, hosts int, bad fault, more int) {
	synctest.Test(t, func(t *testing.T) {
		c := fleetCase{hosts: playing(hosts), records: records, poison: []int{at}, spec: func(sp *job.Spec) { sp.BatchRecords = job.Auto(n) }}
		for _, h := range c.hosts {
			h.bad, h.each = bad, 0
		}
		w := c.job()
		o, err := c.once(t, w)
		if err != nil {
			t.Fatal(err)
		}
		c.extra = int(2*math.Log2(float64(n))+4) + more
		c.check(t, w, o)
		o.exact(t)
	})
}
