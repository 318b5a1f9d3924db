package jobtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
)

func (w *world) tableName(o *simObject) string {
	name := strings.TrimSuffix(o.name, w.tab.in) + w.tab.out
	if w.tab.out == "parquet" {
		return name
	}
	c, _ := compress.ByName(cmp.Or(w.spec.Compression, "none"))
	return name + c.Ext()
}

// expectText is the whole of an output that is text.
func (w *world) expectText(o *simObject, rejected map[int64]bool) []byte {
	joined := w.spec.Join == "input"
	var b bytes.Buffer
	if w.tab.out == "csv" && joined {
		b.WriteString(strings.Join(tabColumns, ",") + ",prediction\n")
	} else if w.tab.out == "csv" {
		b.WriteString("prediction\n")
	}
	for i, r := range o.records {
		bad := rejected[int64(i+1)]
		if !bad || w.spec.OnBad == "placeholder" {
			b.WriteString(w.textLine(w.tab.rows[r.id], joined, bad) + "\n")
		}
	}
	c, _ := compress.ByName(cmp.Or(w.spec.Compression, "none"))
	return pack(c, b.Bytes())
}

func (w *world) textLine(row tabRow, joined, bad bool) string {
	answer := w.tab.answer(int(row.ID))
	if w.tab.out == "csv" {
		switch {
		case !joined && bad:
			return `""`
		case bad:
			answer = ""
		}
		if joined {
			return row.csv(tabColumns) + "," + answer
		}
		return answer
	}
	if bad {
		answer = "null"
	}
	if !joined {
		return answer
	}
	return strings.TrimSuffix(row.json(func(string) bool { return true }), "}") + `,"prediction":` + answer + "}"
}

// wrongTable says what is wrong with an output that is Parquet.
func (w *world) wrongTable(o *simObject, got []byte, rejected map[int64]bool) string {
	t, err := decodeTable(got)
	if err != nil {
		return err.Error()
	}
	var inputs []string
	if w.spec.Join == "input" {
		inputs = w.inputPaths(w.tab.keeps)
	}
	if len(t.paths) < len(inputs) || !slices.Equal(t.paths[:len(inputs)], inputs) {
		return fmt.Sprintf("columns %v, and not %v first", t.paths, inputs)
	}
	answers := t.paths[len(inputs):]
	kept, want := w.tab.keptRows(o, rejected, w.spec.OnBad)
	if len(t.rows) != len(kept) {
		return fmt.Sprintf("%d rows, not %d", len(t.rows), len(kept))
	}
	for i, n := range kept {
		if wrong := w.wrongRow(t.rows[i], o.records[n], inputs, answers, want[i]); wrong != "" {
			return fmt.Sprintf("row %d, record %d: %s", i+1, n+1, wrong)
		}
	}
	return w.wrongFile(o, t, kept)
}

// keptRows are the records that stand in the output, by index, and whether
// each was answered.
func (k *tabular) keptRows(o *simObject, rejected map[int64]bool, onBad string) (kept []int, answered []bool) {
	for i := range o.records {
		bad := rejected[int64(i+1)]
		if !bad || onBad == "placeholder" {
			kept, answered = append(kept, i), append(answered, !bad)
		}
	}
	return kept, answered
}

func (w *world) wrongRow(row map[string]string, rec simRecord, inputs, answers []string, answered bool) string {
	for _, path := range inputs {
		want := w.tab.leaves[rec.id][path]
		if rec.flawed && !rec.unfit {
			want = nullLeaf
		}
		if row[path] != want {
			return fmt.Sprintf("%s is %s, want %s", path, row[path], want)
		}
	}
	for _, path := range answers {
		want := nullLeaf
		if answered {
			want = w.answerLeaf(w.tab.answer(rec.id), path, row[path])
		}
		if row[path] != want {
			return fmt.Sprintf("%s is %s, want %s", path, row[path], want)
		}
	}
	return ""
}

// answerLeaf is the answer as the leaf at path. A CSV answer in a column of
// strings, as got shows it, is its text.
func (w *world) answerLeaf(answer, path, got string) string {
	var v any
	if err := json.Unmarshal([]byte(answer), &v); err != nil {
		panic(err)
	}
	if object, ok := v.(map[string]any); ok {
		v = object[strings.TrimPrefix(path, "prediction_")]
	}
	switch v := v.(type) {
	case string:
		return showLeaf(false, "BYTE_ARRAY", v, 1)
	case float64:
		if w.tab.accept == "text/csv" && strings.HasPrefix(got, "BYTE_ARRAY") {
			return showLeaf(false, "BYTE_ARRAY", answer, 1)
		}
		return showLeaf(false, "DOUBLE", strconv.FormatFloat(v, 'g', -1, 64), 1)
	case []any:
		text := ""
		for _, e := range v {
			if s, ok := e.(string); ok {
				return showLeaf(false, "BYTE_ARRAY", `["`+s+`"]`, 1) // JSON
			}
			text += showLeaf(false, "DOUBLE", strconv.FormatFloat(e.(float64), 'g', -1, 64), 3)
		}
		if strings.HasPrefix(got, "BYTE_ARRAY") {
			return showLeaf(false, "BYTE_ARRAY", answer, 1) // a column of JSON
		}
		return text
	case bool:
		return showLeaf(false, "BOOLEAN", fmt.Sprint(v), 1)
	}
	return nullLeaf
}

