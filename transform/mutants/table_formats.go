package main

// Folders of the packages under test, as the go command takes them.
const (
	framePkg    = "./formats"
	csvPkg      = "./formats/csv"
	jsonlPkg    = "./formats/jsonl"
	workersPkg  = "./workers"
	http1Pkg    = "./workers/http1"
	enginePkg   = "./transform/jobtest"
	storePkg    = "./transform/store"
	manifestPkg = "./transform/manifest"
)

func all(pkg string) tests { return tests{packages: []string{pkg}} }

// framingMutants break the cutting of a stream into records.
func framingMutants() []mutant {
	const file = "formats/frame.go"
	return []mutant{{
		name: "read-error-is-the-end", promise: "8: a read error is never the end of a file", file: file, tests: all(framePkg),
		edits: []edit{{"f.err = err\n\tif err != io.EOF", "f.err, err = io.EOF, io.EOF\n\tif err != io.EOF"}},
	}, {
		name: "bytes-with-eof-dropped", promise: "1: bytes that come with the end are records", file: file, tests: all(framePkg),
		edits: []edit{{"f.end += n\n", "if err == nil {\n\t\t\tf.end += n\n\t\t}\n"}},
	}, {
		name: "last-record-dropped", promise: "1: a missing final newline loses no record", file: file, tests: all(framePkg),
		edits: []edit{{"edge = EOF\n", "edge = More\n"}},
	}, {
		name: "bom-kept", promise: "formats: a byte order mark is no part of the first record", file: file, tests: all(framePkg),
		edits: []edit{{"f.take(3)", "f.take(0)"}},
	}, {
		name: "batch-numbered-by-batch", promise: "9: record numbers are true", file: file, tests: all(framePkg),
		edits: []edit{{"f.next += int64(b.Len())", "f.next++"}},
	}, {
		name: "offset-of-the-batch-end", promise: "9: byte offsets are true", file: file, tests: all(framePkg),
		edits: []edit{{"b.Offset = f.off\n\t}\n\tf.take(c.N)", "b.Offset = f.off + int64(c.N)\n\t}\n\tf.take(c.N)"}},
	}, {
		name: "offset-of-plain-lines", promise: "9: byte offsets are true", file: file, tests: all(framePkg),
		edits: []edit{{"b.Offset = f.off\n\tcase", "b.Offset = f.off + int64(at)\n\tcase"}},
	}, {
		name: "plain-over-the-caps", promise: "7: a batch stays within its caps", file: file, tests: all(framePkg),
		edits: []edit{{"min(f.plain, f.pos+caps.Bytes-size)", "min(f.plain, f.end)"}},
	}, {
		name: "special-lines-taken-for-plain", promise: "1: a flawed line is no plain one", file: file, tests: all(framePkg),
		edits: []edit{{"f.plain = f.pos + f.lines.Plain(f.buf[f.pos:f.end])", "f.plain = f.end"}},
	}, {
		name: "too-large-record-skipped", promise: "1: a record over the maximum is a reject, not gone", file: file, tests: all(framePkg),
		edits: []edit{{"failed = f.takeTooLarge(b, &start)", "failed = f.skipLine(&start)\n\t\t\t\tcontinue"}},
	}, {
		name: "record-without-bound", promise: "7: one endless record does not take all memory", file: file, tests: all(framePkg),
		edits: []edit{{"case len(data) > f.max:", "case len(data) > f.max && len(data) > 1<<30:"}},
	}}
}

