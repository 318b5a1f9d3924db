package csv

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/batchmill/batchmill/formats"
)

// A slowRecord is what slowRecords found.
type slowRecord struct {
	fields []string
	flawed bool
}

// slowRecords reads in byte by byte, as the documentation says it.
func slowRecords(d Dialect, in []byte) (all []slowRecord, blanks, comments int64) {
	in = bytes.TrimPrefix(in, []byte("\xef\xbb\xbf"))
	for len(in) > 0 {
		line := bytes.IndexByte(in, '\n') + 1
		if line == 0 {
			line = len(in)
		}
		switch {
		case d.Comment != 0 && in[0] == d.Comment:
			comments++
			in = in[line:]
		case len(bytes.Trim(in[:line], "\r")) == 1 && in[line-1] == '\n' && !bytes.Contains(in[:line-1], []byte("\n")):
			blanks++
			in = in[line:]
		default:
			fields, n := slowRecord1(d, in)
			all = append(all, slowRecord{fields, n == 0})
			if n == 0 {
				n = line
			}
			in = in[n:]
		}
	}
	return all, blanks, comments
}

// slowRecord1 are the fields of the record that begins in, and its length; 0 for a bad record.
func slowRecord1(d Dialect, in []byte) (fields []string, n int) {
	blank := func(c byte) bool { return d.Trim && (c == ' ' || c == '\t') && c != d.Delimiter }
	i := 0
	ends := func() int { // the length of the line end at i; -1 where there is none
		k := i
		for k < len(in) && in[k] == '\r' {
			k++
		}
		if k < len(in) && in[k] == '\n' {
			return k + 1 - i
		}
		if i == len(in) {
			return 0
		}
		return -1
	}
	for {
		start := i
		for i < len(in) && blank(in[i]) {
			i++
		}
		var field []byte
		if i < len(in) && in[i] == d.Quote {
			closed := false
			for i++; i < len(in) && !closed; i++ {
				next := byte(0)
				if i+1 < len(in) {
					next = in[i+1]
				}
				switch c := in[i]; {
				case d.Escape != 0 && c == d.Escape && i+1 < len(in) && (next == d.Quote || next == d.Escape):
					field = append(field, next)
					i++
				case c == d.Quote && i+1 < len(in) && next == d.Quote:
					field = append(field, next)
					i++
				case c == d.Quote:
					closed = true
				default:
					field = append(field, c)
				}
			}
			if !closed {
				return nil, 0
			}
			for i < len(in) && blank(in[i]) {
				i++
			}
		} else {
			for i = start; i < len(in) && in[i] != d.Delimiter && ends() < 0; i++ {
				if in[i] == d.Quote {
					return nil, 0
				}
				field = append(field, in[i])
			}
			if d.Trim {
				field = bytes.TrimFunc(field, func(r rune) bool { return r < 0x80 && blank(byte(r)) })
			}
		}
		fields = append(fields, string(field))
		switch end := ends(); {
		case end >= 0:
			return fields, i + end
		case in[i] != d.Delimiter:
			return nil, 0
		}
		i++
	}
}

// dialects are ways to punctuate that a number picks from.
func dialectFrom(n uint8) Dialect {
	d := Dialect{Delimiter: []byte(",;\t\x01")[n%4], Trim: n&4 != 0}
	if n&8 != 0 {
		d.Escape = '\\'
	}
	if n&16 != 0 {
		d.Comment = '#'
	}
	if n&32 != 0 {
		d.Quote = '\''
	}
	return d
}

var dialectSeeds = []string{
	`1,"a \"b\", c",2` + "\n" + `"\\",x` + "\n", "#c\n1,2\n#\"\n3,\"\n#4\"\n", " \"a, b\" , 3\n\t\"x\"\t\n", "a\r\r\nb\r\r\n\"c\"\r\r\n\r\r\n",
	`"\`, `"\"`, `"\\"`, `"a\"` + "\n", "\\\"a\n", "#", "#\r\n", " \n", "a, \"b\"c\n", "\"a\" x\n", "\xef\xbb\xbf#x\n1\n", "1\r", "\"a\"\r", "\"a\"\r\rx\n", `"a\\\"b"""` + "\n",
}

