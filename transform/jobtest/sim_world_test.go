package jobtest

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
)

// world is a random job: its inputs, its spec, its hosts, and what the oracle
// needs to know to tell every output byte without the engine.
type world struct {
	rnd     *rand.Rand
	spec    job.Spec
	input   *store.Memory
	output  *store.Memory
	objects []simObject
	hosts   []*fakeHost
	csv     bool
	headed  bool     // some object has a header, which then holds for all
	wide    *wide    // nil in the plain worlds
	tab     *tabular // nil but in those with Parquet
	limits  []int64  // that runs had so far; see growing
	image   string   // digest of the one that hosts are from; "" for none
	notice  func(string)
}

type simObject struct {
	name    string
	records []simRecord
	ends    string // how its header ends; empty without
}

// simRecord is one record as it stands in the object.
type simRecord struct {
	id     int
	text   string // no line end
	eol    string
	flawed bool // cannot be sent
	poison bool // no host answers it

	// In wide worlds alone:
	word    string            // what its text says
	n       string            // its field n as JSON
	columns map[string]string // its fields as CSV
	unfit   bool              // flawed, but its bytes can stand in the output
}

func newWorld(seed uint64) *world {
	switch {
	case seed%3 == 0:
		return newWideWorld(seed)
	case seed%5 == 4:
		return newTabularWorld(seed)
	}
	w := &world{rnd: rand.New(rand.NewPCG(seed, 1)), input: store.NewMemory(), output: store.NewMemory()}
	w.csv = w.rnd.IntN(2) == 0
	w.makeSpec()
	if w.csv && seed%4 == 1 {
		w.spec.Comment = "#"
	}
	w.makeObjects()
	return w
}

// pick is one of the values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

func (w *world) makeSpec() {
	w.spec = job.Spec{
		Input: []string{"mem:in"}, Output: "mem:out",
		Join: pick(w.rnd, "input", "none"), OnBad: pick(w.rnd, "placeholder", "skip", "fail"),
		BatchRecords: pick(w.rnd, job.Auto(0), 1, 2, 7, 30, 100), BatchBytes: pick(w.rnd, job.Bytes(0), 300, 4000),
		Concurrency: pick(w.rnd, job.Auto(0), 1, 2, 5), Memory: pick(w.rnd, job.Bytes(job.MinMemory), 8<<20),
		MaxRejects: &job.Allowance{Percent: 100, IsShare: true}, HostWait: job.Duration(1e9 * 3600),
	}
	if w.csv {
		w.spec.InputFormat, w.spec.Header = "csv", "yes"
	} else {
		w.spec.InputFormat = "jsonl"
		w.spec.ContentType = pick(w.rnd, "application/jsonlines", "application/json")
	}
	if w.rnd.IntN(4) == 0 {
		w.spec.MaxRecord = 64
	} else {
		w.spec.MaxRecord = 64 << 10
	}
}

// shortRecords: some records are longer than --max-record.
func (w *world) shortRecords() bool { return w.spec.MaxRecord == 64 }

func (w *world) makeObjects() {
	for i := range w.rnd.IntN(5) + 1 {
		o := simObject{name: fmt.Sprintf("dir%d/o%d", i%2, i)}
		for range pick(w.rnd, 0, 1, 3, 50, 300) {
			o.records = append(o.records, w.makeRecord(len(w.objects)*10000+len(o.records)))
		}
		text := w.render(&o)
		if w.wide != nil {
			o.name += w.wide.packed.Ext()
			w.wide.texts[o.name] = text
			text = string(pack(w.wide.packed, []byte(text)))
		}
		w.objects = append(w.objects, o)
		w.input.Put(o.name, []byte(text))
	}
}

func (w *world) render(o *simObject) string {
	var b strings.Builder
	if w.csv && (len(o.records) > 0 || w.rnd.IntN(2) == 0) {
		o.ends = "\n"
		if w.spec.Comment != "" && len(w.objects)%2 == 1 {
			o.ends = "\r\n"
		}
		b.WriteString(w.comment(len(w.objects)+3) + "id,text,n" + o.ends)
		w.headed = true
	}
	for i, r := range o.records {
		b.WriteString(r.text)
		if i < len(o.records)-1 || w.shortRecords() || w.rnd.IntN(2) == 0 {
			b.WriteString(r.eol)
		} else {
			o.records[i].eol = ""
		}
		if w.rnd.IntN(20) == 0 && o.records[i].eol != "" {
			b.WriteString("\n") // a blank line is no record
		}
		if o.records[i].eol != "" {
			b.WriteString(w.comment(r.id))
		}
	}
	return b.String()
}

