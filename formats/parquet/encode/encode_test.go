package encode

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/formats/jsonl"
)

// csvBatch is text as one batch of CSV, checked.
func csvBatch(t testing.TB, text string, header bool) (*formats.Batch, formats.Schema) {
	t.Helper()
	o := csv.Options{Header: csv.HeaderNo}
	if header {
		o.Header = csv.HeaderYes
	}
	schema, err := csv.Sniff(strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, csv.NewReader(strings.NewReader(text), o, schema)), schema
}

func jsonBatch(t testing.TB, text string) (*formats.Batch, formats.Schema) {
	t.Helper()
	schema, err := jsonl.Sniff(strings.NewReader(text), jsonl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, jsonl.NewReader(strings.NewReader(text), jsonl.Options{})), schema
}

func readAll(t testing.TB, r formats.Reader) *formats.Batch {
	t.Helper()
	b := new(formats.Batch)
	if err := r.Next(b, formats.Caps{Records: 1 << 20, Bytes: 1 << 30}); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	r.Check(b)
	return b
}

// answersOf are answers of one form; "-" is none.
func answersOf(form formats.Form, texts ...string) *formats.Answers {
	a := new(formats.Answers)
	for _, text := range texts {
		if text == "-" {
			a.List = append(a.List, formats.Answer{})
			continue
		}
		start := uint32(len(a.Data))
		a.Data = append(a.Data, text...)
		a.List = append(a.List, formats.Answer{Start: start, End: uint32(len(a.Data)), Form: form})
	}
	return a
}

// layoutOf is what j learns from all answers.
func layoutOf(j formats.Joiner, a *formats.Answers) *formats.Layout {
	l := new(formats.Layout)
	for i := range a.List {
		if a.List[i].Form != formats.NoAnswer && j.Learn(l, a.Bytes(i), a.List[i].Form) {
			return l
		}
	}
	j.Learn(l, nil, formats.NoAnswer)
	return l
}

// table is a Parquet file as text: its columns with their types, then the rows.
func table(t testing.TB, file []byte) string {
	t.Helper()
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, c := range f.Root().Columns() {
		fmt.Fprintf(&out, "%s:%s ", c.Name(), describe(c))
	}
	out.WriteByte('\n')
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		for {
			var room [1]pq.Row
			n, err := rows.ReadRows(room[:])
			if n == 1 {
				writeRow(&out, room[0])
			}
			if err != nil || n == 0 {
				if err != nil && err != io.EOF {
					t.Fatal(err)
				}
				break
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func describe(c *pq.Column) string {
	name := ""
	if !c.Optional() {
		name = "required "
	}
	if !c.Leaf() {
		element := c.Columns()[0].Columns()[0]
		return name + c.Type().String() + "<" + c.Columns()[0].Name() + "." + element.Name() + " " + element.Type().String() + ">"
	}
	return name + c.Type().String()
}

// writeRow writes values with bars between columns, and levels where they say
// more than null.
func writeRow(out *strings.Builder, row pq.Row) {
	for i, v := range row {
		if i > 0 && v.Column() != row[i-1].Column() {
			out.WriteByte('|')
		} else if i > 0 {
			out.WriteByte(',')
		}
		switch {
		case v.IsNull() && v.DefinitionLevel() > 0:
			fmt.Fprintf(out, "null@%d", v.DefinitionLevel())
		case v.IsNull():
			out.WriteString("null")
		case v.Kind() == pq.FixedLenByteArray:
			out.WriteString(hex.EncodeToString(v.Bytes()))
		default:
			out.WriteString(v.String())
		}
	}
	out.WriteByte('\n')
}

// fileOf writes parts as a file.
func fileOf(t testing.TB, c WriterConfig, parts ...[]byte) []byte {
	t.Helper()
	var dst bytes.Buffer
	w, err := NewWriter(&dst, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if n, err := w.Write(p); err != nil || n != len(p) {
			t.Fatalf("write: %d of %d, %v", n, len(p), err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dst.Bytes()
}

// joined is the file of one batch and its answers, and the misfits.
func joined(t testing.TB, c JoinerConfig, b *formats.Batch, a *formats.Answers, placeholders bool) (file []byte, misfits []string) {
	t.Helper()
	j, err := NewJoiner(c)
	if err != nil {
		t.Fatal(err)
	}
	j.Check(b)
	l := layoutOf(j, a)
	a = &formats.Answers{Data: a.Data, List: slices.Clone(a.List)}
	j.Fit(a, l, func(i int, message string) {
		misfits = append(misfits, fmt.Sprintf("%d: %s", i, message))
		a.List[i] = formats.Answer{}
	})
	for _, f := range b.Flaws {
		a.List[f.Index] = formats.Answer{}
	}
	part, _ := j.Join(j.Begin(nil, l, nil), b, a, l, placeholders)
	return fileOf(t, WriterConfig{Columns: append(slices.Clone(c.Columns()), c.Written(l)...)}, part), misfits
}

func TestJoinCSV(t *testing.T) {
	b, schema := csvBatch(t, "id,zip,score,note\n1,007,0.5,\"a,\"\"b\"\n-2,,1.10,\"\"\n9223372036854775807,x,,\n", true)
	r := Infer(b, schema, true)
	file, misfits := joined(t, JoinerConfig{Records: &r}, b, answersOf(formats.CSVForm, "0.25", "-", "1e3"), true)
	want := "id:INT(64,true) zip:STRING score:DOUBLE note:STRING prediction:DOUBLE \n" +
		"1|007|0.5|a,\"b|0.25\n" +
		"-2|null|1.1||null\n" +
		"9223372036854775807|x|null|null|1000\n"
	if got := table(t, file); got != want || misfits != nil {
		t.Errorf("got\n%swant\n%s%q", got, want, misfits)
	}
}

func TestJoinJSON(t *testing.T) {
	b, schema := jsonBatch(t, `{"id":1,"tags":["a"],"v":[1,2.5],"ok":true,"s":"x"}
{"id":2,"tags":{"a":1},"v":[],"ok":null,"s":"é","more":null}
{"id":3}
`)
	r := Infer(b, schema, false)
	file, misfits := joined(t, JoinerConfig{Records: &r}, b,
		answersOf(formats.JSONForm, `{"label":"a","p":[0.1,0.9],"x":{"y":1},"n":null}`, `{"p":null,"n":true}`, `null`), true)
	want := "id:INT(64,true) tags:JSON v:LIST<list.element DOUBLE> ok:BOOLEAN s:STRING more:JSON " +
		"prediction_label:STRING prediction_p:LIST<list.element DOUBLE> prediction_x:JSON prediction_n:BOOLEAN \n" +
		"1|[\"a\"]|1,2.5|true|x|null|a|0.1,0.9|{\"y\":1}|null\n" +
		"2|{\"a\":1}|null@1|null|é|null|null|null|null|true\n" +
		"3|null|null|null|null|null|null|null|null|null\n"
	if got := table(t, file); got != want || misfits != nil {
		t.Errorf("got\n%swant\n%s%q", got, want, misfits)
	}
}