// FuzzDialect: records are what the slow reader finds, whatever reads and batches are; each line that is no
// record is told once; and the fields are read again as they were from what is written of them.
func FuzzDialect(f *testing.F) {
	for _, s := range append(slices.Clone(cutterSeeds), dialectSeeds...) {
		for _, n := range []uint8{0, 4, 8, 16, 29, 44, 62} {
			f.Add([]byte(s), n, uint8(2))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, n, records uint8) {
		d := dialectFrom(n).orDefault()
		want, blanks, comments := slowRecords(d, in)
		for _, src := range []io.Reader{bytes.NewReader(in), iotest.OneByteReader(bytes.NewReader(in))} {
			r := NewReader(src, Options{Dialect: d}, formats.Schema{}).(*reader)
			var got []slowRecord
			var b formats.Batch
			var err error
			for b.Reset(); err == nil; {
				if err = r.Next(&b, formats.Caps{Records: int(records)%5 + 1, Bytes: 1 << 10}); err == formats.ErrCROnly {
					return
				}
				blanks, comments = blanks-b.Blank, comments-b.Skipped
				for i := range b.Recs {
					body, _ := split(b.Record(i))
					rec := slowRecord{flawed: b.Flaw(i) != nil}
					if !rec.flawed {
						rec.fields = d.texts(body)
						if d.count(body) != len(rec.fields) {
							t.Fatalf("%q: count %d, fields %q", body, d.count(body), rec.fields)
						}
						readAgain(t, d, rec.fields)
					}
					got = append(got, rec)
				}
			}
			if err != io.EOF || !slices.EqualFunc(got, want, func(a, b slowRecord) bool { return a.flawed == b.flawed && slices.Equal(a.fields, b.fields) }) {
				t.Fatalf("%+v %q: got %v, error %v, want %v", d, in, got, err, want)
			}
			if blanks != 0 || comments != 0 {
				t.Fatalf("%+v %q: %d blank lines and %d comments were not told", d, in, blanks, comments)
			}
			_, blanks, comments = slowRecords(d, in)
		}
	})
}

// readAgain checks that fields, written in d, are one record of d with the same fields.
func readAgain(t *testing.T, d Dialect, fields []string) {
	t.Helper()
	text := d.appendFields(fields)
	if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		return // at the beginning of a file, a mark
	}
	again, blanks, comments := slowRecords(d, text)
	same := len(again) == 1 && !again[0].flawed && len(again[0].fields) == len(fields)
	for i := 0; same && i < len(fields); i++ {
		want := fields[i]
		if d.Trim { // what is written is for any reader, and --trim is one's own wish
			want = strings.Trim(want, " \t")
		}
		same = again[0].fields[i] == fields[i] || again[0].fields[i] == want
	}
	if !same || blanks+comments != 0 {
		t.Fatalf("%+v: %q is written as %q and read as %v", d, fields, text, again)
	}
}

// TestDialectFiles: files that other programs write, field by field, in JSON values.
func TestDialectFiles(t *testing.T) {
	yes := Options{Header: HeaderYes}
	with := func(change func(*Options)) Options {
		o := yes
		change(&o)
		return o
	}
	for _, c := range []struct {
		name, in string
		o        Options
		want     []string
		skipped  int64
	}{
		{"Spark", "id,t\n1,\"He said \\\"hi\\\"\"\n2,\"a, b\"\n3,\"back\\\\slash\"\n4,\"path C:\\\"\n5,\"x, \\\"y, z\\\"\"\n", with(func(o *Options) { o.Escape = '\\' }),
			[]string{`id=1 t:He said "hi"`, `id=2 t:a, b`, `id=3 t:back\slash`, "bad_quote", `id=5 t:x, "y, z"`}, 0},
		{"Excel's sep", "sep=;\r\nid;name;v\r\n1;A;1,5\r\n2;B;2,5\r\n", with(func(o *Options) { o.SkipRows, o.Delimiter = 1, ';' }),
			[]string{"id=1 name:A v:1,5", "id=2 name:B v:2,5"}, 1},
		{"comments", "# exported 2024\n# by me\nid,x\n1,2\n#\n3,4\n# end", with(func(o *Options) { o.Comment = '#' }), []string{"id=1 x=2", "id=3 x=4"}, 4},
		{"lines on top", "\n\"open\nid,x\n1,2\n", with(func(o *Options) { o.SkipRows = 2 }), []string{"id=1 x=2"}, 2},
		{"more lines than there are", "id,x\n1,2", with(func(o *Options) { o.SkipRows = 9 }), nil, 2},
		{"blanks", "id, t, v\n1, \"a, b\", 3\n2, \"c\" , 4 \n3, \" in \",\t\n", with(func(o *Options) { o.Trim = true }),
			[]string{"id=1 t:a, b v=3", "id=2 t:c v=4", "id=3 t: in  v~"}, 0},
		{"Hive", "id\x01x\x01t\n1\x0110\x01a,b\n", with(func(o *Options) { o.Delimiter = 1 }), []string{"id=1 x=10 t:a,b"}, 0},
		{"null", "id,x,t\nNA,1,\"NA\"\n2,na,\n3,NA,NA \n", with(func(o *Options) { o.Null = "NA" }),
			[]string{"id~ x=1 t:NA", "id=2 x:na t~", "id=3 x~ t:NA "}, 0},
		{"null in blanks, and types", "id,x,t\n 1 , NA , NA \n2,,\n", with(func(o *Options) { o.Null, o.Trim, o.Types = "NA", true, []Type{TypeAuto, TypeNumber, TypeString} }),
			[]string{"id=1 x~ t~", "id=2 x~ t:"}, 0},
		{"CR CR LF", "id,t\r\r\n1,a\r\r\n\r\r\n2,\"b\"\r\r\n3,c\r\n", yes, []string{"id=1 t:a", "id=2 t:b", "id=3 t:c"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, records := range []int{1, 2, 100} {
				schema, err := Sniff(strings.NewReader(c.in), c.o)
				if err != nil {
					t.Fatal(err)
				}
				got, skipped := rowsOf(t, c.in, c.o, schema, records)
				if !slices.Equal(got, c.want) || skipped != c.skipped {
					t.Errorf("%d at once: got %q, %d skipped", records, got, skipped)
				}
			}
		})
	}
}

