package jobtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform/store"
)

// wide is what the jobs of every third seed have beyond the plain ones: formats
// that differ, filters, column types, a limit, responses taken whole, lines.
type wide struct {
	in, out, payload string
	inputFilter      []string // columns that are sent; nil is all
	picks            []string // columns that come out; nil is all
	types            string   // of column n: "", string or number
	perBatch         bool
	byID             map[int]simRecord
	keep             int // a filtering host answers every keep-th id; 0 is none

	packed compress.Codec    // of the inputs
	texts  map[string]string // what they hold, by name
}

// newWideWorld makes a wide world. All of its records go through wideRecord.
func newWideWorld(seed uint64) *world {
	w := &world{rnd: rand.New(rand.NewPCG(seed, 3)), input: store.NewMemory(), output: store.NewMemory(), wide: &wide{byID: map[int]simRecord{}, texts: map[string]string{}}}
	w.makeSpec() // sets what has nothing to do with formats
	w.chooseFormats()
	w.chooseFilters()
	w.chooseCompression(seed)
	if w.wide.perBatch = w.spec.Join == "none" && w.rnd.IntN(3) == 0; w.wide.perBatch {
		w.spec.Answers, w.wide.picks, w.spec.OutputFilter = "per-batch", nil, ""
		w.wide.keep = pick(w.rnd, 0, 1, 2, 3)
		if w.spec.OnBad == "placeholder" {
			w.spec.OnBad = "skip" // what it means there
		}
	}
	if w.wide.out != "lines" && !w.wide.perBatch && seed%4 == 0 { // of the seed alone: no other draw changes
		w.spec.AnswerColumns = "score"
	}
	w.makeObjects()
	w.takeLimit()
	return w
}

func (w *world) chooseFormats() {
	k := w.wide
	k.in = pick(w.rnd, "csv", "csv", "jsonl", "jsonl", "lines")
	k.out = pick(w.rnd, "csv", "jsonl")
	k.payload = pick(w.rnd, "text/csv", "application/jsonlines", "application/json")
	if k.in == "lines" || w.spec.Join == "none" {
		k.out = pick(w.rnd, "csv", "jsonl", "lines")
	}
	if k.in == "lines" {
		w.spec.Join = "none"
		k.payload = pick(w.rnd, "text/plain", "text/libsvm", "application/jsonlines", "application/json")
	}
	w.csv = k.in == "csv"
	w.spec.InputFormat, w.spec.OutputFormat, w.spec.ContentType, w.spec.Header = k.in, k.out, k.payload, "yes"
	w.spec.Accept = pick(w.rnd, "", "text/csv", "application/jsonlines", "application/json", "text/plain")
	if k.in == "csv" && k.payload == "text/csv" {
		w.spec.SendHeader = w.rnd.IntN(3) == 0
	}
	if (k.in == "csv" && k.payload != "text/csv") || (k.in == "csv" && k.out == "jsonl" && w.spec.Join == "input") {
		k.types = pick(w.rnd, "", "string", "number")
	}
	if k.types != "" {
		w.spec.ColumnType = []string{pick(w.rnd, "n=", "2=", "-1=") + k.types}
	}
}

// chooseCompression packs the inputs, or has the outputs packed, in some
// worlds. It draws from a source of its own: all else in a world stays as it is without.
func (w *world) chooseCompression(seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 4))
	w.wide.packed = pick(rnd, compress.None, compress.None, compress.Gzip, compress.Zstd, compress.Snappy, compress.Lz4)
	w.spec.Compression = pick(rnd, "", "", "none", "gzip", "zstd", "snappy", "lz4")
}

