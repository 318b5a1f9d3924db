package encode

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats"
)

// flawsOf are the flaws of b as text.
func flawsOf(b *formats.Batch) []string {
	var all []string
	for _, f := range b.Flaws {
		all = append(all, fmt.Sprintf("%d %s: %s", f.Index, f.Reason, f.Message))
	}
	return all
}

func TestCheck(t *testing.T) {
	const advice = "; correct it, or declare another type with --column-type"
	column := func(name string, typ formats.Type) formats.Column { return formats.Column{Name: name, Type: typ} }
	tests := []struct {
		name    string
		columns []formats.Column
		declare bool
		csv     bool
		records string
		want    []string
	}{
		{"integers in CSV", []formats.Column{column("a", formats.Integer)}, false, true, "1\n1.0\nx\n\"7\"\n9223372036854775808\n", []string{
			`1 column_type: column "a": 1.0 is not an integer of 64 bits` + advice, `2 column_type: column "a": "x" is not an integer of 64 bits` + advice,
			`3 column_type: column "a": "7" is not an integer of 64 bits` + advice, `4 column_type: column "a": 9223372036854775808 is not an integer of 64 bits` + advice}},
		{"declared integers in CSV", []formats.Column{column("a", formats.Integer)}, true, true, "\"7\"\n\"x\"\n\"\"\n", []string{
			`1 column_type: column "a": "x" is not an integer of 64 bits` + advice, `2 column_type: column "a": "" is not an integer of 64 bits` + advice}},
		{"doubles", []formats.Column{column("a", formats.Double)}, false, true, "0.5\n10000000000000000999\n1e999\n", []string{
			`1 column_type: column "a": 10000000000000000999 is not a number that a double keeps exactly` + advice,
			`2 column_type: column "a": 1e999 is not a number that a double keeps exactly` + advice}},
		{"declared doubles", []formats.Column{column("a", formats.Double)}, true, true, "10000000000000000999\n1e999\nx\n", []string{
			`1 column_type: column "a": 1e999 is not a number within the range of doubles` + advice,
			`2 column_type: column "a": "x" is not a number within the range of doubles` + advice}},
		{"text", []formats.Column{column("a", formats.Text)}, false, true, "x\n5\n\xe9\n", []string{
			`2 not_unicode: column 0 (counted from 0): byte 1 (0xe9) is not UTF-8; ` + formats.CureNotUTF8}},
		{"declared boolean in CSV", []formats.Column{column("a", formats.Boolean)}, true, true, "true\nfalse\nTrue\n1\n", []string{
			`2 column_type: column "a": "True" is not a boolean` + advice, `3 column_type: column "a": 1 is not a boolean` + advice}},
		{"JSON strings", []formats.Column{column("a", formats.Text)}, false, false, "{\"a\":\"x\"}\n{\"a\":5}\n{}\n{\"a\":null}\n", []string{
			`1 column_type: column "a": 5 is not a string` + " of UTF-8" + advice}},
		{"declared strings take scalars", []formats.Column{column("a", formats.Text)}, true, false, "{\"a\":\"x\"}\n{\"a\":5}\n{\"a\":true}\n", nil},
		{"JSON strings are no integers", []formats.Column{column("a", formats.Integer)}, true, false, "{\"a\":\"5\"}\n", []string{
			`0 column_type: column "a": "5" is not an integer of 64 bits` + advice}},
		{"keys", []formats.Column{column("a", formats.Integer), column("b", formats.Integer)}, false, false,
			"{\"b\":1,\"a\":2}\n{\"c\":1}\n{\"a\":1,\"a\":2}\n[1]\n", []string{
				`1 unknown_column: key "c" is no column; the columns are the keys of the first records (1000 records or 1048576 bytes)`,
				`2 key_clash: key "a" stands there twice; only one can go into its column`,
				`3 column_type: it is no JSON object, and all records at the beginning of the job's first object are`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := Records{Columns: test.columns, Text: test.csv}
			if test.declare {
				r.Declared = columnNames(r.Columns)
			}
			read := func() *formats.Batch {
				if test.csv {
					b, _ := csvBatch(t, test.records, false)
					return b
				}
				b, _ := jsonBatch(t, test.records)
				return b
			}
			b := read()
			newJoiner(t, JoinerConfig{Records: &r}).Check(b)
			if got := flawsOf(b); !slices.Equal(got, test.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
			}
			e, err := NewEncoder(EncoderConfig{Records: r})
			if err != nil {
				t.Fatal(err)
			}
			b = read()
			if e.Check(b); !slices.Equal(flawsOf(b), test.want) {
				t.Errorf("the encoder finds %q", flawsOf(b))
			}
		})
	}
}

