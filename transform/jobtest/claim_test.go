package jobtest

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// TestManyNamesAreClaimed: with more objects than are asked about one by one, a
// list of the output tells which names are taken, missing or changed; and so
// does asking, where others have too much in the output.
func TestManyNamesAreClaimed(t *testing.T) {
	const n = ledger.FewObjects + 200
	for _, c := range []struct {
		name    string
		between func(t *testing.T, out *store.Memory) // two runs of one job
		want    string
	}{
		{"nothing happens", func(*testing.T, *store.Memory) {}, ""},
		{"an output goes", func(t *testing.T, out *store.Memory) { must(t, out.Remove(t.Context(), "o77")) }, "o77 was published by this job and is now missing"},
		{"an output changes", func(t *testing.T, out *store.Memory) { must(t, out.Put("o1100", []byte("x"))) }, "o1100 was published by this job and is now missing"},
		{"the log goes", func(t *testing.T, out *store.Memory) {
			must(t, out.Remove(t.Context(), plan.WorkDir))
			must(t, out.Remove(t.Context(), plan.ManifestName))
		}, "exists and is not this job's"},
	} {
		for _, crowded := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, crowded %v", c.name, crowded), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := smallJob(n, 1, 3) // a reject, so that the log stays
					out := &crowdedOutput{Memory: w.output}
					if _, err := w.runOn(t.Context(), w.input, out); err != nil {
						t.Fatal(err)
					}
					c.between(t, w.output)
					asked := len(w.hosts[0].asked)
					if out.stats = 0; crowded {
						out.others = (ledger.ManyOthers + 1) * n
					}
					res, err := w.runOn(t.Context(), w.input, out)
					if c.want == "" && (err != nil || !res.AlreadyDone || len(w.hosts[0].asked) != asked) {
						t.Errorf("%+v, %v", res, err)
					}
					if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || transform.ClassOf(err) != job.Usage) {
						t.Errorf("%v, want %q", err, c.want)
					}
					if !crowded && out.stats > 10 || crowded && out.stats == 0 {
						t.Errorf("%d names were asked about", out.stats)
					}
				})
			})
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// crowdedOutput holds things of others too, and counts what is asked about.
type crowdedOutput struct {
	*store.Memory
	others, stats int
}

func (c *crowdedOutput) Stat(ctx context.Context, name string) (store.Info, error) {
	c.stats++
	return c.Memory.Stat(ctx, name)
}

func (c *crowdedOutput) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		for i := range c.others {
			if prefix == "" && !yield(store.Info{Name: fmt.Sprint("a", i)}, nil) {
				return
			}
		}
		for info, err := range c.Memory.List(ctx, prefix) {
			if !yield(info, err) {
				return
			}
		}
	}
}
