package jobtest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/store"
)

// schemaOf is a Parquet file's columns, each with its repetition and type.
func schemaOf(t *testing.T, data []byte) (columns []string) {
	t.Helper()
	f, err := pq.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(f.Schema().String(), "\n") {
		if line = strings.TrimSuffix(strings.TrimSpace(line), ";"); strings.Contains(line, " ") && !strings.HasPrefix(line, "message") {
			columns = append(columns, line)
		}
	}
	return columns
}

// TestOutputTypes: Parquet outputs have the types of the input's columns, or
// those that a sample of text shows, and those of the answers.
func TestOutputTypes(t *testing.T) {
	text := func(tags ...string) []string {
		return append([]string{
			"optional int64 id (INT(64,true))", "optional double x", "optional binary name (STRING)",
			"optional boolean ok", "optional binary note (STRING)", "optional binary at (STRING)", "optional double price", "optional binary big (JSON)",
		}, tags...)
	}
	list := []string{"optional group tags (LIST) {", "repeated group list {", "optional double element"}
	prediction := "optional double prediction"
	csv := text("optional binary tags (STRING)", prediction)
	csv[3], csv[7] = "optional binary ok (STRING)", "optional binary big (STRING)"
	original := schemaOf(t, renderObject(t, codec.FormatParquet, matrixObjects()[0]))
	for in, want := range map[string][]string{
		codec.FormatParquet: append(slices.Clone(original), prediction),
		codec.FormatCSV:     csv,
		codec.FormatJSONL:   text(append(list, prediction)...),
	} {
		for _, bad := range matrixBad {
			oneBubble(t, func(t *testing.T) {
				c := pairing{in: in, payload: "jsonl", out: codec.FormatParquet, join: "input", packing: "none", response: "jsonl", answer: "number", bad: bad}
				out := store.NewMemory()
				host := c.host(t)
				if _, err := start(t, c.spec(), matrixInputs(t)[[2]string{in, "none"}], out, host, new(transform.Progress)); err != nil {
					t.Fatal(err)
				}
				for i := range 2 {
					if got := schemaOf(t, out.Snapshot()[c.outName(i)]); !slices.Equal(got, want) {
						t.Errorf("%s, %q:\n%s\nwant\n%s", in, bad, strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
				}
			})
		}
	}
}

// watched is a store that knows whether something was spilled to it.
type watched struct {
	*store.Memory
	spilled atomic.Bool
}

func (w *watched) Spill(ctx context.Context, name string) (store.Spill, error) {
	w.spilled.Store(true)
	return w.Memory.Spill(ctx, name)
}

// TestAnswersSpill: answers that do not fit the writer's memory go to the
// working state, come out whole, and leave nothing behind.
func TestAnswersSpill(t *testing.T) {
	const records, size = 120, 200 << 10
	long := func(id int) string { return strings.Repeat(fmt.Sprintf("%03d ", id), size/4) }
	synctest.Test(t, func(t *testing.T) {
		w := parquetJob(t, parquetFile(t, plainRows(0, records)))
		w.hosts[0].script = answering(func(id int) string { return `"` + long(id) + `"` })
		w.spec.Compression = "none" // else this text would shrink to nothing
		out := &watched{Memory: w.output}
		res, r, err := w.run(t.Context(), out)
		if err != nil || res.Manifest.Objects[0].Error != "" {
			t.Fatalf("%+v, %v", res, err)
		}
		if err := w.checkBounds(r); err != nil {
			t.Error(err)
		}
		seen := w.output.Snapshot()
		s, err := readParquet(seen["o0.parquet"])
		if err != nil || len(s.rows) != records {
			t.Fatal(err)
		}
		for i, row := range s.rows {
			if row[3] != (cell{'s', long(i)}) {
				t.Fatalf("record %d has the answer %.20q of %d bytes", i+1, row[3].text, len(row[3].text))
			}
		}
		if len(seen) != 3 || !out.spilled.Load() {
			t.Errorf("%d files, spilled: %v", len(seen), out.spilled.Load())
		}
	})
}
