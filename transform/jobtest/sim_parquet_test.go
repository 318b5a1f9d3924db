package jobtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	pq "github.com/parquet-go/parquet-go"
	pqcompress "github.com/parquet-go/parquet-go/compress"

	"github.com/batchmill/batchmill/transform/store"
)

// tabular is what the jobs of every fifth seed have beyond the plain ones:
// Parquet at one end or both.
type tabular struct {
	in, out         string
	payload, accept string
	codec           pqcompress.Codec // of the pages of Parquet inputs
	group           int64            // rows of their row groups
	bloom           bool
	sends           []string // columns that go to hosts; nil is all
	keeps           []string // columns that come out; nil is all
	nulls           int      // the first records of the job are answered with null
	kind            string   // of answers: number, text, list, object, long
	rows            map[int]tabRow
	records         map[int]simRecord
	leaves          map[int]map[string]string // what records hold as columns
	columns         []tabColumn               // the answers', once the job is done
	misfit          map[int]bool              // whose answer is none of those
}

// tabRow is a row of Parquet input. Text input has its first three columns.
type tabRow struct {
	ID   int64    `parquet:"id"`
	Text *string  `parquet:"text,optional,dict"`
	X    *float64 `parquet:"x,optional"`
	Tags []int64  `parquet:"tags,list"`
	Who  *tabWho  `parquet:"who,optional"`
}

type tabWho struct {
	Name string `parquet:"name"`
	Age  *int32 `parquet:"age,optional"`
}

// tabColumns are the top-level columns.
var tabColumns = []string{"id", "text", "x", "tags", "who"}

func newTabularWorld(seed uint64) *world {
	w := &world{rnd: rand.New(rand.NewPCG(seed, 5)), input: store.NewMemory(), output: store.NewMemory(),
		tab: &tabular{rows: map[int]tabRow{}, records: map[int]simRecord{}, leaves: map[int]map[string]string{}}}
	w.makeSpec() // sets what has nothing to do with formats
	w.spec.MaxRecord = 64 << 10
	if w.rnd.IntN(3) == 0 {
		w.spec.Join = "input"
	}
	w.chooseTables()
	w.chooseAnswers()
	for i := range w.rnd.IntN(4) + 1 {
		w.addTable(i)
	}
	w.limitTables()
	return w
}

func (w *world) chooseTables() {
	k := w.tab
	k.in = pick(w.rnd, "parquet", "parquet", "parquet", "csv", "jsonl")
	k.out = "parquet"
	if k.in == "parquet" {
		k.out = pick(w.rnd, "parquet", "parquet", "parquet", "parquet", "csv", "jsonl")
	}
	k.payload = pick(w.rnd, "application/jsonlines", "text/csv", "application/json", "application/x-parquet")
	k.codec = pick[pqcompress.Codec](w.rnd, &pq.Snappy, &pq.Snappy, &pq.Uncompressed, &pq.Zstd)
	k.group, k.bloom = pick(w.rnd, int64(3), 40, 1000), w.rnd.IntN(3) == 0
	w.csv, w.headed = k.in == "csv", true
	w.spec.InputFormat, w.spec.OutputFormat, w.spec.ContentType, w.spec.Header = k.in, k.out, k.payload, "yes"
	if rows := pick(w.rnd, 0, 5, 50); k.out == "parquet" && !w.spliced() {
		w.spec.RowGroup = rows
	}
	w.spec.Compression = pick(w.rnd, "", "", "none", "zstd", "gzip", "lz4")
	if w.rnd.IntN(3) == 0 {
		k.sends = pick(w.rnd, []string{"id", "text"}, []string{"id", "x"}, []string{"id"})
		w.spec.InputFilter = strings.Join(k.sends, ",")
	}
	if k.out == "parquet" && w.spec.Join == "input" && w.rnd.IntN(3) == 0 {
		k.keeps = pick(w.rnd, []string{"id", "prediction"}, []string{"x", "id", "prediction"}, []string{"prediction"}, []string{"id", "text"})
		w.spec.OutputFilter = strings.Join(k.keeps, ",")
	}
	if k.in != "parquet" && w.typed() {
		w.spec.ColumnType = []string{"id=integer", "x=double"}
		if k.in == "jsonl" { // else a null in the first record makes it JSON
			w.spec.ColumnType = append(w.spec.ColumnType, "text=string")
		}
	}
}

