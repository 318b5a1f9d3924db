package main

// unicodeMutants let through text that is not Unicode, or decode it wrongly.
func unicodeMutants() []mutant {
	const charsetPkg = "./formats/charset"
	texts := func(run string) tests { return tests{packages: []string{enginePkg}, run: run} }
	return []mutant{{
		name: "one-byte-repaired", promise: "4: text is never repaired: one U+FFFD is let through", file: "formats/unicode.go", tests: texts("TestAnyText|TestNotUTF8Changed"),
		edits: []edit{{"if at := NotUTF8(v.Text); at >= 0 &&", "if at := NotUTF8(v.Text); at > 1 &&"}},
	}, {
		name: "lone-surrogate-repaired", promise: "4: half a surrogate pair is no text", file: "formats/json/unicode.go", tests: texts("TestAnyText"),
		edits: []edit{{"case utf16.DecodeRune(r, unit(data, i+6)) == utf8.RuneError:", "case utf16.DecodeRune(r, unit(data, i+6)) == utf8.RuneError && false:"}},
	}, {
		name: "answer-of-lines-repaired", promise: "4: an answer that changes format is text, or a bad answer", file: "transform/codec/unicode.go", tests: texts("TestAnyText|TestResponseCharset"),
		edits: []edit{{"if format == c.Out || c.Out == FormatLines {", "if format == c.Out || c.Out != FormatParquet {"}},
	}, {
		name: "json-answer-repaired", promise: "4: an answer that claims to be JSON is Unicode", file: "formats/jsonl/decode.go", tests: texts("TestAnyText|TestResponseCharset"),
		edits: []edit{{"		err = json.Unicode(body)\n", "		err = json.Unicode(nil)\n"}},
	}, {
		name: "json-columns-of-any-bytes", promise: "4: a Parquet STRING that is no text is a reject", file: "formats/parquet/text/value.go", tests: texts("TestAnyText"),
		edits: []edit{{"return l.NotUnicode(v) == \"\"", "return l.NotUnicode(v) == \"\" || true"}},
	}, {
		name: "header-repaired", promise: "9: a name that is no text is found before the start", file: "transform/codec/names.go", tests: texts("TestHeaderIsUnicode"),
		edits: []edit{{"at >= 0 && c.crosses(i, sent) {", "at >= 0 && c.crosses(i, sent) && false {"}},
	}, {
		name: "key-twice", promise: "9: one name for two columns is found before the start", file: "transform/codec/names.go", tests: texts("TestOneNameTwice"),
		edits: []edit{{"if first, twice := seen[name]; twice {", "if first, twice := seen[name]; twice && first > i {"}},
	}, {
		name: "other-twin-sent", promise: "4: an index sends the column that is meant", file: "transform/codec/names.go", tests: texts("TestPickedByIndex"),
		edits: []edit{{"for n := 2; !sent[i] && taken[out[i]]; n++ {", "for n := 2; sent[i] && taken[out[i]] && n < 3; n++ {"}},
	}, {
		name: "undecodable-is-fffd", promise: "4: a byte without a character is a reject, never U+FFFD", file: "formats/charset/schemes.go", tests: all(charsetPkg),
		edits: []edit{{"if text := room[:n]; !bytes.Equal(text, replacement) ||", "if text := room[:n]; len(text) > 0 ||"}},
	}, {
		name: "escape-in-the-output", promise: "4: no output holds what has no character", file: "formats/csv/joiner.go", tests: texts("TestEncodings"),
		edits: []edit{{"formats.ReasonInvalid, formats.ReasonEncoding}", "formats.ReasonInvalid}"}},
	}, {
		name: "offset-of-decoded-text", promise: "9: offsets count in the stored object", file: "formats/charset/reader.go", tests: texts("TestEncodings|TestOffsetsFarIn"),
		edits: []edit{{"b.Offset = r.Stored(b.Offset)", "_ = r.Stored(b.Offset)"}},
	}, {
		name: "offset-within-decoded-batch", promise: "9: offsets count in the stored object", file: "formats/formats.go", tests: texts("TestEncodings|TestOffsetsFarIn"),
		edits: []edit{{"before = b.Stored.Width(b.Data[:before])", "_ = b.Stored.Width(b.Data[:before])"}},
	}, {
		name: "utf16-scored-as-text", promise: "9: what looks like UTF-16 is refused with the cure", file: "formats/charset/decide.go", tests: texts("TestEncodingIsRefused|TestMarkedObjects"),
		edits: []edit{{"if wide := looksWide(head); wide != \"\" {", "if wide := looksWide(head); wide == \"any\" {"}},
	}, {
		name: "nul-taken-for-utf16", promise: "4: a NUL here and there is data", file: "formats/charset/decide.go", tests: all(charsetPkg),
		edits: []edit{{"4*plain >= 3*units", "4*plain >= units"}},
	}, {
		name: "charset-ignored", promise: "4: a response is read in the charset that it names", file: "transform/codec/charset.go", tests: texts("TestResponseCharset"),
		edits: []edit{{"return recoded{d, e, err}", "return d"}},
	}, {
		name: "encoding-unbound", promise: "5: what changes output bytes binds the job", file: "transform/codec/identity.go", tests: texts("TestIdentity"),
		edits: []edit{{"if s.Encoding != \"\" {", "if s.Encoding == \"any\" {"}},
	}}
}
