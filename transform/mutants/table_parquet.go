package main

// Folders of the packages under test, as the go command takes them.
const (
	compressPkg = "./formats/compress"
	parquetPkg  = "./formats/parquet"
	encodePkg   = "./formats/parquet/encode"
	splicePkg   = "./formats/parquet/splice"
	thriftPkg   = "./formats/parquet/thrift"
)

// compressMutants break the reading and writing of compressed text.
func compressMutants() []mutant {
	return []mutant{{
		name: "frames-cut-by-write", promise: "5: compression frames are cut by position", file: "formats/compress/writer.go", tests: all(compressPkg),
		edits: []edit{{"\tz.press.in = in\n\treturn n", "\tif len(in) > 0 {\n\t\tz.frame(in)\n\t\tin = in[:0]\n\t}\n\tz.press.in = in\n\treturn n"}},
	}, {
		name: "time-in-gzip", promise: "5: nothing in an output depends on time", file: "formats/compress/writer.go", tests: all(compressPkg),
		edits: []edit{{"e.ModTime = time.Unix(0, 0)", "e.ModTime = time.Now()"}},
	}, {
		name: "cut-stream-accepted", promise: "8: a truncated stream is never a short one", file: "formats/compress/reader.go", tests: all(compressPkg),
		edits: []edit{{"\t\terr = io.ErrUnexpectedEOF\n", "\t\treturn io.EOF\n"}},
	}, {
		name: "cut-header-accepted", promise: "8: a stream that is cut in a member's header is never a short one", file: "formats/compress/decode.go", tests: all(compressPkg),
		edits: []edit{{"return noEOF(err)", "return err"}},
	}, {
		name: "garbage-behind-accepted", promise: "8: bytes behind the last member are corruption", file: "formats/compress/decode.go", tests: all(compressPkg),
		edits: []edit{{"case m.any && b[0] != 0x1f:\n\t\treturn errBehind", "case m.any && b[0] != 0x1f:\n\t\t_, err := io.Copy(io.Discard, m.buf)\n\t\tif err == nil {\n\t\t\terr = io.EOF\n\t\t}\n\t\treturn err"}},
	}, {
		name: "bomb-not-capped", promise: "9: what is decompressed is capped", file: "formats/compress/reader.go", tests: all(compressPkg),
		edits: []edit{{"over > 0 && r.codec != None", "over > 1<<60 && r.codec != None"}},
	}}
}

// thriftMutants break the reading of footers and page headers.
func thriftMutants() []mutant {
	const file = "formats/parquet/thrift/thrift.go"
	return []mutant{{
		name: "thrift-list-believed", promise: "7: no size in a footer is believed before its bytes are there", file: file, tests: all(thriftPkg),
		edits: []edit{{"if n > uint64(len(r.data)-r.at) {\n\t\tr.Fail(ErrTruncated)\n\t\treturn 0", "if n > 1<<62 {\n\t\tr.Fail(ErrTruncated)\n\t\treturn 0"}},
	}, {
		name: "thrift-lists-nest-freely", promise: "7: lists in a footer do not take the stack", file: file, tests: all(thriftPkg),
		edits: []edit{{"if depth > maxDepth {\n\t\tr.Fail(errDeep)\n\t}\n\tif r.price", "if r.price"}},
	}}
}