// spliced tells whether outputs are made of the inputs' own column chunks.
func (w *world) spliced() bool {
	return w.tab.in == "parquet" && w.tab.out == "parquet" && w.spec.Join == "input"
}

// typed tells whether the records of text input become rows.
func (w *world) typed() bool {
	return w.spec.Join == "input" || w.tab.payload == "application/x-parquet"
}

// chooseAnswers chooses what hosts answer, and how they write it.
func (w *world) chooseAnswers() {
	k := w.tab
	k.accept = pick(w.rnd, "application/jsonlines", "application/json", "application/x-parquet", "text/csv")
	w.spec.Accept, k.kind = k.accept, "number"
	if k.out != "parquet" || k.accept == "text/csv" {
		return
	}
	k.kind = pick(w.rnd, "number", "number", "text", "list", "object", "long")
	if k.accept == "application/x-parquet" && k.kind == "list" {
		k.kind = "object"
	}
	k.nulls = pick(w.rnd, 0, 0, 1, 3)
}

// addTable makes object i. The first has records, for text shows its columns there.
func (w *world) addTable(i int) {
	o := simObject{name: fmt.Sprintf("o%d.%s", i, w.tab.in)}
	size := pick(w.rnd, 0, 1, 7, 50, 150)
	if i == 0 && size == 0 {
		size = 7
	}
	var rows []tabRow
	for n := range size {
		row := w.tabRow(i*10000 + n)
		o.records = append(o.records, w.tabRecord(&row))
		rows = append(rows, row)
	}
	w.put(o, rows)
}

// put adds an object to the input.
func (w *world) put(o simObject, rows []tabRow) {
	w.objects = append(w.objects, o)
	if w.tab.in == "parquet" {
		file := w.tab.file(rows)
		w.input.Put(o.name, file)
		for n, leaves := range mustDecode(file).rows {
			w.tab.leaves[o.records[n].id] = leaves
		}
		return
	}
	for _, row := range rows {
		w.tab.leaves[int(row.ID)] = row.leaves()
	}
	var b strings.Builder
	if w.csv {
		b.WriteString("id,text,x\n")
	}
	for _, r := range o.records {
		b.WriteString(r.text + r.eol)
	}
	w.input.Put(o.name, []byte(b.String()))
}

// file is a Parquet file of rows.
func (k *tabular) file(rows []tabRow) []byte {
	options := []pq.WriterOption{pq.Compression(k.codec), pq.MaxRowsPerRowGroup(k.group), pq.KeyValueMetadata("theirs", "kept")}
	if k.bloom {
		options = append(options, pq.BloomFilters(pq.SplitBlockFilter(10, "id")))
	}
	return writeTable(rows, options...)
}

func (w *world) tabRow(id int) tabRow {
	row := tabRow{ID: int64(id), Tags: make([]int64, w.rnd.IntN(3))}
	for i := range row.Tags {
		row.Tags[i] = int64(w.rnd.IntN(9))
	}
	if w.rnd.IntN(6) > 0 {
		text := pick(w.rnd, "a", "two words", "ü")
		row.Text = &text
	}
	if w.rnd.IntN(4) > 0 {
		x := float64(w.rnd.IntN(1000)) / 8
		row.X = &x
	}
	if w.rnd.IntN(3) > 0 {
		row.Who = &tabWho{Name: "n"}
		if age := int32(id % 90); w.rnd.IntN(2) == 0 {
			row.Who.Age = &age
		}
	}
	return row
}