// A flawed record keeps its place as a row of nulls; one that only the payload
// cannot take keeps its values.
func TestJoinFlawed(t *testing.T) {
	b, schema := csvBatch(t, "a,b\n1,x\n2\ny,z\n3,w\n", true)
	r := Infer(b, schema, true)
	r.Columns[0].Type = formats.Integer
	b.AddFlaw(3, formats.ReasonNoField, "the payload needs more")
	file, _ := joined(t, JoinerConfig{Records: &r}, b, answersOf(formats.CSVForm, "5", "6", "7", "8"), true)
	want := "a:INT(64,true) b:STRING prediction:DOUBLE \n1|x|5\nnull|null|null\nnull|null|null\n3|w|null\n"
	if got := table(t, file); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestJoinFilter(t *testing.T) {
	b, schema := jsonBatch(t, "{\"a\":1,\"b\":\"x\",\"c\":true}\n{\"c\":false,\"d\":1,\"a\":2}\n")
	r := Infer(b, schema, false)
	r.Columns = r.Columns[:3] // d is no column, and the filter does not ask for it
	for _, test := range []struct {
		filter []string
		want   string
	}{
		{[]string{"c", "a", "prediction"}, "c:BOOLEAN a:INT(64,true) prediction:DOUBLE \ntrue|1|5\nfalse|2|6\n"},
		{[]string{"b"}, "b:STRING \nx\nnull\n"},
		{[]string{"prediction"}, "prediction:DOUBLE \n5\n6\n"},
	} {
		file, misfits := joined(t, JoinerConfig{Records: &r, Filter: test.filter}, b, answersOf(formats.JSONForm, "5", "6"), true)
		if got := table(t, file); got != test.want || misfits != nil {
			t.Errorf("%v: got\n%swant\n%s%q", test.filter, got, test.want, misfits)
		}
	}
}

func TestJoinWhole(t *testing.T) {
	b, schema := jsonBatch(t, " [1, 2]\n\"x\\u00e9\"\n{\"a\": 1.10}\nnull\n{\"a\n7\n")
	r := Infer(b, schema, false)
	file, _ := joined(t, JoinerConfig{Records: &r}, b, answersOf(formats.JSONForm, "1", "2", "3", "4", "5", "6"), true)
	want := "input:JSON prediction:DOUBLE \n[1, 2]|1\n\"x\\u00e9\"|2\n{\"a\": 1.10}|3\nnull|4\nnull|null\n7|6\n"
	if got := table(t, file); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestEncoder(t *testing.T) {
	b, schema := csvBatch(t, "a,b,c\n1,x,0.5\n2,y,\n3,z,1.5\n", true)
	r := Infer(b, schema, true)
	for _, test := range []struct {
		filter []string
		sel    []int32
		want   string
	}{
		{nil, []int32{0, 2}, "a:INT(64,true) b:STRING c:DOUBLE \n1|x|0.5\n3|z|1.5\n"},
		{[]string{"c", "a"}, []int32{1}, "c:DOUBLE a:INT(64,true) \nnull|2\n"},
	} {
		e, err := NewEncoder(EncoderConfig{Records: r, Filter: test.filter})
		if err != nil {
			t.Fatal(err)
		}
		e.Check(b)
		got := e.Encode([]byte("before"), b, test.sel)
		if !bytes.HasPrefix(got, []byte("before")) || table(t, got[6:]) != test.want {
			t.Errorf("got\n%swant\n%s", table(t, got[6:]), test.want)
		}
	}
	for _, test := range []struct {
		c    EncoderConfig
		want string
	}{
		{EncoderConfig{Records: r, Filter: []string{"x"}}, `--input-filter: no column "x"; there are "a", "b", "c" (3 columns)`},
		{EncoderConfig{Records: r, Filter: []string{}}, "--input-filter: it names no column; leave it out to send all"},
		{EncoderConfig{Records: r, Codec: "rar"}, `--compression: there is no codec "rar"; use one of [snappy zstd gzip lz4 none]`},
	} {
		if _, err := NewEncoder(test.c); err == nil || err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

func TestCodecsAndMetadata(t *testing.T) {
	b, schema := csvBatch(t, strings.Repeat("1,hello\n", 100), false)
	r := Infer(b, schema, true)
	j := newJoiner(t, JoinerConfig{Records: &r})
	a := new(formats.Answers)
	a.List = make([]formats.Answer, 100)
	l := layoutOf(j, new(formats.Answers))
	part, _ := j.Join(nil, b, a, l, true)
	want := strings.Repeat("1|hello|null\n", 100)
	for k, name := range []string{"SNAPPY", "ZSTD", "GZIP", "LZ4_RAW", "UNCOMPRESSED"} {
		file := fileOf(t, WriterConfig{Columns: slices.Concat(r.Columns, l.Columns), Codec: Codecs[k], KeyValue: []KeyValue{{"b", "2"}, {"a", "1"}}}, part)
		if _, rows, _ := strings.Cut(table(t, file), "\n"); rows != want {
			t.Errorf("%s: other rows", name)
		}
		f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		m := f.Metadata()
		for _, c := range m.RowGroups[0].Columns {
			if got := c.MetaData.Codec.String(); got != name {
				t.Errorf("%s: column %v is %s", name, c.MetaData.PathInSchema, got)
			}
			if c.ColumnIndexLength == 0 || c.OffsetIndexLength == 0 {
				t.Errorf("no page index for %v", c.MetaData.PathInSchema)
			}
		}
		if s := m.RowGroups[0].Columns[1].MetaData.Statistics; string(s.MinValue) != "hello" || string(s.MaxValue) != "hello" || s.NullCount != 0 {
			t.Errorf("statistics are %+v", s)
		}
		if s := m.RowGroups[0].Columns[2].MetaData.Statistics; s.NullCount != 100 {
			t.Errorf("statistics of nulls are %+v", s)
		}
		if got := fmt.Sprint(m.KeyValueMetadata); got != "[{a 1} {b 2}]" {
			t.Errorf("metadata is %s", got)
		}
	}
}
