package main

const s3Pkg = "./transform/store/s3"

func onS3(run string) tests { return tests{packages: []string{s3Pkg}, run: run} }

// s3Mutants break what a bucket is trusted with: names given once, logs that
// one run at a time appends to, bytes of one version of an object.
func s3Mutants() []mutant {
	const (
		appends = "transform/store/s3/append.go"
		commits = "transform/store/s3/commit.go"
		fetches = "transform/store/s3/fetch.go"
	)
	return []mutant{{
		name: "segment-clobbered", promise: "8: a segment's number is given once", file: appends, tests: onS3("^(TestSegmentPut|TestTakenOver)$"),
		edits: []edit{{`IfNoneMatch: aws.String("*"),`, ``}},
	}, {
		name: "taken-number-not-noticed", promise: "8: who finds the next number taken is superseded", file: appends, tests: onS3("^TestTakenOver$"),
		edits: []edit{{"if other != nil {\n\t\treturn store.ErrSuperseded", "if other != nil && a.last < 0 {\n\t\treturn store.ErrSuperseded"}},
	}, {
		name: "fence-not-checked-at-sync", promise: "8: a run that slept finds out before it says that anything is durable", file: appends, tests: onS3("^(TestAsleep|TestAwakeAmidDeletes|TestInterleaved|TestTakenOverWhileRemoved)$"),
		edits: []edit{{"if n := len(behind); n > 0 && behind[n-1].number > a.last {", "if n := len(behind); n > 0 && behind[n-1].number > a.last+1_000_000 {"}},
	}, {
		name: "removed-log-gone-on-with", promise: "8: a log that was removed takes nothing any more", file: appends, tests: onS3("^(TestAsleep|TestInterleaved)$"),
		edits: []edit{{"if base != a.last { // or", "if base != a.last && base < 0 { // or"}},
	}, {
		name: "grown-without-claim", promise: "8: a log that was taken over stands still while it is read again", file: appends, tests: onS3("^TestGrownFences"),
		edits: []edit{{"if seen == 0 && t.size > 0 {", "if seen != t.size {"}},
	}, {
		name: "claim-without-a-look-back", promise: "5: what an older run put while its log was taken over is read", file: appends, tests: onS3("^TestGrownWhileClaiming$"),
		edits: []edit{{"if a.size != seen {", "if t.size != seen {"}},
	}, {
		name: "base-ignored", promise: "5: what is left of an earlier log is none of this one", file: "transform/store/s3/log.go", tests: onS3("^(TestCutToNothing|TestRemoveLogs|TestDamagedLog|TestLogUnderFaults|TestAsleep|TestAwakeAmidDeletes|TestInterleaved)$"),
		edits: []edit{{"case g.number < t.base:", "case g.number < 1:"}},
	}, {
		name: "object-clobbered", promise: "6: an existing object is never replaced unasked", file: commits, tests: onS3("^TestConforms$"),
		edits: []edit{{`return nil, aws.String("*")`, `return nil, nil`}},
	}, {
		name: "foreign-object-taken", promise: "6: an object is ours by its nonce, not by its name", file: commits, tests: onS3("^(TestAmbiguous|TestWriteUnderFaults)$"),
		edits: []edit{{"case found.nonce == o.nonce:", `case found.etag != "":`}},
	}, {
		name: "reopened-at-the-wrong-byte", promise: "8: a body that broke off is asked for again where it ended", file: fetches, tests: onS3("^(TestReadUnderFaults|TestShortBodyIsNeverTheEnd|TestReadFaults)$"),
		edits: []edit{{"if err := st.open(ctx, off, end); err != nil {", "if err := st.open(ctx, off, end); err == nil && tries > 0 {\n\t\t\t\tst.pos++\n\t\t\t} else if err != nil {"}},
	}, {
		name: "short-body-is-the-end", promise: "8: a truncated response is never a short answer", file: fetches, tests: onS3("^(TestReadUnderFaults|TestShortBodyIsNeverTheEnd|TestReadFaults)$"),
		edits: []edit{{"\t\tif ctx.Err() != nil {\n\t\t\treturn ctx.Err()\n\t\t}\n\t\tif tries++", "\t\tif errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errShort) {\n\t\t\treturn nil\n\t\t}\n\t\tif tries++"}},
	}, {
		name: "two-versions-mixed", promise: "5: every request for an object's bytes names its version", file: fetches, tests: onS3("^(TestReadFaults|TestReadUnderFaults|TestConforms|TestChangedWhileOpening)$"),
		edits: []edit{{"in.IfMatch = aws.String(`\"` + etag + `\"`)", ""}, {"if err == nil && (a.size != st.v.size || a.etag != st.v.etag", "if err == nil && off < 0 && (a.size != st.v.size || a.etag != st.v.etag"}},
	}, {
		name: "log-not-ended", promise: "5: a removal that was interrupted leaves an empty log, never half of one", file: "transform/store/s3/remove.go", tests: onS3("^(TestRemoveLogs|TestAwakeAmidDeletes|TestInterleaved)$"),
		edits: []edit{{"other, err := a.put(ctx, nil)", "other, err := (*mark)(nil), error(nil)"}},
	}, {
		name: "uploads-of-others-ended", promise: "clean: what a job does not write stays", file: "transform/store/s3/clean.go", tests: onS3("^TestClean$"),
		edits: []edit{{"if !ok || !mine(name) {", "if !ok {"}},
	}}
}

// takeoverMutants break what the engine does where no lock keeps a second run out.
func takeoverMutants() []mutant {
	const contests = "^(TestSleeperHarmsNothing|TestNewestRunWins)$"
	return []mutant{{
		name: "grown-log-not-read-again", promise: "8: a run that starts takes over at once", file: "transform/run.go", tests: engine(contests),
		edits: []edit{{"const takeovers = 5", "const takeovers = 1"}},
	}, {
		name: "own-output-refused", promise: "5: what an older run of the job published is the job's", file: "transform/sink.go", tests: engine(contests),
		edits: []edit{{"\tif !ours {\n", "\tif ours || !ours {\n"}},
	}, {
		name: "uploads-left-behind", promise: "6: uploads that a run left which died are ended", file: "transform/claim.go", tests: engine(simulation),
		edits: []edit{{"(store.Distant); !ok || !distant {", "(store.Distant); !ok || distant {"}},
	}, {
		name: "moved-time-is-a-change", promise: "5: inputs are pinned by their ETag where they have one", file: "transform/source.go", tests: engine(simulation),
		edits: []edit{{`(a.ETag != "" || a.ModTime.Equal(b.ModTime))`, `a.ModTime.Equal(b.ModTime)`}},
	}, {
		name: "changed-object-with-an-etag", promise: "5: another ETag is another content", file: "transform/source.go", tests: engine("^TestPinnedByETag$"),
		edits: []edit{{"a.Size == b.Size && a.ETag == b.ETag &&", "a.Size == b.Size &&"}},
	}}
}