// rowsOf are the records of in by their values: = before a number, : before a string, ~ for null.
func rowsOf(t *testing.T, in string, o Options, schema formats.Schema, records int) (rows []string, skipped int64) {
	t.Helper()
	r := NewReader(strings.NewReader(in), o, schema)
	for b := new(formats.Batch); ; {
		err := r.Next(b, formats.Caps{Records: records, Bytes: 1 << 20})
		skipped += b.Skipped
		if err == io.EOF {
			return rows, skipped
		} else if err != nil {
			t.Fatal(err)
		}
		r.Check(b)
		for i := range b.Recs {
			if f := b.Flaw(i); f != nil {
				rows = append(rows, string(f.Reason))
				continue
			}
			var row formats.Row
			if err := b.Rows.Row(b, i, &row); err != nil {
				t.Fatal(err)
			}
			var parts []string
			for k, v := range row.Values {
				mark := map[formats.Kind]string{formats.Null: "~", formats.Number: "=", formats.String: ":"}[v.Kind]
				parts = append(parts, row.Names[k]+mark+string(v.Text))
			}
			rows = append(rows, strings.Join(parts, " "))
		}
	}
}

// TestCommentOverTheMaximum: a comment is no record, however long it is.
func TestCommentOverTheMaximum(t *testing.T) {
	in := "1\n#" + strings.Repeat("x", 1<<20) + "\n2\n#" + strings.Repeat("y", 1<<10)
	for _, records := range []int{1, 100} {
		r := NewReader(strings.NewReader(in), Options{Dialect: Dialect{Comment: '#'}, MaxRecord: 100}, formats.Schema{Width: 1})
		var skipped int64
		var got []string
		var err error
		for b := new(formats.Batch); err == nil; {
			err = r.Next(b, formats.Caps{Records: records, Bytes: 1 << 10})
			skipped += b.Skipped
			for i := range b.Recs {
				got = append(got, string(b.Record(i)))
			}
		}
		if err != io.EOF || skipped != 2 || !slices.Equal(got, []string{"1\n", "2\n"}) {
			t.Errorf("%d at once: %q, %d skipped, %v", records, got, skipped, err)
		}
	}
}