// firstHeaderEnd is how the header ends of the job's first object that has one. A job's
// objects stand in the order of their names.
func (w *world) firstHeaderEnd() string {
	var first simObject
	for _, o := range w.objects {
		if o.ends != "" && (first.name == "" || o.name < first.name) {
			first = o
		}
	}
	return first.ends
}

// comment is a comment line behind some of the records, where the job knows comments.
func (w *world) comment(id int) string {
	if w.spec.Comment == "" || id%7 != 3 {
		return ""
	}
	return `#",` + strings.Repeat("long", id%3*20) + "\n"
}

func (w *world) makeRecord(id int) simRecord {
	if w.wide != nil {
		return w.wideRecord(id, id%10000)
	}
	r := simRecord{id: id, eol: pick(w.rnd, "\n", "\n", "\r\n")}
	word := pick(w.rnd, "a", "two words", "ü", "x\x00y")
	switch kind := w.rnd.IntN(60); {
	case kind == 0:
		r.poison, word = true, "poison"
	case kind == 1:
		r.flawed = true
	case kind == 2 && w.shortRecords():
		r.flawed, word = true, strings.Repeat("long", 40)
	}
	if w.csv {
		r.text = w.csvRecord(r, word)
	} else {
		r.text = w.jsonRecord(r, word)
	}
	if len(r.text)+len(r.eol) > int(w.spec.MaxRecord) {
		r.flawed, r.poison = true, false
	}
	return r
}

func (w *world) csvRecord(r simRecord, word string) string {
	if r.flawed && len(word) < 100 {
		return pick(w.rnd, fmt.Sprintf("%d,ragged", r.id), fmt.Sprintf("%d,a\"b,1", r.id), fmt.Sprintf("%d,\"a\"b,1", r.id))
	}
	if w.rnd.IntN(10) == 0 && !w.shortRecords() {
		word = `"` + word + `,""q"" ` + pick(w.rnd, "\n", "\r\n") + `next"`
	}
	return fmt.Sprintf("%d,%s,1.10", r.id, word)
}

func (w *world) jsonRecord(r simRecord, word string) string {
	if r.flawed && len(word) < 100 {
		return pick(w.rnd, `{"id":`, `{"id":01}`, `nonsense`, fmt.Sprintf(`{"id":%d,"prediction":1}x`, r.id))
	}
	word = strings.ReplaceAll(word, "\x00", `\u0000`)
	return fmt.Sprintf(`%s{"id":%d, "text":"%s","n":10000000000000000999%s}`, pick(w.rnd, "", " "), r.id, word, pick(w.rnd, "", " "))
}

// expect is the whole output of an object, given which of its records (by
// number from 1) were rejected.
func (w *world) expect(o *simObject, rejected map[int64]bool) []byte {
	switch {
	case w.wide != nil:
		return w.expectWide(o, rejected)
	case w.tab != nil:
		return w.expectText(o, rejected)
	}
	var b bytes.Buffer
	joined := w.spec.Join == "input"
	if w.headed {
		b.WriteString(map[bool]string{true: "id,text,n,prediction" + cmp.Or(o.ends, w.firstHeaderEnd()), false: "prediction\n"}[joined])
	}
	for i, r := range o.records {
		bad := rejected[int64(i+1)]
		if bad && w.spec.OnBad != "placeholder" {
			continue
		}
		if w.csv {
			b.WriteString(expectCSV(r, joined, bad))
		} else {
			b.WriteString(expectJSON(r, joined, bad))
		}
	}
	return b.Bytes()
}

func expectCSV(r simRecord, joined, bad bool) string {
	eol := r.eol
	if eol == "" {
		eol = "\n"
	}
	switch {
	case !joined && bad:
		return "\"\"\n"
	case !joined:
		return answerTo(r.id) + "\n"
	case bad && r.flawed && len(r.text) > 64:
		return ",,,\n" // its line end went with the rest of it
	case bad && r.flawed:
		return ",,," + eol
	case bad:
		return r.text + "," + eol
	}
	return r.text + "," + answerTo(r.id) + eol
}

func expectJSON(r simRecord, joined, bad bool) string {
	answer := answerTo(r.id)
	if bad {
		answer = "null"
	}
	switch {
	case !joined:
		return answer + "\n"
	case r.flawed:
		return `{"prediction":null}` + "\n"
	}
	return r.text[:strings.LastIndex(r.text, "}")] + `,"prediction":` + answer + "}\n"
}
