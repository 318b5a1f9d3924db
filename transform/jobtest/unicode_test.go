package jobtest

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// A textRecord is a record of one text, whatever its bytes are.
type textRecord struct {
	ID   int64  `parquet:"id"`
	Text string `parquet:"name"`
	lone bool   // in JSON, the text ends in an escape of half a surrogate pair
	// The host adds to its answer a byte that is not UTF-8, or in JSON half a pair.
	badAnswer, loneAnswer bool
}

// literal is text as a JSON literal, bytes as they are.
func literal(text string, lone bool) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c < ' ':
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	if lone {
		b.WriteString(`\uD83d`)
	}
	return b.String() + `"`
}

// anyText is a text without line ends: of ASCII, of characters, of bytes, or of all.
func anyText(r *rand.Rand) string {
	pieces := [][]string{
		{"a", "Z", " ", `"`, `\`, ",", "{", "0", "\t", "\x00"}, {"é", "文", "😀", "\ufffd", "\u2028", "\ufeff"},
		{"\xe9", "\xff", "\x80", "\xc3", "\xe2\x82", "\xed\xa0\xbd", "\xf4\x90\x80\x80", "\xc0\xaf"},
	}
	text := "t" // so that it is neither empty nor a number
	kinds := 1 + r.IntN(len(pieces))
	for range r.IntN(6) {
		kind := pieces[r.IntN(kinds)]
		text += kind[r.IntN(len(kind))]
	}
	return text + "."
}

func textRecords(seed uint64, in string) (list []textRecord) {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range 12 {
		rec := textRecord{ID: int64(100 + i), Text: anyText(r), badAnswer: r.IntN(6) == 0, loneAnswer: r.IntN(6) == 0}
		rec.lone = in == codec.FormatJSONL && r.IntN(4) == 0
		if i < 2 { // at least some that all is well with
			rec = textRecord{ID: rec.ID, Text: "tü."}
		}
		list = append(list, rec)
	}
	return list
}

func textObject(t *testing.T, in string, list []textRecord) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"id", "name"})
	w.Flush()
	switch in {
	case codec.FormatParquet:
		return parquetFile(t, list)
	case codec.FormatJSONL, codec.FormatLines:
		b.Reset()
	}
	for _, r := range list {
		switch in {
		case codec.FormatCSV:
			_ = w.Write([]string{strconv.FormatInt(r.ID, 10), r.Text})
			w.Flush()
		case codec.FormatJSONL:
			fmt.Fprintf(&b, "{\"id\":%d,\"name\":%s}\n", r.ID, literal(r.Text, r.lone))
		default:
			fmt.Fprintf(&b, "%d %s\n", r.ID, r.Text)
		}
	}
	return b.Bytes()
}

// textHost answers each text with the text behind an a, and finds texts that changed.
type textHost struct {
	t    *testing.T
	c    *pairing
	list []textRecord
	sent [12]atomic.Bool // by record
}

func (h *textHost) Name() string { return "host" }

func (h *textHost) Ready(context.Context) (workers.Parameters, error) {
	return workers.Parameters{}, nil
}

func (h *textHost) Invoke(_ context.Context, r *workers.Request) (workers.Response, error) {
	if strings.HasPrefix(r.ContentType, "application/json") && !utf8.Valid(r.Body) {
		h.t.Errorf("%+v: a payload of JSON is not UTF-8: %q", *h.c, r.Body)
	}
	var texts []string
	var lone []bool
	for _, row := range h.rows(r.Body) {
		id, _ := strconv.ParseInt(row[0], 10, 64)
		rec := &h.list[id-100]
		if row[1] != rec.Text || rec.lone {
			h.t.Errorf("%+v: record %d was sent as %q, and is %q", *h.c, id, row[1], rec.Text)
		}
		h.sent[id-100].Store(true)
		texts, lone = append(texts, rec.answer()), append(lone, rec.loneAnswer)
	}
	body := h.render(texts, lone)
	if r.Reserve != nil {
		if err := r.Reserve(context.Background(), len(body)); err != nil {
			return workers.Response{}, err
		}
	}
	return workers.Response{Status: 200, ContentType: r.Accept, Body: append(r.Into[:0], body...)}, nil
}

func (r *textRecord) answer() string {
	if r.badAnswer {
		return "a" + r.Text + "\xe9"
	}
	return "a" + r.Text
}

// rows are the id and the text of each record of a payload.
func (h *textHost) rows(body []byte) (rows [][]string) {
	s, err := h.sheet(body)
	if err != nil {
		h.t.Errorf("%+v: a payload cannot be read: %v in %q", *h.c, err, body)
		return nil
	}
	for i, row := range s.rows {
		if h.c.in == codec.FormatLines {
			id, text, _ := strings.Cut(row[0].text, " ")
			rows = append(rows, []string{id, text})
			continue
		}
		id, _ := s.column(i, "id")
		text, _ := s.column(i, "name")
		rows = append(rows, []string{id.text, text.text})
	}
	return rows
}

func (h *textHost) sheet(body []byte) (s *sheet, err error) {
	switch {
	case h.c.payload == "lines", h.c.payload == "csv" && h.c.in == codec.FormatLines:
		return readLines(body), nil
	case h.c.payload == "csv":
		s, err = readCSV(body, false)
		if s != nil {
			s.names = []string{"id", "name"}
		}
		return s, err
	case h.c.payload == "parquet":
		return readParquet(body)
	case h.c.payload == "jsonl":
		lines, err := jsonLines(body)
		if err != nil {
			return nil, err
		}
		return h.c.readValues(lines)
	}
	return h.c.readDocument(body)
}

func (h *textHost) render(texts []string, lone []bool) []byte {
	var b bytes.Buffer
	var values []string
	w := csv.NewWriter(&b)
	var rows []struct{ A string }
	for i, text := range texts {
		values = append(values, literal(text, lone[i]))
		rows = append(rows, struct{ A string }{text})
		switch h.c.response {
		case "csv":
			_ = w.Write([]string{text})
		case "lines":
			b.WriteString(text + "\n")
		}
	}
	w.Flush()
	switch h.c.response {
	case "jsonl":
		return []byte(strings.Join(values, "\n") + "\n")
	case "array", "predictions":
		return []byte("[" + strings.Join(values, ",") + "]")
	case "parquet":
		return parquetFile(h.t, rows)
	}
	return b.Bytes()
}

// TestAnyTextThroughEveryPair: any bytes as text, through every pair of input,
// payload, output and answer, come out equal, or as a reject that names why.
func TestAnyTextThroughEveryPair(t *testing.T) {
	oneBubble(t, func(t *testing.T) {
		seed, cells := uint64(0), 0
		defer func() { t.Attr("format_cells", strconv.Itoa(cells)) }()
		for c := range pairings() {
			if c.inFilter || c.outFilter || c.refused() != "" {
				continue
			}
			for _, c.response = range matrixResponses {
				cells++
				seed++
				c.answer, c.bad = "string", "placeholder"
				c.runTexts(t, seed)
			}
			if t.Failed() {
				return
			}
		}
	})
}

func (c *pairing) runTexts(t *testing.T, seed uint64) {
	list := textRecords(seed, c.in)
	in, out := store.NewMemory(), store.NewMemory()
	if err := in.Put("o"+matrixExtension[c.in], textObject(t, c.in, list)); err != nil {
		t.Fatal(err)
	}
	spec := c.spec()
	spec.InputFilter = ""
	host := &textHost{t: t, c: c, list: list}
	res, err := start(t, spec, in, out, host, new(transform.Progress))
	if err != nil {
		t.Errorf("%+v, seed %d: %v", *c, seed, err)
		return
	}
	if o := res.Manifest.Objects[0]; o.Status != manifest.Published {
		t.Errorf("%+v, seed %d: %s, %s", *c, seed, o.Status, o.Error)
		return
	}
	seen := out.Snapshot()
	rejects := map[int64]manifest.Reject{}
	for line := range bytes.Lines(seen[plan.RejectsDir+"/o"+matrixExtension[c.in]+".jsonl"]) {
		r, err := manifest.DecodeReject(line)
		if err != nil {
			t.Fatal(err)
		}
		rejects[r.Record] = r
	}
	data := seen["o"+matrixExtension[c.out]]
	s, err := c.readTexts(data)
	if err != nil || len(s.rows) != len(list) {
		t.Errorf("%+v, seed %d: %v, %q", *c, seed, err, data)
		return
	}
	for i := range list {
		if err := c.checkText(s, i, &list[i], rejects[int64(i+1)], host.sent[i].Load()); err != nil {
			t.Errorf("%+v, seed %d, record %d (%q): %v", *c, seed, i+1, list[i].Text, err)
		}
	}
	if c.out == codec.FormatJSONL && !soundJSON(data) {
		t.Errorf("%+v, seed %d: the output is not Unicode: %q", *c, seed, data)
	}
}

// readTexts reads an output, in which rejects of JSON Lines may have no key but the answer's.
func (c *pairing) readTexts(data []byte) (*sheet, error) {
	if c.out != codec.FormatJSONL || c.join == "none" {
		return c.readOutput(data)
	}
	lines, err := jsonLines(data)
	s := &sheet{names: []string{"id", "name", "prediction"}}
	for _, line := range lines {
		names, values, err := members(line)
		if err != nil {
			return nil, err
		}
		one := &sheet{names, [][]cell{values}}
		var row []cell
		for _, name := range s.names {
			v, _ := one.column(0, name)
			row = append(row, v)
		}
		s.rows = append(s.rows, row)
	}
	return s, err
}

// soundJSON tells whether data is UTF-8, and no text in it is repaired by a reader.
func soundJSON(data []byte) bool {
	lines, err := jsonLines(data)
	for _, line := range lines {
		again, _ := json.Marshal(jsonCell(line).text)
		if bytes.Contains(again, []byte("\ufffd")) && !bytes.Contains(line, []byte("\ufffd")) {
			return false
		}
	}
	return err == nil && utf8.Valid(data)
}

// checkText looks at one record's row and reject.
func (c *pairing) checkText(s *sheet, i int, r *textRecord, reject manifest.Reject, sent bool) error {
	want := c.reason(r)
	switch {
	case reject.Reason != want:
		return fmt.Errorf("reject %q (%s), want %q", reject.Reason, reject.Message, want)
	case want == "not_unicode" && sent:
		return fmt.Errorf("it was sent")
	case want == "not_unicode" && c.in != codec.FormatLines && (!strings.Contains(reject.Message, `column "name"`) || !strings.Contains(reject.Message, "byte ")):
		return fmt.Errorf("column and byte are not named: %q", reject.Message)
	case want == "bad_answer" && c.response != "parquet" && !strings.Contains(reject.Message, "byte "):
		return fmt.Errorf("the byte is not named: %q", reject.Message)
	}
	answer := s.rows[i][len(s.rows[i])-1]
	if got := c.readAnswer(answer.text); want == "" && got != r.answer() {
		return fmt.Errorf("the answer is %q, want %q", got, r.answer())
	}
	if want != "" && answer.text != "" && answer.kind != '0' {
		return fmt.Errorf("a reject has the answer %q", answer)
	}
	if c.join == "none" {
		return nil
	}
	text, ok := s.column(i, "name")
	switch {
	case want == "not_unicode" && (c.out == codec.FormatCSV && c.in == codec.FormatCSV || c.out == codec.FormatParquet && c.in == codec.FormatParquet):
		want = "" // its bytes can stand there
	case want == "bad_answer":
		want = "" // so can a record's that has no answer
	}
	if want == "" && text.text != r.Text || want != "" && ok && text.text != "" {
		return fmt.Errorf("the text is %q", text.text)
	}
	return nil
}

// readAnswer is the text of an answer that the output holds.
func (c *pairing) readAnswer(text string) string {
	switch {
	case c.out != codec.FormatLines || c.response == "lines" || text == "":
		return text
	case c.response != "csv":
		return jsonCell(json.RawMessage(text)).text
	}
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return err.Error()
	}
	return fields[0]
}
