package main

const fieldsPkg = "./formats/fields"

// shapeMutants break the columns of answers, and their numbers.
func shapeMutants() []mutant {
	return []mutant{{
		name: "named-key-missing", promise: "4: a key that --answer-columns names is there, or its answer is a reject", file: "formats/fields/place.go", tests: all(fieldsPkg),
		edits: []edit{{"if !seen && t.names.Columns != nil {", "if !seen && t == nil {"}},
	}, {
		name: "keys-by-position", promise: "3: a value stands in the column of its key, whatever the order of keys is", file: "formats/fields/place.go", tests: all(fieldsPkg),
		edits: []edit{{"v.List[at] = v.value(object[value.Start:value.End])", "v.List[min(n, len(v.List)-1)] = v.value(object[value.Start:value.End])\n\t\tn++"},
			{"v.seen = v.seen[:0]\n", "v.seen = v.seen[:0]\n\tn := 0\n"}},
	}, {
		name: "another-width-fits", promise: "3: an answer with another number of fields is a reject", file: "formats/fields/place.go", tests: all(fieldsPkg),
		edits: []edit{{"case n == t.fields:", "case n >= t.fields:"}},
	}, {
		name: "object-is-a-field", promise: "3: an object among scalars is a reject in CSV", file: "formats/csv/answer.go", tests: tested(enginePkg, "^TestAnswerShapes"),
		edits: []edit{{"case p.strict && form", "case p.strict && p == nil && form"}},
	}, {
		name: "late-clash-written", promise: "3: two columns never have one name", file: "formats/csv/joiner.go", tests: tested(csvPkg, "^TestObjectsBecomeColumns"),
		edits: []edit{{"if slices.Contains(j.inputNames(), name) {", "if p == nil {"}},
	}, {
		name: "objects-stay-fields", promise: "an object becomes columns of CSV", file: "formats/csv/answer.go", tests: tested(enginePkg, "^TestAnswerShapes"),
		edits: []edit{{"!fields.IsObject(answer) && json.KindOf(answer)", "json.KindOf(answer)"}},
	}, {
		name: "wide-integer-rounded", promise: "4: an integer that no double keeps is not rounded", file: "formats/parquet/encode/value.go", tests: all(encodePkg),
		edits: []edit{{"ok = keepsInteger(f, text)", "ok = keepsInteger(f, text) || ok"}},
	}, {
		name: "nan-settles-text", promise: "a first NaN makes no column of strings", file: "formats/parquet/encode/joiner.go", tests: all(encodePkg),
		edits: []edit{{"special {\n\t\t\treturn formats.Unknown", "special {\n\t\t\treturn formats.Text"}},
	}, {
		name: "order-of-nan", promise: "parquet: pages with bounds of NaN have no order", file: "formats/parquet/encode/double.go", tests: all(encodePkg),
		edits: []edit{{"if x.nan {", "if x == nil {"}},
	}, {
		name: "identity-forgets-answer-columns", promise: "5: a changed --answer-columns is another job", file: "transform/codec/identity.go", tests: engine("^TestIdentity"),
		edits: []edit{{"id[\"answer-columns\"] = fmt.Sprintf(\"%q\", names)", "_ = fmt.Sprint(names)"}},
	}}
}