// tabRecord is what the row is as a record; now and then something is wrong with it.
func (w *world) tabRecord(row *tabRow) simRecord {
	r := simRecord{id: int(row.ID), eol: "\n"}
	kind := w.rnd.IntN(60)
	if kind == 0 && w.tab.sent("text") {
		text := "poison"
		row.Text, r.poison = &text, true
	}
	switch w.tab.in {
	case "parquet":
		r.text = row.json(w.tab.sent)
	case "csv":
		r.text = row.csv([]string{"id", "text", "x"})
	default:
		r.text = row.json(func(name string) bool { return name != "tags" && name != "who" })
	}
	if w.tab.in != "parquet" && !r.poison && r.id > 0 {
		w.spoil(&r, row, kind)
	}
	w.tab.rows[r.id], w.tab.records[r.id] = *row, r
	return r
}

// spoil makes a text record that cannot be sent or written.
func (w *world) spoil(r *simRecord, row *tabRow, kind int) {
	switch {
	case kind == 1 && w.csv:
		r.flawed, r.text = true, pick(w.rnd, fmt.Sprintf("%d,ragged", r.id), fmt.Sprintf("%d,a\"b,1", r.id))
	case kind == 1:
		r.flawed, r.text = true, pick(w.rnd, fmt.Sprintf(`{"id":%d`, r.id), "nonsense"+fmt.Sprint(r.id))
	case kind == 2 && w.typed() && w.tab.uses(w, "x"):
		text := "a"
		row.Text = &text
		r.unfit = w.spec.Join == "input" && !w.tab.kept("x") && !(w.csv && strings.HasPrefix(w.tab.payload, "application/json"))
		r.flawed, r.text = true, fmt.Sprintf("%d,a,five", r.id)
		if !w.csv {
			r.text = pick(w.rnd, fmt.Sprintf(`{"id":%d,"text":"a","x":"five"}`, r.id), fmt.Sprintf(`{"id":%d,"text":"a","x":1e999}`, r.id))
		}
	}
}

func (k *tabular) sent(name string) bool { return k.sends == nil || slices.Contains(k.sends, name) }

// kept tells whether column name comes out; the answers' are one.
func (k *tabular) kept(name string) bool { return k.keeps == nil || slices.Contains(k.keeps, name) }

// uses tells whether the type of a text column is looked at.
func (k *tabular) uses(w *world, name string) bool {
	return k.payload == "application/x-parquet" && k.sent(name) || w.csv && strings.HasPrefix(k.payload, "application/json") || w.spec.Join == "input" && k.kept(name)
}

// limitTables forgets what --limit leaves out.
func (w *world) limitTables() {
	if w.rnd.IntN(4) > 0 {
		return
	}
	left := w.rnd.IntN(60) + 1
	w.spec.Limit = int64(left)
	for i := range w.objects {
		if left == 0 {
			w.objects = w.objects[:i]
			return
		}
		o := &w.objects[i]
		o.records = o.records[:min(left, len(o.records))]
		left -= len(o.records)
	}
}

// field is one field as JSON.
func (r *tabRow) field(name string) string {
	switch {
	case name == "id":
		return fmt.Sprint(r.ID)
	case name == "text" && r.Text != nil:
		return jsonText(*r.Text)
	case name == "x" && r.X != nil:
		return fmt.Sprint(*r.X)
	case name == "tags":
		return strings.ReplaceAll(fmt.Sprint(r.Tags), " ", ",")
	case name == "who" && r.Who != nil && r.Who.Age != nil:
		return fmt.Sprintf(`{"name":%s,"age":%d}`, jsonText(r.Who.Name), *r.Who.Age)
	case name == "who" && r.Who != nil:
		return fmt.Sprintf(`{"name":%s,"age":null}`, jsonText(r.Who.Name))
	}
	return "null"
}

// json is the row as a JSON object of the columns that sent knows.
func (r *tabRow) json(sent func(string) bool) string {
	var members []string
	for _, name := range tabColumns {
		if sent(name) {
			members = append(members, fmt.Sprintf(`"%s":%s`, name, r.field(name)))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// csv is the row as a CSV record of the named columns.
func (r *tabRow) csv(names []string) string {
	var fields []string
	for _, name := range names {
		text := r.field(name)
		switch {
		case text == "null":
			text = ""
		case name == "text":
			text = strings.Trim(text, `"`)
		case name == "tags" || name == "who":
			text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
		}
		fields = append(fields, text)
	}
	return strings.Join(fields, ",")
}
