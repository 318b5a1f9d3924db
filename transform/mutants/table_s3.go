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
		name: "log-without-terms", promise: "S3: all that is written carries what the bucket's owner asks", file: "transform/store/s3/terms.go", tests: tested("./transform/store/s3", "^TestTerms$"),
		edits: []edit{{"return d.c.PutObject(ctx, &in, o...)", "return d.c.PutObject(ctx, given, o...)"}},
	}, {
		name: "two-keys-one-name", promise: "S3: every key has a name of its own", file: "transform/store/s3/oddkeys.go", tests: tested("./transform/store/s3", "^TestOddKeys$"),
		edits: []edit{{"return \"%25\" + element[1:]", "return element"}},
	}, {
		name: "archived-first-object", promise: "S3: an object that cannot be read fails alone", file: "transform/plan/plan.go", tests: engine("^TestUnreadableObject$"),
		edits: []edit{{" || s3.Denied(err) || s3.Archived(err)", ""}},
	}, {
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
	}, {
		name: "withdrawn-though-anothers", promise: "8: a run that slept takes back its own segment and no other", file: appends, tests: onS3("^TestWithdrawAmidOthers$"),
		edits: []edit{{"if err != nil || found.nonce != a.nonce() {", `if err != nil || found.nonce == "" {`}},
	}, {
		name: "claimed-beginning-withdrawn", promise: "8: a log that was claimed keeps its beginning", file: appends, tests: onS3("^TestWithdrawAmidOthers$"),
		edits: []edit{{"if a.base == a.last {\n\t\treturn a.removeEnd(ctx)\n\t}\n", ""}},
	}, {
		name: "log-of-another-beginning-taken", promise: "5: a log is the one that was read, not one of its size", file: appends, tests: onS3("^TestSameSizeAnotherLog$"),
		edits: []edit{{"ok && seen > 0 && read != t.beginning() {", "ok && seen > 0 && read != t.log && seen < 0 {"}},
	}, {
		name: "new-log-removed-by-a-sleeper", promise: "8: a run that slept removes nothing of a log that was begun meanwhile", file: "transform/store/s3/remove.go", tests: onS3("^TestAsleepAmidRemoval$"),
		edits: []edit{{"if isMissing(err) || err == nil && found.nonce != a.nonce() {\n\t\treturn store.ErrSuperseded", "if isMissing(err) || err == nil && found.nonce != a.nonce() {\n\t\treturn nil"}},
	}, {
		name: "upload-of-nobody", promise: "6: an upload that is begun just as the run ends is ended", file: "transform/store/s3/parts.go", tests: onS3("^TestCancelledBeginning$"),
		edits: []edit{{"ctx, cancel := o.outlasting()", "ctx, cancel := context.WithCancel(o.ctx)"}},
	}}
}

// simulatedMutants break the store on S3 where its own tests do not notice: they
// pass with each of the first five, in front of a real server too, and with the last
// two where there is none. Whole jobs notice, whose runs begin, read, finish and remove
// beside each other.
func simulatedMutants() []mutant {
	const contests = "^(TestSleeperHarmsNothing|TestNewestRunWins)$"
	const logs, third = "transform/store/s3/log.go", "if damaged++; damaged == 3 {"
	return []mutant{{
		name: "damage-believed-at-once", promise: "8: a log that another run removes just now is not a damaged one", file: logs, tests: engine(contests),
		edits: []edit{{third, "if damaged++; damaged == 1 {"}},
	}, {
		name: "damage-believed-at-the-second-look", promise: "8: nor where its removal takes longer than a look", file: logs, tests: engine(contests),
		edits: []edit{{third, "if damaged++; damaged == 2 {"}},
	}, {
		name: "removed-log-is-damage", promise: "8: a log that goes while it is read was removed by a run that has finished", file: "transform/store/s3/segments.go", tests: engine(contests),
		edits: []edit{{"case errors.Is(err, fs.ErrNotExist), err == nil && t.log != r.log:\n\t\treturn store.ErrGrown", "case errors.Is(err, fs.ErrNotExist) && t != nil:\n\t\treturn store.ErrGrown"}},
	}, {
		name: "log-as-old-as-its-beginning", promise: "9: a log tells when it grew last, so that a run at work is seen", file: logs, tests: engine("^TestIdleRunIsSeen$"),
		edits: []edit{{"ModTime: t.segments[len(t.segments)-1].modified}", "ModTime: t.segments[0].modified}"}},
	}, {
		name: "one-probe-for-all", promise: "8: runs that begin together probe the service beside each other", file: "transform/store/s3/probe.go", tests: engine(contests),
		edits: []edit{{`name := "probe-" + newNonce()`, `name := "probe"`}},
	}, {
		name: "owner-forgotten", promise: "5: an object tells whose it is to a run that goes on with the job", file: "transform/store/s3/stat.go", tests: engine(contests),
		edits: []edit{{"if strings.EqualFold(key, metaJob) {", "if strings.EqualFold(key, metaJob) && key == \"\" {"}},
	}, {
		name: "upload-bears-no-job", promise: "5: an object of many parts is known as its job's, as one of a single put is", file: "transform/store/s3/parts.go", tests: tested(s3Pkg, "^TestParts$"),
		edits: []edit{{"Metadata: o.meta, ContentType: mediaType(o.name),\n\t}\n\tif o.checksum {", "Metadata: map[string]string{metaNonce: o.nonce}, ContentType: mediaType(o.name),\n\t}\n\tif o.checksum {"}},
	}}
}

// takeoverMutants break what the engine does where no lock keeps a second run out.
func takeoverMutants() []mutant {
	const contests = "^(TestSleeperHarmsNothing|TestNewestRunWins)$"
	return []mutant{{
		name: "grown-log-not-read-again", promise: "8: a run that starts takes over at once", file: "transform/ledger/takeover.go", tests: engine(contests),
		edits: []edit{{"const takeovers = 5", "const takeovers = 1"}},
	}, {
		name: "own-output-refused", promise: "5: what an older run of the job published is the job's", file: "transform/ledger/settle.go", tests: tested("./transform/ledger", "^TestAlreadyMade$"),
		edits: []edit{{"\tif !ours {\n", "\tif ours || !ours {\n"}},
	}, {
		name: "uploads-left-behind", promise: "6: uploads that a run left which died are ended", file: "transform/ledger/begin.go", tests: engine(simulation),
		edits: []edit{{"(store.Distant); !ok || !distant {", "(store.Distant); !ok || distant {"}},
	}, {
		name: "moved-time-is-a-change", promise: "5: inputs are pinned by their ETag where they have one", file: "transform/plan/source.go", tests: engine(simulation),
		edits: []edit{{`if a.ETag != "" || b.ETag != "" || a.Size != b.Size {`, `if a.Size != b.Size {`}},
	}, {
		name: "changed-object-with-an-etag", promise: "5: another ETag is another content", file: "transform/plan/source.go", tests: tested("./transform/plan", "^TestPinnedByETag$"),
		edits: []edit{{"return a.Size == b.Size && a.ETag == b.ETag", "return a.Size == b.Size"}},
	}}
}