// tableMutants break the reading of Parquet and the making of its columns.
func tableMutants() []mutant {
	return []mutant{{
		name: "rows-not-held-to-footer", promise: "1: the rows read are those of the footer", file: "formats/parquet/advance.go", tests: all(parquetPkg),
		edits: []edit{{"c.page.pos < c.page.slots || c.left > 0", "c.left < 0"}},
	}, {
		name: "missing-values-accepted", promise: "1: a chunk that ends early is an error", file: "formats/parquet/cursor.go", tests: all(parquetPkg),
		edits: []edit{{"if c.left <= 0 || c.pos >= c.end {\n\t\treturn fmt.Errorf(\"the chunk ends with %d values to come\", c.left)", "if c.left <= 0 || c.pos >= c.end {\n\t\tc.page.slots = 1\n\t\tc.page.def = []uint8{0}\n\t\treturn nil"}},
	}, {
		name: "wrong-column-decoded", promise: "3: a projection reads the columns that it names", file: "formats/parquet/reader.go", tests: all(parquetPkg),
		edits: []edit{{"r.cursors[i].open(&chunks[l].MetaData)", "r.cursors[i].open(&chunks[(l+1)%len(chunks)].MetaData)"}},
	}, {
		name: "row-groups-by-batch", promise: "5: row groups are cut by position", file: "formats/parquet/encode/writer.go", tests: all(encodePkg),
		edits: []edit{{"\t\tfor k := range w.leaves {\n\t\t\tif err := w.leaves[k].handOver(); err != nil {", "\t\tif err := endGroup(w.out, w.leaves); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tfor k := range w.leaves {\n\t\t\tif err := w.leaves[k].handOver(); err != nil {"}},
	}, {
		name: "pages-by-batch", promise: "5: pages are cut by position", file: "formats/parquet/encode/writer.go", tests: all(encodePkg),
		edits: []edit{{"if err := w.leaves[k].handOver(); err != nil {", "if err := w.leaves[k].endPage(); err != nil {"}},
	}, {
		name: "spliced-pages-by-batch", promise: "5: pages of answers beside copied chunks are cut by position", file: "formats/parquet/encode/splice.go", tests: all(encodePkg),
		edits: []edit{{"if err := s.leaves[k].handOver(); err != nil {", "if err := s.leaves[k].endPage(); err != nil {"}},
	}, {
		name: "misfit-becomes-null", promise: "4: an answer that does not fit is a reject, never a null", file: "formats/parquet/encode/joiner.go", tests: all(encodePkg),
		edits: []edit{{"} else if why := j.fit(w, p, a.Bytes(i), a.List[i].Form); why != \"\" {", "} else if why := j.fit(w, p, a.Bytes(i), a.List[i].Form); why != \"\" && l == nil {"}},
	}, {
		name: "null-settles-the-type", promise: "4: a null answer says nothing about its column's type", file: "formats/parquet/encode/joiner.go", tests: all(encodePkg),
		edits: []edit{{"case formats.Null:\n\t\treturn formats.Unknown", "case formats.Null:\n\t\treturn formats.Double"}},
	}, {
		name: "column-misfit-passes", promise: "4: a record that does not fit its columns is a reject", file: "formats/parquet/encode/records.go", tests: all(encodePkg),
		edits: []edit{{"if !s.rules[k].parse(v, &w.p) {", "if !s.rules[k].parse(v, &w.p) && b == nil {"}},
	}, {
		name: "left-out-row-kept", promise: "1: a record that is left out is not in the output", file: "formats/parquet/encode/again.go", tests: all(encodePkg),
		edits: []edit{{"if bit(w.kept, int(from)+i) {", "if from+int64(i) < w.rows {"}},
	}, {
		name: "copied-in-spite-of-rejects", promise: "1: chunks are copied only where all records stay", file: "formats/parquet/encode/splice.go", tests: all(encodePkg),
		edits: []edit{{"if w.rows < w.Source.GroupRows(w.group) && (", "if w.rows < 0 && ("}},
	}}
}

