package jobtest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store/storetest"
)

// crashAt runs the job and pulls the plug at operation n of the output's store:
// nothing works from then on, and up to keep bytes of what was not synced have
// reached the disk all the same. It is false when the run needs no operation n.
func (w *world) crashAt(t *testing.T, n int64, keep int) bool {
	t.Helper()
	out := storetest.FailFrom(w.output, n, errInjected)
	_, err := w.runOn(t.Context(), w.input, out)
	if !out.Fired() {
		if err != nil {
			t.Fatalf("a run without a crash: %v", err)
		}
		return false
	}
	w.output.CrashTorn(keep)
	return true
}

// tears are how many bytes survive of what was not synced: nothing, a part of
// an entry's header, a part of its body, all.
var tears = []int{0, 5, 30, 1 << 20}

// TestCrashAtEveryOperation: whatever was done when the plug was pulled, the
// same command finishes the job, with the bytes of a run that nothing disturbed.
// What is visible in between is whole.
func TestCrashAtEveryOperation(t *testing.T) {
	points := 0
	defer func() { t.Attr("fault_points", strconv.Itoa(points)) }()
	for _, keep := range tears {
		for n, crashed := int64(0), true; crashed && !t.Failed(); n++ {
			points++
			synctest.Test(t, func(t *testing.T) {
				w := smallJob(3, 12)
				crashed = w.crashAt(t, n, keep)
				w.onlyWholeVisible(t, fmt.Sprintf("crash at %d, %d bytes torn", n, keep))
				w.mustSucceed(t, fmt.Sprintf("after a crash at %d, %d bytes torn", n, keep))
			})
		}
	}
}

// TestCrashTwice: a run that found what a crash had left crashes too. What the
// first left, torn log and all, must not harm the third.
func TestCrashTwice(t *testing.T) {
	points := 0
	defer func() { t.Attr("fault_points", strconv.Itoa(points)) }()
	for _, keep := range []int{30, 1 << 20} {
		for n, crashed := int64(0), true; crashed && !t.Failed(); n++ {
			for m, again := int64(0), true; again && !t.Failed(); m++ {
				points++
				synctest.Test(t, func(t *testing.T) {
					w := smallJob(1, 3)
					crashed = w.crashAt(t, n, keep)
					again = w.crashAt(t, m, 0)
					w.mustSucceed(t, fmt.Sprintf("after crashes at %d (%d bytes torn) and %d", n, keep, m))
				})
			}
		}
	}
}

func (w *world) onlyWholeVisible(t *testing.T, when string) {
	t.Helper()
	seen := w.output.Snapshot()
	for i := range w.objects {
		if _, ok := seen[w.objects[i].name]; ok && w.wholeOutput(i) != "" {
			t.Errorf("%s: visible and not whole: %s", when, w.wholeOutput(i))
		}
	}
	if _, ok := seen[plan.SuccessName]; !ok {
		return
	}
	for _, name := range []string{plan.ManifestName, "o0", fmt.Sprintf("o%d", len(w.objects)-1)} {
		if _, ok := seen[name]; !ok {
			t.Errorf("%s: the mark of success stands without %s", when, name)
		}
	}
}

func (w *world) mustSucceed(t *testing.T, when string) {
	t.Helper()
	res, err := w.runOn(t.Context(), w.input, w.output)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if err := addsUp(res.Manifest); err != nil || len(res.Manifest.Objects) != len(w.objects) {
		t.Fatalf("%s: %d objects in the manifest, %v", when, len(res.Manifest.Objects), err)
	}
	for i := range w.objects {
		if diff := w.wholeOutput(i); diff != "" {
			t.Fatalf("%s: %s", when, diff)
		}
	}
	seen := w.output.Snapshot()
	if _, ok := seen[plan.SuccessName]; !ok {
		t.Fatalf("%s: no mark of success", when)
	}
	for name := range seen {
		if strings.HasPrefix(name, plan.WorkDir+"/") || strings.HasPrefix(name, plan.RejectsDir+"/") {
			t.Errorf("%s: left behind: %s", when, name)
		}
	}
}

// TestSuccessMarkComesLast: whatever single operation fails, the mark of
// success stands only beside a manifest that names every output.
func TestSuccessMarkComesLast(t *testing.T) {
	for n, fired := int64(0), true; fired && !t.Failed(); n++ {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(2, 3)
			out := storetest.FailAt(w.output, n, errInjected)
			_, err := w.runOn(t.Context(), w.input, out)
			if fired = out.Fired(); fired && err == nil {
				t.Errorf("fault %d was swallowed", n)
			}
			w.onlyWholeVisible(t, fmt.Sprintf("fault %d", n))
		})
	}
}

// halfDone is a job whose log says that o0 is published, and which crashed
// before o1 was; nil when there is no such instant.
func halfDone(t *testing.T) *world {
	t.Helper()
	tries := 20 // objects are published side by side, so both may be at every instant
	for n := int64(0); ; n++ {
		w := smallJob(2, 3)
		if !w.crashAt(t, n, 1<<20) {
			if tries--; tries == 0 {
				t.Fatal("no crash left one of two objects published")
			}
			n = -1
			continue
		}
		seen := w.output.Snapshot()
		_, first := seen["o0"]
		_, second := seen["o1"]
		if first && !second && bytes.Contains(seen[ledger.LogName], []byte(`"index":0`)) {
			return w
		}
	}
}

// TestDamagedLogIsAnError flips each bit of the log's first entry. It is not
// the tail, so it was not torn, and nothing may be built on it.
func TestDamagedLogIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := halfDone(t)
		before := w.output.Snapshot()
		// The header is skipped: a checksum in it may hold the byte looked for.
		body := bytes.IndexByte(before[ledger.LogName][answerlog.HeaderSize:], '}')
		if body < 0 {
			t.Fatalf("the log begins with %q", before[ledger.LogName])
		}
		first := answerlog.HeaderSize + body // inside the first entry's body
		for bit := range 8 * first {
			log := bytes.Clone(before[ledger.LogName])
			log[bit/8] ^= 1 << (bit % 8)
			if err := w.output.Put(ledger.LogName, log); err != nil {
				t.Fatal(err)
			}
			_, err := w.runOn(t.Context(), w.input, w.output)
			var damage *answerlog.DamageError
			if isBody := bit/8 >= 4; err == nil || isBody && !errors.As(err, &damage) {
				t.Fatalf("byte %d, bit %d: %v", bit/8, bit%8, err)
			}
			if after := w.output.Snapshot(); !bytes.Equal(after["o0"], before["o0"]) || after["o1"] != nil {
				t.Fatalf("byte %d, bit %d: the outputs changed", bit/8, bit%8)
			}
		}
		if err := w.output.Put(ledger.LogName, before[ledger.LogName]); err != nil {
			t.Fatal(err)
		}
		w.mustSucceed(t, "with the log as it was")
	})
}