// wrongFile says what is wrong with row groups and metadata.
func (w *world) wrongFile(o *simObject, t *table, kept []int) string {
	if _, ok := t.file.Lookup(codec.LineageKey); !ok {
		return "there is no lineage"
	}
	var want []int64
	if w.spliced() {
		want = w.splicedGroups(o, kept)
		if v, _ := t.file.Lookup("theirs"); v != "kept" {
			return "the input's metadata is gone"
		}
	} else {
		for left, most := len(kept), cmp.Or(w.spec.RowGroup, job.DefaultRowGroup); left > 0; left -= most {
			want = append(want, int64(min(left, most)))
		}
	}
	var got []int64
	for _, g := range t.file.RowGroups() {
		got = append(got, g.NumRows())
	}
	if !slices.Equal(got, want) {
		return fmt.Sprintf("row groups of %v rows, want %v", got, want)
	}
	if w.spliced() {
		return w.wrongChunks(o, t)
	}
	return ""
}

// splicedGroups are how many of the kept rows are in each row group of the input.
func (w *world) splicedGroups(o *simObject, kept []int) (want []int64) {
	in := mustDecode(w.input.Snapshot()[o.name])
	first := 0
	for _, g := range in.file.RowGroups() {
		end, n := first+int(g.NumRows()), int64(0)
		for _, i := range kept {
			if i >= first && i < end {
				n++
			}
		}
		if first = end; n > 0 {
			want = append(want, n)
		}
	}
	return want
}

// wrongChunks: where the records are the input's, so are the bytes of its columns.
func (w *world) wrongChunks(o *simObject, t *table) string {
	in := mustDecode(w.input.Snapshot()[o.name])
	if len(t.rows) != len(in.rows) {
		return ""
	}
	for g, group := range t.file.Metadata().RowGroups {
		at := 0
		for _, name := range w.inputPaths(w.tab.keeps) {
			was := in.file.Metadata().RowGroups[g].Columns[slices.Index(in.paths, name)].MetaData
			is := group.Columns[at].MetaData
			at++
			a, b := chunkBytes(in.bytes, was.DictionaryPageOffset, was.DataPageOffset, was.TotalCompressedSize), chunkBytes(t.bytes, is.DictionaryPageOffset, is.DataPageOffset, is.TotalCompressedSize)
			if !bytes.Equal(a, b) {
				return fmt.Sprintf("row group %d, column %s: the chunk is not the input's", g, name)
			}
		}
	}
	return ""
}

func chunkBytes(file []byte, dictionary, data, size int64) []byte {
	from := data
	if dictionary > 0 {
		from = min(from, dictionary)
	}
	return file[from : from+size]
}

// sameBytes runs the job on a fresh store, with a host that makes no mistake
// and refuses what was rejected, and compares the outputs byte for byte. Where
// so much was rejected that such a job is stopped, there is nothing to compare.
func (w *world) sameBytes(ctx context.Context) error {
	calm := *w
	again := *w.tab
	again.records = map[int]simRecord{}
	calm.tab, calm.output = &again, store.NewMemory()
	for i := range w.objects {
		rejected, err := w.rejectsOf(&w.objects[i])
		if err != nil {
			return err
		}
		for n, rec := range w.objects[i].records {
			rec.poison = rejected[int64(n+1)] && !w.tab.misfit[rec.id]
			again.records[rec.id] = rec
		}
	}
	host := &fakeHost{name: "calm", poison: 422, rnd: rand.New(rand.NewPCG(1, 2)), alone: map[int]int{}, asked: map[int]int{}}
	calm.teach(host)
	calm.hosts = []*fakeHost{host}
	calm.spec.BatchRecords, calm.spec.Concurrency = 20, 2
	var stopped *job.Failure
	if _, _, err := calm.run(ctx, calm.output); errors.As(err, &stopped) && stopped.Class == job.BadInput {
		return nil
	} else if err != nil {
		return fmt.Errorf("the undisturbed run: %w", err)
	}
	got, want := comparableFiles(w.output.Snapshot()), comparableFiles(calm.output.Snapshot())
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			return fmt.Errorf("%s is not as an undisturbed run writes it: %s", name, difference(got[name], want[name]))
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d outputs, and %d of an undisturbed run", len(got), len(want))
	}
	return nil
}

// unpack is an output's text where that can be had, for messages.
func (w *world) unpack(data []byte) []byte {
	c, _ := compress.ByName(cmp.Or(w.spec.Compression, "none"))
	text, err := io.ReadAll(compress.NewReader(bytes.NewReader(data), c, compress.Limits{}))
	if c == compress.None || err != nil {
		return data
	}
	return text
}

// pools tells whether zstd is at work.
func (w *world) pools() bool {
	return w.spec.Compression == "zstd" || w.wide != nil && w.wide.packed == compress.Zstd || w.tab != nil && w.tab.codec == &pq.Zstd
}

// pooled: compressors that hold channels may be left in pools.
var pooled atomic.Bool

// forgetCompressors empties the pools of compressors: their channels belong to
// the bubble that made them, and end the next one. Two collections do that.
func forgetCompressors() {
	if pooled.Swap(false) {
		runtime.GC()
		runtime.GC()
	}
}
