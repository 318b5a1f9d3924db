package jobtest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
)

// A figure is what a run came to in a quantity that chance moves, and the tight bound of the
// quantity: which host gets a batch and how long a host rests is drawn anew in each run.
type figure struct {
	name      string // of the quantity
	got, most float64
	why       string // the bound is what it is
}

func (f figure) exceeds() bool { return f.got > f.most }

// repeats is how many runs are looked at once one of them exceeds a tight bound.
const repeats = 5

// heldByMedian holds the figures of random runs against their tight bounds. Every run holds by
// itself what must hold always: outputs, counts, a generous bound. A tight bound that the
// first run exceeds is judged by the median of five runs.
//
// Of a quantity that exceeds its bound in a share p of the runs, by chance, the median does in
// about 6p³ of the tests: one alarm in 20,000 passes where one run in fifty exceeds the bound. A
// change that moves the median beyond the bound moves most runs beyond the bound: it fails the
// test at once or soon, and always where it moves all runs. What happens in one run of fifty and
// is worse than chance is for the bounds that every run holds.
func heldByMedian(t *testing.T, run func() []figure) {
	t.Helper()
	beyond := beyondByMedian(func() ([]figure, bool) {
		figures := run()
		return figures, !t.Failed()
	})
	for _, what := range beyond {
		t.Error(what)
	}
}

// beyondByMedian says which figures exceed their bounds in most of five runs, of which one is
// enough where that run exceeds none, or is not well.
func beyondByMedian(run func() (figures []figure, well bool)) (beyond []string) {
	first, well := run()
	if !well || !slices.ContainsFunc(first, figure.exceeds) {
		return nil
	}
	runs := [][]figure{first}
	for len(runs) < repeats && well {
		var again []figure
		again, well = run()
		runs = append(runs, again)
	}
	for i, f := range first {
		var seen []figure
		for _, r := range runs {
			seen = append(seen, r[i])
		}
		slices.SortFunc(seen, func(a, b figure) int { return cmp.Compare(a.got-a.most, b.got-b.most) })
		if seen[len(seen)/2].exceeds() {
			beyond = append(beyond, fmt.Sprintf("%s: the median of %d runs is beyond its bound:%s (%s)", f.name, len(seen), listed(seen), f.why))
		}
	}
	return beyond
}

// judged notes a figure of the run. Beyond outOfChance times its bound no run may be.
func (o *outcome) judged(t *testing.T, f figure) {
	t.Helper()
	if f.got > outOfChance*f.most {
		t.Errorf("%s: %.4g, and no run may have more than %d times %.4g (%s)", f.name, f.got, outOfChance, f.most, f.why)
	}
	o.figures = append(o.figures, f)
}

// outOfChance times a tight bound is beyond what chance does.
const outOfChance = 3

// exact holds every figure to its bound, where chance moves none.
func (o *outcome) exact(t *testing.T) {
	t.Helper()
	for _, f := range o.figures {
		if f.exceeds() {
			t.Errorf("%s: %.4g, want at most %.4g (%s)", f.name, f.got, f.most, f.why)
		}
	}
}

// listed shows what was seen, and the bounds.
func listed(seen []figure) (text string) {
	for _, f := range seen {
		text += fmt.Sprintf(" %.4g of %.4g;", f.got, f.most)
	}
	return text
}

// TestMedianJudges: one run of five beyond a bound is chance, three are not.
func TestMedianJudges(t *testing.T) {
	for _, c := range []struct {
		got   []float64
		runs  int
		fails bool
	}{
		{[]float64{1, 9, 9, 9, 9}, 1, false},
		{[]float64{2, 9, 9, 9, 9}, 1, false},
		{[]float64{9, 1, 1, 1, 1}, 5, false},
		{[]float64{9, 1, 1, 9, 1}, 5, false},
		{[]float64{9, 1, 9, 9, 1}, 5, true},
		{[]float64{9, 9, 9, 9, 9}, 5, true},
	} {
		ran := 0
		beyond := beyondByMedian(func() ([]figure, bool) {
			ran++
			return []figure{{"noise", 0, 0, ""}, {"what is tested", c.got[ran-1], 2, "two is the bound"}}, true
		})
		if ran != c.runs || (len(beyond) > 0) != c.fails {
			t.Errorf("%v: %d runs, beyond: %q; want %d, %v", c.got, ran, beyond, c.runs, c.fails)
		}
	}
}