// pack compresses text as one would who has it whole.
func pack(c compress.Codec, text []byte) []byte {
	var b bytes.Buffer
	out := compress.NewWriter(&b, c)
	if _, err := out.Write(text); err != nil {
		panic(err)
	}
	if err := out.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func (w *world) chooseFilters() {
	k := w.wide
	if k.in == "lines" {
		return
	}
	filters := []string{"id,text", "id"} // keys that every record has
	columns := map[string][]string{"id,text": {"id", "text"}, "id": {"id"}, ":2": {"id", "text"}, "0,-1,1": {"id", "n", "text"}, "id,n": {"id", "n"}}
	if k.payload == "text/csv" {
		filters = []string{"id,text", "id", ":2", "0,-1,1", "id,n"}
	}
	if w.rnd.IntN(3) == 0 {
		w.spec.InputFilter = pick(w.rnd, filters...)
		k.inputFilter = columns[w.spec.InputFilter]
	}
	if w.spec.Join != "input" || w.rnd.IntN(3) > 0 {
		return
	}
	out := map[string][]string{"id,prediction": {"id", "prediction"}, "id": {"id"}, "prediction": {"prediction"}}
	if k.out == "csv" {
		out["-1, 0"], out["text,-1,1:3"] = []string{"prediction", "id"}, []string{"text", "prediction", "text", "n"}
	}
	names := make([]string, 0, len(out))
	for name := range out {
		names = append(names, name)
	}
	slices.Sort(names)
	w.spec.OutputFilter = pick(w.rnd, names...)
	k.picks = out[w.spec.OutputFilter]
}

// sends tells whether column name goes to the hosts.
func (k *wide) sends(name string) bool {
	return k.inputFilter == nil || slices.Contains(k.inputFilter, name)
}

// columnar: records of JSON must fit the columns of the first one.
func (w *world) columnar() bool {
	k := w.wide
	return k.in == "jsonl" && (k.payload == "text/csv" || k.out == "csv" && w.spec.Join == "input")
}

// takeLimit forgets what --limit leaves out: objects come in the order of
// names, and those after the last record are not in the manifest.
func (w *world) takeLimit() {
	all := 0
	for _, o := range w.objects {
		for _, r := range o.records {
			w.wide.byID[r.id] = r
		}
		all += len(o.records)
		w.headed = w.headed || w.wide.in == "jsonl" && len(o.records) > 0 // JSON has names too
	}
	if !w.headed { // without a schema there are no columns to name
		w.spec.InputFilter, w.spec.OutputFilter, w.spec.ColumnType, w.spec.SendHeader = "", "", nil, false
	}
	if all == 0 || w.rnd.IntN(2) == 0 {
		return
	}
	left := pick(w.rnd, 1, w.rnd.IntN(all)+1, all, all+1, len(w.objects[0].records)+1)
	w.spec.Limit = int64(left)
	slices.SortFunc(w.objects, func(a, b simObject) int { return strings.Compare(a.name, b.name) })
	for i := range w.objects {
		o := &w.objects[i]
		if left == 0 {
			w.objects = w.objects[:i]
			return
		}
		o.records = o.records[:min(left, len(o.records))]
		left -= len(o.records)
	}
}

// wideRecord makes record number n of an object. The first one shows the
// columns, where they come from records.
func (w *world) wideRecord(id, n int) simRecord {
	r := simRecord{id: id, eol: pick(w.rnd, "\n", "\n", "\r\n"), word: pick(w.rnd, "a", "two words", "ü", "x\x00y")}
	first := n == 0 && w.wide.in == "jsonl"
	switch kind := w.rnd.IntN(60); {
	case first:
		r.eol = "\n"
	case kind == 0:
		r.word, r.poison = "poison", w.wide.in == "lines" || w.wide.sends("text")
	case kind == 1 && w.wide.in != "lines":
		r.flawed = true
	case kind == 2 && w.shortRecords():
		r.flawed, r.word = true, strings.Repeat("long", 40)
	}
	switch w.wide.in {
	case "csv":
		w.wideCSV(&r)
	case "jsonl":
		w.wideJSON(&r, first)
	default:
		r.text = fmt.Sprintf("%d %s", id, r.word)
	}
	if len(r.text)+len(r.eol) > int(w.spec.MaxRecord) {
		r.flawed, r.unfit, r.poison = true, false, false
	}
	return r
}

func (w *world) wideCSV(r *simRecord) {
	if r.flawed && len(r.word) < 100 {
		r.text = pick(w.rnd, fmt.Sprintf("%d,ragged", r.id), fmt.Sprintf("%d,a\"b,1", r.id), fmt.Sprintf("%d,\"a\"b,1", r.id))
		return
	}
	text := r.word
	if w.rnd.IntN(10) == 0 && !w.shortRecords() {
		end := pick(w.rnd, "\n", "\r\n")
		r.word += `,"q" ` + end + "next"
		text = `"` + strings.ReplaceAll(r.word, `"`, `""`) + `"`
	}
	n := pick(w.rnd, "1.10", "", "007", `"1.10"`, `""`, "10000000000000000999")
	r.text = fmt.Sprintf("%d,%s,%s", r.id, text, n)
	r.columns = map[string]string{"id": fmt.Sprint(r.id), "text": text, "n": n}
	r.n = w.wide.csvAsJSON(n)
	if w.wide.types == "number" && n == "007" {
		r.flawed, r.unfit, r.poison = true, w.wide.out == "csv", false
	}
}

// csvAsJSON is what the field n of a CSV record is in JSON.
func (k *wide) csvAsJSON(n string) string {
	bare := strings.Trim(n, `"`)
	switch {
	case k.types == "string", k.types == "" && (bare != n || n == "007"):
		return `"` + bare + `"`
	case bare == "":
		return "null"
	}
	return bare
}

func (w *world) wideJSON(r *simRecord, first bool) {
	if r.flawed && len(r.word) < 100 {
		r.text = pick(w.rnd, `{"id":`, `{"id":01}`, `nonsense`, fmt.Sprintf(`{"id":%d,"prediction":1}x`, r.id))
		if w.columnar() && w.rnd.IntN(2) == 0 {
			r.text, r.unfit = fmt.Sprintf(`{"id":%d,"zzz":1,"text":""}`, r.id), w.wide.out == "jsonl"
		}
		return
	}
	text := jsonText(r.word)
	n := pick(w.rnd, `1.10`, `null`, `"007"`, `[1, "a"]`, `"two\nlines"`, `10000000000000000999`, `true`)
	fields := []string{fmt.Sprintf(`"id":%d`, r.id), `"text":` + text, `"n":` + n}
	r.columns = map[string]string{"id": fmt.Sprint(r.id), "text": r.word, "n": map[string]string{
		`1.10`: "1.10", `"007"`: "007", `[1, "a"]`: `"[1, ""a""]"`, `"two\nlines"`: "\"two\nlines\"", `10000000000000000999`: "10000000000000000999", `true`: "true",
	}[n]}
	switch {
	case first:
	case w.rnd.IntN(5) == 0:
		fields, r.columns["n"] = fields[:2], "" // a key that is missing
	case w.rnd.IntN(3) == 0:
		slices.Reverse(fields)
	}
	r.text = "{" + strings.Join(fields, ",") + pick(w.rnd, "", " ") + "}"
}

// jsonText writes the few texts of these worlds as JSON.
func jsonText(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`, "\r", `\r`, "\x00", `\u0000`).Replace(s) + `"`
}
