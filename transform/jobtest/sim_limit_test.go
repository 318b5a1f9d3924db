package jobtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchmill/batchmill/transform/plan"
)

// growing tells whether limits may end the world's runs. Layouts of tables are learned from what was answered first,
// which the oracle of tables takes from the whole job; responses to whole batches bind the limit.
func (w *world) growing() bool {
	return w.tab == nil && w.spec.Limit == 0 && (w.wide == nil || !w.wide.perBatch) && w.rnd.IntN(3) == 0
}

// growLimit gives the job a limit larger than those before.
func (w *world) growLimit(by int) {
	w.spec.Limit += 1 + int64(by)
	w.limits = append(w.limits, w.spec.Limit)
}

// limitedRuns run the job up to some limits, ever larger, and may be cut short.
func (w *world) limitedRuns(ctx context.Context) error {
	if !w.growing() {
		return nil
	}
	for range w.rnd.IntN(3) + 1 {
		w.growLimit(w.rnd.IntN(pick(w.rnd, 3, 60, 400)))
		var err error
		switch w.rnd.IntN(4) {
		case 0:
			err = w.cancelledRun(ctx)
		case 1:
			err = w.crashedRun(ctx)
		default:
			err = w.limitedRun(ctx)
		}
		if err != nil {
			return fmt.Errorf("limits %v: %w", w.limits, err)
		}
	}
	w.spec.Limit = 0
	return nil
}

// limitedRun runs the job up to its limit.
func (w *world) limitedRun(ctx context.Context) error {
	res, _, err := w.run(ctx, w.output)
	if err != nil {
		return err
	}
	if m := res.Manifest; m.Limit != w.spec.Limit || m.Totals.In > m.Limit {
		return fmt.Errorf("limit %d: the manifest has limit %d, and %d records", w.spec.Limit, m.Limit, m.Totals.In)
	}
	if _, marked := w.output.Snapshot()[plan.SuccessName]; marked {
		return errors.New("the mark of success stands on a limited job")
	}
	if err := w.checkVisible(true); err != nil {
		return err
	}
	asked := w.timesAsked()
	if _, _, err := w.run(ctx, w.output); err != nil { // an object that failed is tried again, and none of its records can be sent
		return err
	}
	if now := w.timesAsked(); now != asked {
		return fmt.Errorf("limit %d: a run that is repeated asked about %d records", w.spec.Limit, now-asked)
	}
	return nil
}

func (w *world) timesAsked() (n int) {
	for _, h := range w.hosts {
		for _, times := range h.asked {
			n += times
		}
	}
	return n
}

// wrongVisible says how an output that is visible before the job's end differs from that of all its records, and of
// its records up to every limit so far; "" where the output is one of these.
func (w *world) wrongVisible(o *simObject, got []byte, rejected map[int64]bool) string {
	wrong := w.wrong(o, got, rejected)
	for _, limit := range w.limits {
		if wrong == "" {
			return ""
		}
		for i := range w.objects {
			if w.objects[i].name < o.name { // the job's order
				limit -= int64(len(w.objects[i].records))
			}
		}
		if limit <= 0 || limit >= int64(len(o.records)) {
			continue
		}
		first := *o
		first.records = o.records[:limit]
		if w.wrong(&first, got, rejected) == "" {
			return ""
		}
	}
	return wrong
}
