package jobtest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform/job"
)

// TestLateCopies: a job whose answers leave no room for copies that are made ahead publishes
// the same bytes as a job with much memory, and logs as much: what was answered before it
// stopped is not asked for again.
func TestLateCopies(t *testing.T) {
	answer := func(id int) string {
		return fmt.Sprintf(`"%d %s"`, id, strings.Repeat("a", 200<<10+id))
	}
	for _, format := range []string{"jsonl", "csv", "parquet"} {
		fresh := func(memory job.Bytes) *world {
			w := smallJob(2, 60)
			w.spec.OutputFormat, w.spec.Memory, w.spec.MaxRecord, w.spec.Concurrency = format, memory, 1<<16, 1
			w.hosts[0].script = answering(answer)
			return w
		}
		var want map[string][]byte
		synctest.Test(t, func(t *testing.T) { want = fresh(256 * job.MinMemory).outputsOf(t) })
		for _, after := range []int{3, 9} {
			synctest.Test(t, func(t *testing.T) {
				w := fresh(4 * job.MinMemory)
				w.resume(t, after, want)
				for id, n := range w.hosts[0].asked {
					if n > 1 {
						t.Errorf("%s, stopped after %d requests: record %d was asked about %d times", format, after, id, n)
					}
				}
			})
		}
	}
}