// TestAnswersInDialects: added fields are read again by the dialect of the output, and the input's bytes stay.
func TestAnswersInDialects(t *testing.T) {
	schema := formats.Schema{Width: 2, Names: []string{"id", "t"}, Header: []byte("id,t\n")}
	for _, c := range []struct {
		d               Dialect
		in, answer      string
		form            formats.Form
		want, alone     string
		filter, picking string
	}{
		{Dialect{Escape: '\\'}, `1,"a\"b"` + "\r\r\n", `"x""\y"`, formats.CSVForm, `1,"a\"b","x\"\\y"` + "\r\r\n", `"x\"\\y"` + "\n", "t,prediction", `"a\"b","x\"\\y"` + "\r\r\n"},
		{Dialect{Escape: '\\'}, "1,a\n", `"C:\\dir"`, formats.JSONForm, `1,a,"C:\\dir"` + "\n", `"C:\\dir"` + "\n", "", ""},
		{Dialect{Escape: '\\'}, "1,a\n", `0.5`, formats.CSVForm, "1,a,0.5\n", "0.5\n", "", ""},
		{Dialect{Comment: '#'}, "1,#a\n", "#5", formats.LineForm, "1,#a,#5\n", "\"#5\"\n", "t", "\"#a\"\n"},
		{Dialect{Trim: true}, "1, \"a,b\" \n", " x", formats.CSVForm, "1, \"a,b\" , x\n", " x\n", "t,id", " \"a,b\" ,1\n"},
		{Dialect{Delimiter: 1}, "1\x01a\n", "p,q", formats.LineForm, "1\x01a\x01p,q\n", "p,q\n", "", ""},
	} {
		schema.Header = []byte("id" + string(c.d.orDefault().Delimiter) + "t\n")
		o := Options{Dialect: c.d}
		b := load(t, string(schema.Header)+c.in, o, schema)
		a := &formats.Answers{Data: []byte(c.answer), List: []formats.Answer{{End: uint32(len(c.answer)), Form: c.form}}}
		check := func(config JoinerConfig, want string) {
			config.Dialect, config.Verbatim, config.Schema = c.d, true, schema
			j := newJoiner(t, config)
			got, _ := j.Join(nil, b, a, fieldsOf(learned(j, a.Data, c.form)), true)
			if string(got) != want {
				t.Errorf("%+v: %q and %q give %q, want %q", c.d, c.in, c.answer, got, want)
			}
		}
		check(JoinerConfig{Input: true}, c.want)
		check(JoinerConfig{}, c.alone)
		if c.filter != "" {
			check(JoinerConfig{Input: true, Filter: mustFilter(t, c.filter)}, c.picking)
		}
	}
}

// TestHeaderKeepsItsObjectsLineEnd: the header of an output ends as its own object's does.
func TestHeaderKeepsItsObjectsLineEnd(t *testing.T) {
	schema := formats.Schema{Width: 2, Names: []string{"id", "t"}, Header: []byte("id,t\n")}
	j := newJoiner(t, JoinerConfig{Input: true, Verbatim: true, Schema: schema})
	for in, want := range map[string]string{
		"id,t\n1,a\n": "id,t,prediction\n", "id,t\r\n1,a\r\n": "id,t,prediction\r\n", "id,t\r\r\n1,a\r\r\n": "id,t,prediction\r\r\n",
		"id,t\r\n": "id,t,prediction\r\n", "id,t": "id,t,prediction\n", "": "id,t,prediction\n",
	} {
		b := new(formats.Batch)
		if err := NewReader(strings.NewReader(in), Options{}, schema).Next(b, wide); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if got := j.Begin(nil, fieldsOf(1), b.HeaderEnd); string(got) != want {
			t.Errorf("%q: header %q, want %q", in, got, want)
		}
	}
}

// TestPayloadHasOneCR: hosts read text/csv, where CR CR LF would be a byte of the last field.
func TestPayloadHasOneCR(t *testing.T) {
	for in, want := range map[string]string{
		"1,a\r\r\n2,b\r\r\n": "1,a\r\n2,b\r\n", "1,a\r\n2,b\r\n": "1,a\r\n2,b\r\n", "1,\"a\r\r\n\"\n2,b\r\r\r\n": "1,\"a\r\r\n\"\n2,b\r\n", "1,a\n2,\r\r": "1,a\n2,\r\r",
	} {
		b := load(t, in, Options{}, formats.Schema{Width: 2})
		for _, filter := range []string{"", "0,1"} {
			e, err := NewEncoder(EncoderConfig{Width: 2, Verbatim: true, Filter: mustFilter(t, filter)})
			if err != nil {
				t.Fatal(err)
			}
			got := e.Encode(nil, b, good(b))
			if filter != "" && strings.HasSuffix(in, "\r\r") {
				want = "1,a\n2,\"\r\r\"\n"
			}
			if string(got) != want {
				t.Errorf("%q by %q is sent as %q", in, filter, got)
			}
		}
	}
}

// TestDialectsThatCannotBe: bytes that two parts of a dialect share, or that are none of punctuation.
func TestDialectsThatCannotBe(t *testing.T) {
	for _, d := range []Dialect{{Escape: '"'}, {Escape: ','}, {Comment: ','}, {Comment: '\\', Escape: '\\'}, {Comment: 'c'}, {Escape: '-'}, {Comment: '\n'}, {Delimiter: '\r'}} {
		var option *OptionError
		if err := d.Validate(); !errors.As(err, &option) {
			t.Errorf("%+v: error %v", d, err)
		}
	}
	for _, d := range []Dialect{{Escape: '\\', Comment: '#'}, {Delimiter: 1, Escape: '^', Comment: '%', Trim: true}} {
		if err := d.Validate(); err != nil {
			t.Errorf("%+v: %v", d, err)
		}
	}
}