// spliceMutants break the places in a footer that is made anew.
func spliceMutants() []mutant {
	const file = "formats/parquet/splice/group.go"
	return []mutant{{
		name: "empty-group-believed", promise: "spliced: a row group without rows is no reason to refuse a file", file: "formats/parquet/splice/chunk.go", tests: tested(enginePkg, "^TestEmptyRowGroups$"),
		edits: []edit{{"if err != nil || rows == 0 {", "if err != nil {"}},
	}, {
		name: "copy-checked-too-late", promise: "spliced: what copying refuses costs no request", file: "transform/codec/codec.go", tests: tested(enginePkg, "^TestUncopyable"),
		edits: []edit{{"if err == nil && c.Spliced() {", "if err == nil && c.Spliced() && in.size < 0 {"}},
	}, {
		name: "broken-index-refused", promise: "spliced: a broken index costs no value", file: "formats/parquet/splice/index.go", tests: tested(splicePkg, "^TestHostileIndexes$"),
		edits: []edit{{"\tif errors.As(err, &broken) {\n", "\tif errors.As(err, &broken) && f == nil {\n"}},
	}, {
		name: "page-index-not-moved", promise: "spliced: the offset index names the pages where they are", file: "formats/parquet/splice/index.go", tests: all(splicePkg),
		edits: []edit{{"at+delta))", "at+0*delta))"}},
	}, {
		name: "data-page-not-moved", promise: "spliced: the metadata names the first page", file: file, tests: all(splicePkg),
		edits: []edit{{"k.meta.int(metaDataPage)+delta", "k.meta.int(metaDataPage)"}},
	}, {
		name: "dictionary-not-moved", promise: "spliced: the metadata names the dictionary", file: file, tests: all(splicePkg),
		edits: []edit{{"k.meta.setInt(id, at+delta)", "k.meta.setInt(id, at)"}},
	}, {
		name: "bloom-not-moved", promise: "spliced: the metadata names the bloom filter", file: file, tests: all(splicePkg),
		edits: []edit{{"m.setInt(metaBloom, at)", "m.setInt(metaBloom, bloom.at+0*at)"}},
	}, {
		name: "foreign-order-believed", promise: "spliced: statistics are believed only with the order they were made with", file: "formats/parquet/splice/index.go", tests: all(splicePkg),
		edits: []edit{{"!bytes.Equal(f.order(leaf), w.orders[to])", "!bytes.Equal(f.order(leaf), f.order(leaf))"}, {"to int) {", "_ int) {"}},
	}, {
		name: "sorted-by-a-lost-column", promise: "spliced: a group is not called sorted by a column that it lacks", file: file, tests: all(splicePkg),
		edits: []edit{{"s.setInt(sortingColumn, int64(moved[leaf]-1))", "s.setInt(sortingColumn, leaf)"}},
	}}
}

// parquetJobMutants break what a job does with them.
func parquetJobMutants() []mutant {
	return []mutant{{
		name: "layout-not-logged", promise: "5: how answers become columns is settled once", file: "transform/assemble.go", tests: engine("^TestRetryKeepsTheLayout"),
		edits: []edit{{"return a.ledger.FixLayout(a.learned)", "return nil"}},
	}, {
		name: "time-in-lineage", promise: "5: nothing in an output depends on time", file: "transform/codec/parquet.go", tests: engine(simulation),
		edits: []edit{{"{\"batchmill \" + job.Version, ", "{\"batchmill \" + job.Version + time.Now().Format(time.RFC3339Nano), "}, {"import (\n", "import (\n\t\"time\"\n"}},
	}, {
		name: "cut-sample-believed", promise: "8: a read error is never the end of a sample", file: "transform/plan/plan.go", tests: engine("^TestTableStoreFaults"),
		edits: []edit{{"if rc.failed != nil {\n", "if rc.failed != nil && err != nil {\n"}},
	}, {
		name: "guess-not-logged", promise: "5: a resumed run has the layout that objects were published with", file: "transform/assemble.go", tests: engine("^TestGuessedLayout"),
		edits: []edit{{"if !answered && !pin {", "if !answered {"}},
	}, {
		name: "old-spill-not-emptied", promise: "5: what a killed run set aside is no part of the next one", file: "transform/store/disk_spill.go",
		tests: tests{packages: []string{"./transform/store"}, run: "^TestDiskSpillBeginsEmpty$"},
		edits: []edit{{"os.O_RDWR|os.O_TRUNC", "os.O_RDWR"}},
	}}
}
