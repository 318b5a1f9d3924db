package jobtest

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/workers"
)

// expectWide is the whole output of an object of a wide world.
func (w *world) expectWide(o *simObject, rejected map[int64]bool) []byte {
	var b bytes.Buffer
	b.WriteString(w.wideHeader())
	for i, r := range o.records {
		bad := rejected[int64(i+1)]
		switch {
		case bad && w.spec.OnBad != "placeholder", w.wide.perBatch && !w.wide.answers(r.id):
		case w.wide.perBatch:
			b.WriteString(answerTo(r.id) + "\n")
		case w.wide.out == "csv":
			b.WriteString(w.wideCSVLine(r, bad))
		case w.wide.out == "jsonl":
			b.WriteString(w.wideJSONLine(r, bad))
		case bad:
			b.WriteString("\n")
		default:
			b.WriteString(answerTo(r.id) + "\n")
		}
	}
	c, _ := compress.ByName(cmp.Or(w.spec.Compression, "none"))
	return pack(c, b.Bytes())
}

// answers tells whether a host that filters answers id.
func (k *wide) answers(id int) bool { return k.keep > 0 && id%k.keep == 0 }

// outColumns are the columns of CSV output.
func (w *world) outColumns() []string {
	switch {
	case w.wide.picks != nil:
		return w.wide.picks
	case w.spec.Join == "input":
		return []string{"id", "text", "n", "prediction"}
	}
	return []string{"prediction"}
}

func (w *world) wideHeader() string {
	if w.wide.out != "csv" || !w.headed || w.wide.perBatch {
		return ""
	}
	header := strings.Join(w.outColumns(), ",") + "\n"
	if w.spec.AnswerColumns != "" {
		header = strings.ReplaceAll(header, "prediction", w.spec.AnswerColumns)
	}
	return header
}

func (w *world) wideCSVLine(r simRecord, bad bool) string {
	var fields []string
	for _, name := range w.outColumns() {
		text := ""
		switch {
		case name == "prediction" && !bad:
			text = answerTo(r.id)
		case name != "prediction" && (!r.flawed || r.unfit):
			text = r.columns[name]
		}
		fields = append(fields, text)
	}
	line, end := strings.Join(fields, ","), "\n"
	if line == "" {
		line = `""`
	}
	// A record keeps its line end, but where the end was cut off with the rest.
	if w.wide.in == "csv" && w.spec.Join == "input" && r.eol != "" && !(r.flawed && len(r.text) > 64) {
		end = r.eol
	}
	return line + end
}

func (w *world) wideJSONLine(r simRecord, bad bool) string {
	answer := answerTo(r.id)
	switch {
	case bad:
		answer = "null"
	case w.answeredInLines():
		answer = `"` + answer + `"`
	}
	if w.spec.AnswerColumns != "" && !bad {
		answer = fmt.Sprintf(`{"%s":%s}`, w.spec.AnswerColumns, answer)
	}
	if w.spec.Join != "input" {
		return answer + "\n"
	}
	if w.wide.picks == nil && w.wide.in == "jsonl" && (!r.flawed || r.unfit) {
		return r.text[:len(r.text)-1] + `,"prediction":` + answer + "}\n"
	}
	names := w.wide.picks
	if names == nil {
		names = []string{"id", "text", "n", "prediction"}
	}
	var members []string
	for _, name := range names {
		if text, ok := w.jsonMember(r, name, answer); ok {
			members = append(members, fmt.Sprintf(`"%s":%s`, name, text))
		}
	}
	return "{" + strings.Join(members, ",") + "}\n"
}

// jsonMember is one member of a record joined as JSON.
func (w *world) jsonMember(r simRecord, name, answer string) (string, bool) {
	switch {
	case name == "prediction":
		return answer, true
	case r.flawed && !r.unfit:
		return "", false
	case name == "id":
		return fmt.Sprint(r.id), true
	case name == "text":
		return jsonText(r.word), true
	}
	return r.n, true
}

// answeredInLines: answers come as opaque text, which JSON has as a string.
func (w *world) answeredInLines() bool {
	accept := w.spec.Accept
	if accept == "" {
		accept = w.wide.payload
	}
	return accept == "text/plain" || accept == "text/libsvm"
}

// checkPayload panics unless each record of a payload is what the oracle says
// that the hosts get.
func (w *world) checkPayload(r *workers.Request) {
	ids, _ := payloadIDs(r)
	records := payloadRecords(r)
	if w.spec.SendHeader {
		want := "id,text,n"
		if w.wide.inputFilter != nil {
			want = strings.Join(w.wide.inputFilter, ",")
		}
		if records[0] != want {
			panic(fmt.Sprintf("the payload's header is %q, want %q", records[0], want))
		}
		records = records[1:]
	}
	for i, id := range ids {
		if want := w.sent(w.wide.byID[id]); records[i] != want {
			panic(fmt.Sprintf("record %d was sent as %q, want %q", id, records[i], want))
		}
	}
}

// payloadRecords are a payload's records; CSV fields are rid of quotes.
func payloadRecords(r *workers.Request) (records []string) {
	switch r.ContentType {
	case "text/csv":
		list, _ := csv.NewReader(bytes.NewReader(r.Body)).ReadAll()
		for _, fields := range list {
			records = append(records, strings.Join(fields, ","))
		}
	case "application/json":
		var list []json.RawMessage
		_ = json.Unmarshal(r.Body, &list) // payloadIDs has read it
		for _, text := range list {
			records = append(records, string(text))
		}
	default:
		for line := range strings.Lines(string(r.Body)) {
			records = append(records, strings.TrimRight(line, "\r\n"))
		}
	}
	return records
}

// sent is a record as payloadRecords sees it.
func (w *world) sent(r simRecord) string {
	k := w.wide
	names := k.inputFilter
	if names == nil {
		names = []string{"id", "text", "n"}
	}
	switch {
	case k.in == "lines" && strings.HasPrefix(k.payload, "application"):
		return jsonText(r.text)
	case k.in == "lines", k.in == "jsonl" && k.payload != "text/csv" && k.inputFilter == nil:
		return r.text
	case k.payload != "text/csv":
		return w.sentJSON(r, names)
	}
	var fields []string
	for _, name := range names {
		fields = append(fields, r.columns[name])
	}
	// Read as the host does: it makes LF of CRLF inside quotes.
	list, err := csv.NewReader(strings.NewReader(strings.Join(fields, ","))).Read()
	if err != nil {
		panic(fmt.Sprintf("the oracle's record %d is no CSV: %v", r.id, err))
	}
	return strings.Join(list, ",")
}

// sentJSON is the named members in the order of the record.
func (w *world) sentJSON(r simRecord, names []string) string {
	order := []string{"id", "text", "n"}
	if strings.Index(r.text, `"text"`) < strings.Index(r.text, `"id"`) {
		slices.Reverse(order)
	}
	var members []string
	for _, name := range order {
		if slices.Contains(names, name) {
			text, _ := w.jsonMember(r, name, "")
			members = append(members, fmt.Sprintf(`"%s":%s`, name, text))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}
