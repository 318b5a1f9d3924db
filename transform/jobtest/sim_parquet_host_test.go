package jobtest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/workers"
)

const typeParquet = "application/x-parquet"

// teach lets a host speak as the world does.
func (w *world) teach(h *fakeHost) {
	h.read, h.write = w.readPayload, w.writeAnswers
	if w.tab.payload == typeParquet {
		h.limit = 0 // a file of one record is beyond it
	}
}

// readPayload finds the records of a payload. It panics unless each is what
// the oracle says that hosts get.
func (w *world) readPayload(r *workers.Request) (ids []int, poisoned bool) {
	if r.ContentType == typeParquet {
		ids = w.readTable(r.Body)
	} else {
		ids, _ = payloadIDs(r)
		for i, got := range payloadRecords(r) {
			if want := w.sentText(ids[i]); got != want {
				panic(fmt.Sprintf("record %d was sent as %q, want %q", ids[i], got, want))
			}
		}
	}
	return ids, slices.ContainsFunc(ids, func(id int) bool { return w.tab.records[id].poison })
}

// readTable reads a payload that is a Parquet file.
func (w *world) readTable(body []byte) (ids []int) {
	t := mustDecode(body)
	for _, row := range t.rows {
		id := 0
		if _, err := fmt.Sscanf(row["id"], "INT64:%d@", &id); err != nil {
			panic(fmt.Sprintf("the payload's id is %q: %v", row["id"], err))
		}
		ids = append(ids, id)
		for _, path := range t.paths {
			if want := w.tab.leaves[id][path]; row[path] != want {
				panic(fmt.Sprintf("record %d was sent with %s = %s, want %s", id, path, row[path], want))
			}
		}
	}
	want := w.inputPaths(w.tab.sends)
	if !slices.Equal(t.paths, want) {
		panic(fmt.Sprintf("columns %v were sent, want %v", t.paths, want))
	}
	return ids
}

// sentText is a record as payloadRecords sees it.
func (w *world) sentText(id int) string {
	row, names := w.tab.rows[id], w.inputColumns(w.tab.sends)
	if w.tab.payload != "text/csv" {
		return row.json(func(name string) bool { return slices.Contains(names, name) })
	}
	list, err := csv.NewReader(strings.NewReader(row.csv(names))).Read()
	if err != nil {
		panic(fmt.Sprintf("the oracle's record %d is no CSV: %v", id, err))
	}
	return strings.Join(list, ",")
}

// inputColumns are the input's columns that are among the chosen ones; nil chooses all.
func (w *world) inputColumns(chosen []string) []string {
	names := tabColumns
	if w.tab.in != "parquet" {
		names = tabColumns[:3]
	}
	if chosen == nil {
		return names
	}
	var found []string
	for _, name := range chosen {
		if slices.Contains(names, name) {
			found = append(found, name)
		}
	}
	return found
}

// inputPaths are the leaves of inputColumns.
func (w *world) inputPaths(chosen []string) (paths []string) {
	below := map[string][]string{"tags": {"tags.list.element"}, "who": {"who.name", "who.age"}}
	for _, name := range w.inputColumns(chosen) {
		if nested, ok := below[name]; ok {
			paths = append(paths, nested...)
		} else {
			paths = append(paths, name)
		}
	}
	return paths
}

// answer is what hosts answer record id, as JSON.
func (k *tabular) answer(id int) string {
	if id < k.nulls {
		return "null"
	}
	if k.odd(id) {
		return map[string]string{"number": `"odd"`, "text": "5.5", "list": `["odd"]`, "object": fmt.Sprintf(`{"score":%d,"more":2}`, id), "long": "true"}[k.kind]
	}
	switch k.kind {
	case "text":
		return fmt.Sprintf(`"answer \"%d\""`, id)
	case "long":
		return fmt.Sprintf(`"%d %s"`, id, strings.Repeat("long ", 120))
	case "list":
		return fmt.Sprintf(`[%d,0.5]`, id)
	case "object":
		return fmt.Sprintf(`{"score":%d.25,"label":"l%d"}`, id, id)
	}
	return answerTo(id)
}

// odd tells whether record id is answered with something of another type.
func (k *tabular) odd(id int) bool {
	return k.out == "parquet" && k.accept != typeParquet && id%37 == 31
}

func (w *world) writeAnswers(r *workers.Request, ids []int) []byte {
	var b bytes.Buffer
	var list []json.RawMessage
	for _, id := range ids {
		text := w.tab.answer(id)
		list = append(list, json.RawMessage(text))
		if r.Accept == "text/csv" {
			text = strings.Trim(text, `"`)
		}
		b.WriteString(text + "\n")
	}
	switch {
	case r.Accept == "application/json":
		text, _ := json.Marshal(map[string]any{"predictions": append([]json.RawMessage{}, list...)})
		return text
	case r.Accept != typeParquet:
		return b.Bytes()
	case w.tab.kind == "number":
		return answerTable[float64](list)
	case w.tab.kind == "object":
		return answerObjects(list)
	}
	return answerTable[string](list)
}

// answerTable is a Parquet file with a column of answers.
func answerTable[T any](list []json.RawMessage) []byte {
	rows := make([]struct {
		P *T `parquet:"p,optional"`
	}, len(list))
	for i := range list {
		if err := json.Unmarshal(list[i], &rows[i].P); err != nil {
			panic(err)
		}
	}
	return writeTable(rows)
}

// answerObjects is a Parquet file with a column for each key.
func answerObjects(list []json.RawMessage) []byte {
	rows := make([]struct {
		Score *float64 `parquet:"score,optional" json:"score"`
		Label *string  `parquet:"label,optional" json:"label"`
	}, len(list))
	for i := range list {
		if err := json.Unmarshal(list[i], &rows[i]); err != nil {
			panic(err)
		}
	}
	return writeTable(rows)
}

func writeTable[T any](rows []T, options ...pq.WriterOption) []byte {
	var b bytes.Buffer
	out := pq.NewGenericWriter[T](&b, append(options, pq.PageBufferSize(1<<10))...)
	if _, err := out.Write(rows); err != nil {
		panic(err)
	}
	if err := out.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
