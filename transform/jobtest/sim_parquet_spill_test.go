package jobtest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/storetest"
)

// spillingJob is a job whose answers are more than a writer of spliced outputs
// may hold at --memory 1MiB, for each of two row groups.
func spillingJob() *world { return tableJob("long", 0, 400) }

// tableJob joins the records of one Parquet object, in row groups of 200, with
// answers of a kind, by hosts that make no mistake.
func tableJob(kind string, first, records int) *world {
	w := &world{rnd: rand.New(rand.NewPCG(7, 5)), input: store.NewMemory(), output: store.NewMemory(),
		tab: &tabular{in: "parquet", out: "parquet", payload: "application/jsonlines", accept: "application/jsonlines", kind: kind,
			codec: &pq.Snappy, group: 200, rows: map[int]tabRow{}, records: map[int]simRecord{}, leaves: map[int]map[string]string{}}}
	w.spec = job.Spec{Input: []string{"mem:in"}, Output: "mem:out", InputFormat: "parquet", Join: "input", OnBad: "placeholder", Compression: "none",
		BatchRecords: 100, Concurrency: 1, Memory: job.MinMemory, MaxRecord: 64 << 10, MaxRejects: &job.Allowance{Percent: 100, IsShare: true}}
	var rows []tabRow
	o := simObject{name: "o0.parquet"}
	for n := range records {
		row := w.tabRow(first + n)
		r := simRecord{id: first + n, text: row.json(w.tab.sent)}
		w.tab.rows[r.id], w.tab.records[r.id] = row, r
		rows, o.records = append(rows, row), append(o.records, r)
	}
	w.put(o, rows)
	w.makeHosts()
	for _, h := range w.hosts {
		h.faults, h.down, h.limit, h.latency = 0, nil, 0, 0
	}
	return w
}

// TestRetryKeepsTheLayout: the types of answers are settled once for the job.
// A reject that stands first in it, and is answered later with a string, does
// not make a column of strings of one that was published with numbers.
func TestRetryKeepsTheLayout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := tableJob("number", 31, 5) // 31 is answered with a string
		for id := range w.tab.records {
			r := w.tab.records[id]
			r.poison = id == 31
			w.tab.records[id] = r
		}
		w.hosts = w.hosts[:1]
		w.hosts[0].poison = 422
		w.mustPublish(t, w.output)
		w.tab.records[31] = simRecord{id: 31}
		if _, err := w.retryOn(t.Context(), w.output); err != nil {
			t.Fatal(err)
		}
		for i, row := range mustDecode(w.output.Snapshot()["o0.parquet"]).rows {
			want := nullLeaf
			if i > 0 {
				want = showLeaf(false, "DOUBLE", fmt.Sprintf("%d.5", 31+i), 1)
			}
			if row["prediction"] != want {
				t.Errorf("row %d has the answer %s, want %s", i+1, row["prediction"], want)
			}
		}
		reasons, err := w.reasonsOf(&w.objects[0])
		if len(reasons) != 1 || reasons[1] != "answer_shape" {
			t.Errorf("rejects: %v, %v", reasons, err)
		}
	})
}

// noting is a store that remembers what was spilled.
type noting struct {
	*store.Memory
	spilled []string
}

func (n *noting) Spill(ctx context.Context, name string) (store.Spill, error) {
	n.spilled = append(n.spilled, name)
	return n.Memory.Spill(ctx, name)
}

// TestSpilledAnswers: answers that memory has no room for stand in the output
// all the same, and nothing of the spill stays.
func TestSpilledAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := spillingJob()
		out := &noting{Memory: w.output}
		w.mustPublish(t, out)
		spills := 0
		for _, name := range out.spilled {
			if strings.HasPrefix(name, ledger.SpillDir+"/") {
				spills++
			}
		}
		if spills != 2 {
			t.Errorf("%d spills, and each of two row groups has more than a sixteenth of --memory; the store was asked for %v", spills, out.spilled)
		}
		rejected, err := w.rejectsOf(&w.objects[0])
		if wrong := w.wrong(&w.objects[0], w.output.Snapshot()["o0.parquet"], rejected); wrong != "" || err != nil || len(rejected) != 10 {
			t.Errorf("%d rejects: %s, %v", len(rejected), wrong, err)
		}
		for name := range w.output.Snapshot() {
			if strings.HasPrefix(name, ledger.SpillDir+"/") {
				t.Errorf("left behind: %s", name)
			}
		}
	})
}

// mustPublish runs the job to its end, with its one object published.
func (w *world) mustPublish(t *testing.T, out store.Store) {
	t.Helper()
	res, err := w.runOn(t.Context(), w.input, out)
	if err != nil {
		t.Fatal(err)
	}
	if m := res.Manifest.Objects[0]; m.Status != manifest.Published {
		t.Fatalf("the object is %s: %s", m.Status, m.Error)
	}
}

// TestSpillCrash: wherever a job that spills dies, the same command finishes
// it, with the bytes of a run that nothing disturbed.
func TestSpillCrash(t *testing.T) {
	want := spillCrash(t, 1<<40) // no run comes so far
	const step = 5               // it has hundreds, most of them like the one before
	for n := int64(0); want != nil; n += step {
		got := spillCrash(t, n)
		if got == nil {
			return
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("after a crash at operation %d: %s", n, difference(got, want))
		}
	}
}

// spillCrash is the output of a job that died at operation n and was run
// again; nil when it has no such operation.
func spillCrash(t *testing.T, n int64) (got []byte) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := spillingJob()
		crashed := w.crashAt(t, n, 30)
		w.mustPublish(t, w.output)
		if crashed || n == 1<<40 {
			got = w.output.Snapshot()["o0.parquet"]
		}
	})
	return got
}

// tableSeeds are Parquet worlds with several objects and rejects: spliced with
// records left out, and made from CSV.
var tableSeeds = []uint64{494, 1409}

// TestTableStoreFaults is TestStoreFaults with Parquet.
func TestTableStoreFaults(t *testing.T) {
	for _, seed := range few(tableSeeds) {
		for _, side := range []string{"input", "output"} {
			t.Run(fmt.Sprintf("%s/%d", side, seed), func(t *testing.T) {
				if n := sweep(t, seed, side == "input", storetest.FailAt); n < 5 {
					t.Errorf("only %d operations were tried", n)
				}
			})
		}
	}
}