// formatMutants break CSV and JSON Lines.
func formatMutants() []mutant {
	return []mutant{{
		name: "quoted-newline-splits", promise: "4: a newline in quotes belongs to its record", file: "formats/csv/cutter.go", tests: all(csvPkg),
		edits: []edit{{"if bytes.IndexByte(data[:n], c.Quote) < 0 {", "if bytes.IndexByte(data[:n], c.Quote) < 0 || true {"}},
	}, {
		name: "csv-number-through-float", promise: "4: 1.10 and 10000000000000000999 stay as they are", file: "formats/csv/field.go", tests: all(csvPkg),
		edits: []edit{
			{"import (\n", "import (\n\t\"strconv\"\n"},
			{"return formats.Value{Kind: formats.Number, Text: field}",
				"f, _ := strconv.ParseFloat(string(field), 64)\n\t\treturn formats.Value{Kind: formats.Number, Text: strconv.AppendFloat(nil, f, 'g', -1, 64)}"},
		},
	}, {
		name: "csv-too-few-answers-taken", promise: "3: a wrong count is never padded", file: "formats/csv/decoder.go", tests: all(csvPkg),
		edits: []edit{{"if found.got != want {", "for found.got < want {\n\t\tfound.add(body, 0, 0)\n\t}\n\tif found.got != want {"}},
	}, {
		name: "csv-too-many-answers-cut", promise: "3: a wrong count is never cut", file: "formats/csv/decoder.go", tests: all(csvPkg),
		edits: []edit{{"if found.got != want {", "if found.got < want {"}},
	}, {
		name: "csv-blank-line-in-payload", promise: "3: a blank line is no record to the host", file: "formats/csv/encoder.go", tests: all(csvPkg),
		edits: []edit{{"for i := first + 1; b.Gaps && i <= last; i++ {", "for i := first + 1; false && i <= last; i++ {"}},
	}, {
		name: "csv-placeholder-left-out", promise: "1: under placeholder every record comes out", file: "formats/csv/join.go", tests: all(csvPkg),
		edits: []edit{{"if answer.Form == formats.NoAnswer && !placeholders {", "if answer.Form == formats.NoAnswer {"}},
	}, {
		name: "csv-crlf-normalised", promise: "4: each record keeps its line end", file: "formats/csv/join.go", tests: all(csvPkg),
		edits: []edit{{"dst = append(dst, end...)", "dst = append(dst, end[len(end)-1:]...)"}},
	}, {
		name: "csv-cr-of-two-kept", promise: "4: no byte of a line end is a field's", file: "formats/csv/field.go", tests: all(csvPkg),
		edits: []edit{{"for n--; n > 0 && rec[n-1] == '\\r'; {", "if n--; n > 0 && rec[n-1] == '\\r' {"}},
	}, {
		name: "csv-header-end-of-first-object", promise: "4: an output keeps its own object's line end", file: "formats/csv/joiner.go", tests: all(csvPkg),
		edits: []edit{{"if len(headerEnd) > 0 {", "if len(headerEnd) > 1<<20 {"}},
	}, {
		name: "csv-escaped-escape-escapes", promise: "3: a quote behind two escapes closes its field", file: "formats/csv/field.go", tests: all(csvPkg),
		edits: []edit{{"return (len(text)-n)%2 == 1", "return len(text) > n"}},
	}, {
		name: "csv-comment-among-plain-lines", promise: "1: a comment is no record", file: "formats/csv/cutter.go", tests: all(csvPkg),
		edits: []edit{{"if i := bytes.Index(found, []byte{'\\n', c.Comment}); i >= 0 {", "if i := bytes.Index(found, []byte{'\\n', c.Comment}); i >= 1<<20 {"}},
	}, {
		name: "csv-answer-read-as-comment", promise: "1: what is written is a record to its readers", file: "formats/csv/field.go", tests: all(csvPkg),
		edits: []edit{{"case d.Comment != 0 && dst[start] == d.Comment:", "case d.Comment != 0 && dst[start] == 0:"}},
	}, {
		name: "csv-counted-columns-are-records", promise: "9: a doubt about a header is asked about", file: "formats/csv/header.go", tests: all(csvPkg),
		edits: []edit{{"case counts(columns):", "case counts(columns) && len(s.lines) == 0:"}},
	}, {
		name: "csv-response-cut-not-seen", promise: "8: a truncated response is never a short answer", file: "formats/csv/decoder.go", tests: all(csvPkg),
		edits: []edit{{"len(body) > 0 && body[len(body)-1] == '\\n'", "len(body) > 0"}},
	}, {
		name: "jsonl-too-few-answers-taken", promise: "3: a wrong count is never padded", file: "formats/jsonl/decode.go", tests: all(jsonlPkg),
		edits: []edit{{"start = end\n\t}\n\tif got != want {", "start = end\n\t}\n\tif got > want {"}},
	}, {
		name: "json-array-cut", promise: "3: a wrong count is never cut", file: "formats/jsonl/decode.go", tests: all(jsonlPkg),
		edits: []edit{{"shift(e, list.Start)))\n\t\t}\n\t}\n\tif got != want {", "shift(e, list.Start)))\n\t\t}\n\t}\n\tif got < want {"}},
	}, {
		name: "jsonl-blank-line-in-payload", promise: "3: a blank line is no record to the host", file: "formats/jsonl/encode.go", tests: all(jsonlPkg),
		edits: []edit{{"!b.Gaps && ", ""}},
	}, {
		name: "invalid-json-sent", promise: "formats: every JSON record is checked", file: "formats/jsonl/reader.go", tests: all(jsonlPkg),
		edits: []edit{{"if err := json.Valid(b.Record(i)); err != nil {", "if err := json.Valid(b.Record(i)); err != nil && false {"}},
	}, {
		name: "answer-key-twice", promise: "3: a record that holds the answer's key is a reject", file: "formats/jsonl/join.go", tests: all(jsonlPkg),
		edits: []edit{{"return !j.cannotClash(rec) && holdsKey(rec, j.AnswerName)", "return false"}},
	}, {
		name: "jsonl-order-of-output", promise: "2: output records stand in input order", file: "formats/jsonl/write.go", tests: all(jsonlPkg),
		edits: []edit{{"for i := range b.Recs {", "for i := range b.Recs {\n\t\ti = len(b.Recs) - 1 - i"}},
	}}
}
