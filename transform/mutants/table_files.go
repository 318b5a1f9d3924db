package main

// filesMutants break what is told of the files at the inputs, and what is believed of their bytes.
func filesMutants() []mutant {
	const (
		planPkg  = "./transform/plan"
		codecPkg = "./transform/codec"
		listing  = "transform/plan/listing.go"
		globs    = "transform/plan/globs.go"
		first    = "transform/codec/firstbytes.go"
		elements = "formats/jsonl/elements.go"
		document = "formats/jsonl/document.go"
	)
	return []mutant{{
		name: "skipped-name-not-counted", promise: "files: what is skipped is counted and named", file: listing, tests: tested(planPkg, "^TestSkipped"),
		edits: []edit{{"p.Skipped = manifest.Skip(p.Skipped, manifest.HiddenName,", "_ = manifest.Skip(p.Skipped, manifest.HiddenName,"}},
	}, {
		name: "skipped-names-without-bound", promise: "7: a sample of what is skipped is bounded", file: "transform/manifest/skipped.go", tests: tested(planPkg, "^TestSkipped"),
		edits: []edit{{"s.Count++; len(s.Sample) < MaxSample", "s.Count++; s.Count > 0"}},
	}, {
		name: "partition-skipped", promise: "files: _name=value is data", file: "transform/store/disk_list.go", tests: tested(planPkg, "^TestHidden"),
		edits: []edit{{" && !strings.Contains(element, \"=\")", ""}},
	}, {
		name: "double-star-is-one-level", promise: "files: ** is any depth, and its pattern holds", file: globs, tests: tested(planPkg, "^TestPatternsAgree"),
		edits: []edit{{"\t\tsrc.pattern = rest\n", "\t\tsrc.pattern = strings.ReplaceAll(rest, \"**\", \"*\")\n"}},
	}, {
		name: "glob-order-by-name-alone", promise: "2: objects come by ascending name, on disk as on S3", file: globs, tests: tested(planPkg, "^TestGlobOrder"),
		edits: []edit{{"if folders[name] {", "if folders[name] && name == \"\" {"}},
	}, {
		name: "neighbour-scored", promise: "files: a name without a known extension is left out beside others", file: listing, tests: tested(planPkg, "^TestNeighbours"),
		edits: []edit{{"s.names.Add(uri, info.Name, info.Size) ||", "s.names.Add(uri, info.Name, info.Size) || info.Size > 0 ||"}},
	}, {
		name: "named-file-left-out", promise: "files: what the user has named is never left out", file: listing, tests: tested(planPkg, "^TestNeighbours"),
		edits: []edit{{"case s.named != \"\":", "case s.named == \"none\":"}},
	}, {
		name: "first-bytes-believed", promise: "files: one kind of data is never scored as another", file: first, tests: tested(codecPkg, "^TestOddData"),
		edits: []edit{{"if err := j.judge(j.head); err != nil {", "if err := j.judge(j.head[:0]); err != nil {"}},
	}, {
		name: "stored-bytes-believed", promise: "files: first bytes must agree with what is said of the compression", file: first, tests: tested(codecPkg, "^TestPacking"),
		edits: []edit{{"if p.agrees(head) {", "if p.agrees(head) || p.by != \"\" {"}},
	}, {
		name: "printable-magic-alone", promise: "files: text that begins like Parquet is text", file: "transform/codec/kinds.go", tests: tested(codecPkg, "^TestTextPasses"),
		edits: []edit{{"return !k.printable || bytes.ContainsFunc(head, notOfText)", "return true"}},
	}, {
		name: "content-encoding-forgotten", promise: "files: S3's Content-Encoding is read", file: "transform/plan/source.go", tests: tested(planPkg, "^TestEncoding"),
		edits: []edit{{"o.Info.Encoding = src.opened.Encoding", "_ = src.opened.Encoding"}},
	}, {
		name: "encoding-before-name", promise: "files: the flag, the name, then Content-Encoding", file: first, tests: tested(codecPkg, "^TestPacking"),
		edits: []edit{{"if in.packed != compress.None {", "if in.packed != compress.None && in.encoding == \"\" {"}},
	}, {
		name: "array-element-missing", promise: "1: no element of a JSON array is lost", file: elements, tests: tested(jsonlPkg, "^TestDocuments"),
		edits: []edit{{"case c == ',' || c == ']' || c == '}':\n\t\treturn c, false", "case c == ',' || c == ']' || c == '}':\n\t\treturn ' ', c == ','"}},
	}, {
		name: "array-cut-is-whole", promise: "8: an array that is not closed is cut off", file: elements, tests: tested(jsonlPkg, "^TestDocuments"),
		edits: []edit{{"if e.state == behindArray {", "if e.state != beforeArray {"}},
	}, {
		name: "array-string-changed", promise: "4: the bytes of an element's strings are as they were", file: elements, tests: tested(jsonlPkg, "^(TestDocuments|TestArraysByElements)"),
		edits: []edit{{"case c == '\\n' || c == '\\r':\n\t\treturn c, false\n\tcase e.state == inEscape:", "case c == '\\n' || c == '\\r':\n\t\treturn ' ', true\n\tcase e.state == inEscape:"}},
	}, {
		name: "array-gap-not-told", promise: "4: what stands between elements is not sent", file: "formats/jsonl/reader.go", tests: tested(jsonlPkg, "^TestArraysByElements"),
		edits: []edit{{"b.Gaps = b.Gaps || i > 0", "b.Gaps = b.Gaps || i < 0"}},
	}, {
		name: "pretty-document-scored", promise: "files: a document over several lines is no lines", file: document, tests: tested(jsonlPkg, "^TestDocuments"),
		edits: []edit{{"case goesOn:", "case goesOn && all && len(body) == 0:"}},
	}, {
		name: "undecided-lines-scored", promise: "3: bytes that nobody could judge are no records", file: document, tests: tested(jsonlPkg, "^TestReadErrorIsNoVerdict"),
		edits: []edit{{"d.head = nil // nobody", "// nobody"}},
	}, {
		name: "documents-do-not-bind", promise: "5: elements or lines, a job reads one", file: "transform/codec/identity.go", tests: tested(codecPkg, "^TestDocumentsBind"),
		edits: []edit{{"\"input-format\": c.inputFormat(),", "\"input-format\": c.In,"}},
	}, {
		name: "blank-line-not-counted", promise: "1: blank lines are counted", file: "formats/skip.go", tests: tested(csvPkg, "^TestBlankLines"),
		edits: []edit{{"\tcase c.Blank:\n\t\tf.blank++\n", "\tcase c.Blank:\n"}},
	}, {
		name: "comment-not-counted", promise: "1: lines that are passed over are counted", file: "formats/skip.go", tests: tested(csvPkg, "^(FuzzDialect|TestDialectFiles)"),
		edits: []edit{{"\tcase c.Skip:\n\t\tf.skips++\n", "\tcase c.Skip:\n"}},
	}, {
		name: "blank-lines-not-checked", promise: "1: verify checks the blank lines", file: "transform/manifest/check.go", tests: tested(manifestPkg, "^TestCheck"),
		edits: []edit{{"\t\t{\"blank_lines\", got.Blank, want.Blank},\n", ""}},
	}}
}
