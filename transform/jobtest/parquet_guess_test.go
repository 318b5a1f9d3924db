package jobtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/workers"
)

// TestGuessedLayoutBindsResumes: an object of rejects alone fills the memory,
// and a guess settles the types. It is published by that guess; a run after a
// crash passes it over, and must not let the next object's answers settle others.
func TestGuessedLayoutBindsResumes(t *testing.T) {
	fresh := func() *world {
		w := smallJob(2, 200)
		w.spec.Join, w.spec.OutputFormat, w.spec.BatchRecords = "none", codec.FormatParquet, 4
		w.spec.Memory, w.spec.MaxRecord, w.spec.MaxResponse = job.MinMemory, 64<<10, 64<<10
		for i := range w.objects[0].records {
			w.objects[0].records[i].text = "{broken"
		}
		// A record that hosts refuse, so that the object is no failure, as one that cannot be sent at all is.
		refused := w.objects[0].records[0].id
		w.objects[0].records[0].text = fmt.Sprintf(`{"id":%d}`, refused)
		w.fill(&w.objects[0])
		answers := answering(func(id int) string { return fmt.Sprintf(`"s%d"`, id) })
		w.hosts[0].script = func(n int) fault {
			return func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
				if slices.Contains(ids, refused) {
					return status(400, 0)(h, r, ids)
				}
				return answers(n)(h, r, ids)
			}
		}
		return w
	}
	var want map[string][]byte
	synctest.Test(t, func(t *testing.T) { want = fresh().outputsOf(t) })
	for n, crashed := int64(0), true; crashed && !t.Failed(); n += 3 {
		synctest.Test(t, func(t *testing.T) {
			w := fresh()
			if crashed = w.crashAt(t, n, 1<<20); !crashed {
				return
			}
			if err := sameFiles(w.outputsOf(t), want); err != nil {
				t.Errorf("after a crash at operation %d: %v", n, err)
			}
		})
	}
}

// TestUnsentColumnMayBeLarge: --max-record bounds what is sent. A column that is
// not may be larger, also where its row group has to be written anew.
func TestUnsentColumnMayBeLarge(t *testing.T) {
	type row struct {
		ID   int64  `parquet:"id"`
		Blob string `parquet:"blob"`
	}
	rows := make([]row, 30)
	for i := range rows {
		rows[i] = row{int64(i), "x"}
	}
	rows[5].Blob = strings.Repeat("y", 100<<10)
	var b bytes.Buffer
	file := pq.NewGenericWriter[row](&b)
	if _, err := file.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := parquetJob(t, b.Bytes())
		w.spec.OnBad, w.spec.InputFilter, w.spec.MaxRecord = "skip", "id", 64<<10
		w.hosts[0].script = refusing
		res, err := w.runOn(t.Context(), w.input, w.output)
		if err != nil {
			t.Fatal(err)
		}
		o := res.Manifest.Objects[0]
		if want := (manifest.Counts{In: 30, Out: 29, Answered: 29, Rejected: 1}); o.Status != manifest.Published || o.Counts != want {
			t.Errorf("%s, %s: %+v, want %+v", o.Status, o.Error, o.Counts, want)
		}
	})
}

// TestNothingBecomesParquet: where no object holds anything there are no columns
// to make a payload of, and none is needed.
func TestNothingBecomesParquet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := csvJob(1, 0)
		if err := w.input.Put(w.objects[0].name, nil); err != nil {
			t.Fatal(err)
		}
		w.spec.ContentType, w.spec.Accept = "application/x-parquet", "text/csv"
		res, err := w.runOn(t.Context(), w.input, w.output)
		if err != nil {
			t.Fatal(err)
		}
		if o := res.Manifest.Objects[0]; o.Status != manifest.Published || o.In != 0 {
			t.Errorf("%s with %d records: %s", o.Status, o.In, o.Error)
		}
	})
}

// TestOldSpillIsNotAppendedTo: a killed run leaves its spill, and what the next
// run sets aside must not begin at its end.
func TestOldSpillIsNotAppendedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := spillingJob()
		if err := w.output.Put(ledger.SpillDir+"/0", bytes.Repeat([]byte("old"), 1000)); err != nil {
			t.Fatal(err)
		}
		w.mustPublish(t, w.output)
		rejected, err := w.rejectsOf(&w.objects[0])
		if wrong := w.wrong(&w.objects[0], w.output.Snapshot()["o0.parquet"], rejected); wrong != "" || err != nil {
			t.Errorf("%s, %v", wrong, err)
		}
	})
}
