package jobtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// plainRow is a record of the small Parquet jobs.
type plainRow struct {
	ID   int64  `parquet:"id"`
	Text string `parquet:"text,dict"`
	N    *int64 `parquet:"n,optional"`
}

func plainRows(from, n int) []plainRow {
	rows := make([]plainRow, n)
	for i := range rows {
		id := from + i
		rows[i] = plainRow{ID: int64(id), Text: fmt.Sprintf("text %d", id%5)}
		if id%3 > 0 {
			rows[i].N = new(int64(id) * 10)
		}
	}
	return rows
}

// plainFile is a file of n rows whose ids begin at from, eight to a row group
// and a page for every few of them.
func plainFile(t testing.TB, from, n int) []byte {
	return parquetFile(t, plainRows(from, n), pq.MaxRowsPerRowGroup(8), pq.PageBufferSize(40), pq.Compression(&pq.Snappy))
}

// parquetJob is a smallJob of these Parquet objects, o0.parquet and so on.
func parquetJob(t testing.TB, files ...[]byte) *world {
	w := smallJob(0, 0)
	w.spec.InputFormat = ""
	for i, data := range files {
		if err := w.input.Put(fmt.Sprintf("o%d.parquet", i), data); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// joinedRows are n rows with the answers of fakeHost, those of bad left out.
func joinedRows(from, n int, bad ...int) *sheet {
	s := &sheet{names: []string{"id", "text", "n", "prediction"}}
	for _, r := range plainRows(from, n) {
		row := []cell{{'n', fmt.Sprint(r.ID)}, {'s', r.Text}, {kind: '0'}, {'n', answerTo(int(r.ID))}}
		if r.N != nil {
			row[2] = cell{'n', fmt.Sprint(*r.N)}
		}
		if slices.Contains(bad, int(r.ID)) {
			row[3] = cell{kind: '0'}
		}
		s.rows = append(s.rows, row)
	}
	return s
}

// mustHold checks a Parquet output.
func mustHold(t *testing.T, out *store.Memory, name string, want *sheet) {
	t.Helper()
	data, ok := out.Snapshot()[name]
	if !ok {
		t.Errorf("no output %s", name)
		return
	}
	got, err := readParquet(data)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	} else if diff := got.differs(want); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

// mustRun runs the job to its end and checks that its memory was given back.
func (w *world) mustRun(t *testing.T) *transform.Result {
	t.Helper()
	res, r, err := w.run(t.Context(), w.output)
	if err != nil {
		t.Fatal(err)
	}
	if res.AlreadyDone {
		return res
	}
	if err := w.checkBounds(r); err != nil {
		t.Error(err)
	}
	return res
}

// rejectsIn are the rejects of an object.
func (w *world) rejectsIn(t *testing.T, name string) (list []manifest.Reject) {
	t.Helper()
	for line := range strings.Lines(string(w.output.Snapshot()[plan.RejectsDir+"/"+name+".jsonl"])) {
		rej, err := manifest.DecodeReject([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rej)
	}
	return list
}

// answering is a host that answers each record by its id, in JSON Lines.
func answering(text func(id int) string) func(int) fault {
	return func(int) fault {
		return func(_ *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
			var b bytes.Buffer
			for _, id := range ids {
				b.WriteString(text(id) + "\n")
			}
			if r.Reserve != nil {
				if err := r.Reserve(context.Background(), b.Len()); err != nil {
					return workers.Response{}, err
				}
			}
			return workers.Response{Status: 200, ContentType: "application/jsonlines", Body: append(r.Into[:0], b.Bytes()...)}, nil
		}
	}
}

// refooted is the file with another footer.
func refooted(t testing.TB, data []byte, change func(*format.FileMetaData)) []byte {
	t.Helper()
	n := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	var meta format.FileMetaData
	at := len(data) - 8 - n
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), data[at:len(data)-8], &meta); err != nil {
		t.Fatal(err)
	}
	change(&meta)
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &meta)
	if err != nil {
		t.Fatal(err)
	}
	out := append(slices.Clone(data[:at]), footer...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(footer)))
	return append(out, "PAR1"...)
}
