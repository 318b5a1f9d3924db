package interop

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// The checks themselves: arrow-go writes the table with the answers as one more
// column, and all three readers find nothing wrong with it. What fails here too
// is no matter of batchmill.
func TestBaseline(t *testing.T) {
	columns := append(flat(), nested()...)
	batch, want := table(t, columns, wideRows), answers(columns, wideRows)
	predictions := array.NewFloat64Builder(memory.DefaultAllocator)
	for _, a := range want {
		predictions.Append(a.value)
	}
	metadata := batch.Schema().Metadata()
	fields := append(batch.Schema().Fields(), arrow.Field{Name: "prediction", Type: arrow.PrimitiveTypes.Float64, Nullable: true})
	arrays := append(append([]arrow.Array(nil), batch.Columns()...), predictions.NewArray())
	more := array.NewRecordBatch(arrow.NewSchema(fields, &metadata), arrays, wideRows)
	for _, w := range writers {
		t.Run(w.name, func(t *testing.T) {
			j := joined{in: arrowFile(t, batch, wideGroup, w.flags...), out: arrowFile(t, more, wideGroup, w.flags...), want: want, spliced: true}
			j.check(t)
		})
	}
	t.Run("rows left out", func(t *testing.T) {
		j := leftOut(want)
		flags := writers[0].flags
		j.in, j.out = arrowFile(t, batch, wideGroup, flags...), arrowFile(t, pick(t, more, j.rows), wideGroup, flags...)
		j.check(t)
	})
}

// pick is a batch of some rows.
func pick(t *testing.T, batch arrow.RecordBatch, rows []int) arrow.RecordBatch {
	t.Helper()
	table := array.NewTableFromRecords(batch.Schema(), []arrow.RecordBatch{batch})
	var arrays []arrow.Array
	for i := range int(table.NumCols()) {
		arrays = append(arrays, whole(t, table.Column(i), rows))
	}
	return array.NewRecordBatch(batch.Schema(), arrays, int64(len(rows)))
}
