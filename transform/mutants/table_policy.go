package main

// policyMutants break what is done about rejects.
func policyMutants() []mutant {
	return []mutant{{
		name: "reject-lost", promise: "1: every reject stands in its file", file: "transform/sink.go", tests: engine(simulation),
		edits: []edit{{"return s.addRejects(ctx, p.rejects)", "return s.addRejects(ctx, p.rejects[:min(1, len(p.rejects))])"}},
	}, {
		name: "reject-not-counted", promise: "1: records_in = answered + rejected", file: "transform/sink.go", tests: engine(simulation),
		edits: []edit{{"rejected := int64(len(p.rejects))", "rejected := min(1, int64(len(p.rejects)))"}},
	}, {
		name: "record-number-off-by-one", promise: "9: a reject names its record, from 1", file: "transform/place.go", tests: engine(simulation),
		edits: []edit{{"return p.batch.First + int64(i)", "return p.batch.First + int64(i) - 1"}},
	}, {
		name: "reject-offset-of-batch", promise: "9: a reject names its byte offset", file: "transform/dispatch.go", tests: engine(simulation),
		edits: []edit{{"p.batch.Offset + int64(p.batch.Recs[i].Start)", "p.batch.Offset"}},
	}, {
		name: "rejects-out-of-order", promise: "2: rejects stand in input order", file: "transform/ask.go", tests: engine(simulation),
		edits: []edit{{"return a.index - b.index", "return b.index - a.index"}},
	}, {
		name: "placeholder-left-out", promise: "1: under placeholder every record comes out", file: "transform/dispatch.go", tests: engine(simulation),
		edits: []edit{{"r.plan.Spec.OnBad == \"placeholder\")", "false)"}},
	}, {
		name: "held-object-published", promise: "1: with --on-bad fail an object with rejects is held", file: "transform/sink.go", tests: engine(simulation),
		edits: []edit{{"case s.run.plan.Spec.OnBad == \"fail\" && s.counts.Rejected > 0:", "case s.run.plan.Spec.OnBad == \"fail\" && s.counts.Rejected > 1<<40:"}},
	}, {
		name: "max-rejects-never-judged", promise: "--max-rejects stops the job", file: "transform/dispatch.go", tests: engine("^TestMaxRejects"),
		edits: []edit{{"if !r.plan.Spec.MaxRejects.Exceeded(", "if all >= 0 || !r.plan.Spec.MaxRejects.Exceeded("}},
	}, {
		name: "max-rejects-share-at-once", promise: "--max-rejects: a share is not judged in small jobs", file: "transform/quantity.go", tests: engine("^TestMaxRejects"),
		edits: []edit{{"return settled >= judgedFrom && ", "return "}},
	}, {
		name: "max-rejects-forgets-objects", promise: "--max-rejects: what earlier runs settled counts", file: "transform/cut.go", tests: engine("^TestMaxRejects"),
		edits: []edit{{"r.judgedBad.Add(was.Rejected)", "r.judgedBad.Add(0)"}},
	}, {
		name: "max-rejects-forgets-the-log", promise: "--max-rejects: what the log answers counts", file: "transform/dispatch.go", tests: engine("^TestMaxRejects"),
		edits: []edit{{"settled, rejects, example := p.settledCounts()\n", "settled, rejects, example := p.settledCounts()\n\tif p.logged != nil {\n\t\trejects = 0\n\t}\n"}},
	}, {
		name: "busy-uses-up-tries", promise: "hosts: 503 never counts as an attempt", file: "transform/dispatch.go", tests: engine("^TestBusy"),
		edits: []edit{{"a.tries-- ", "_ = a.tries "}},
	}, {
		name: "mark-in-spite-of-held", promise: "6: _SUCCESS stands only when all is published", file: "transform/run.go", tests: engine(simulation),
		edits: []edit{{"if !result.allPublished() {", "if !result.allPublished() && result.InputBytes < 0 {"}},
	}, {
		name: "mark-before-manifest", promise: "6: _SUCCESS comes after the manifest", file: "transform/run.go", tests: engine("^TestSuccessMark"),
		edits: []edit{{"result, err := r.writeManifest(ctx)",
			"if err := writeWhole(ctx, r.plan.Output, successName, nil); err != nil {\n\t\treturn nil, err\n\t}\n\tresult, err := r.writeManifest(ctx)"}},
	}, {
		name: "stale-rejects-stay", promise: "1: rejects of an earlier run do not outlive it", file: "transform/sink.go", tests: engine("^TestRetriedRejects"),
		edits: []edit{{"} else if s.run.state.oldRejects {", "} else if s.run.state.oldRejects && s.line != nil {"}},
	}}
}

// resumeMutants break what a run finds of an earlier one.
func resumeMutants() []mutant {
	const crash = "^TestCrash"
	return []mutant{{
		name: "intent-not-logged", promise: "5: the log says what is about to be published", file: "transform/sink.go", tests: engine(crash),
		edits: []edit{{"st.note(entryIntent, settled{s.object.index, entry})", "error(nil)"}},
	}, {
		name: "intent-not-durable", promise: "5: and says so durably, before it is", file: "transform/sink.go", tests: engine(crash),
		edits: []edit{{"if err := st.log.commit(); err != nil {", "if err := error(nil); err != nil {"}},
	}, {
		name: "settled-before-published", promise: "5: an output is logged as published when it is", file: "transform/sink.go", tests: engine(crash),
		edits: []edit{{"st.note(entryIntent, settled{s.object.index, entry})", "st.note(entrySettled, settled{s.object.index, entry})"}},
	}, {
		name: "log-not-synced", promise: "5: answers are durable before their output is visible", file: "transform/log.go", tests: engine(crash),
		edits: []edit{{"return l.out.Sync()", "return nil"}},
	}, {
		name: "log-synced-before-written", promise: "5: a group of the log is written before it is called durable", file: "transform/log.go", tests: engine(crash),
		edits: []edit{{"if _, err := l.out.Write(data); err != nil {", "if err := l.out.Sync(); err != nil {\n\t\treturn err\n\t}\n\tif _, err := l.out.Write(data); err != nil {"}, {"return l.out.Sync()\n}", "return nil\n}"}},
	}, {
		name: "intent-believed-blindly", promise: "5: the bytes say whether it was published", file: "transform/adopt.go", tests: engine(crash),
		edits: []edit{{"if !same {", "if !same && was.Status != manifest.Published {"}},
	}}
}

// logMutants break the answer log and what reads it.
func logMutants() []mutant {
	const crash = "^TestCrash"
	return []mutant{{
		name: "torn-tail-kept", promise: "5: a torn tail of the log is cut", file: "transform/state.go", tests: engine(crash),
		edits: []edit{{"\t\terr = out.Truncate(whole)\n", ""}},
	}, {
		name: "torn-tail-accepted", promise: "5: an entry that is not whole is not taken for one", file: "transform/log.go", tests: engine(crash),
		edits: []edit{
			{"if n < 1 || n > maxEntry || l.off+entryHeader+n > l.size {", "n = min(n, l.size-l.off-entryHeader)\n\tif n < 1 {"},
			{"if crc32.Checksum(l.buf, castagnoli) != ", "if n < 1 && crc32.Checksum(l.buf, castagnoli) != "},
		},
	}, {
		name: "stale-manifest-believed", promise: "5: a run that died leaves an older manifest, which is not its own", file: "transform/result.go", tests: engine("^TestCrashWhileRebuilding"),
		edits: []edit{{"return st.agrees(i-1, o)", "if !st.fates.has(i-1, settledMark) {\n\t\t\treturn errDiffers\n\t\t}\n\t\treturn nil"}},
	}, {
		name: "overwrite-not-logged", promise: "5: an --overwrite that died goes on", file: "transform/state.go", tests: engine("^TestCrash(WhileRebuilding|edOverwrite)"),
		edits: []edit{{"err = st.note(entryRedo, struct{}{})", "err = nil"}},
	}, {
		name: "host-needed-for-nothing", promise: "5: what the log answers needs no host", file: "transform/cut.go", tests: engine("^TestNothingToAsk"),
		edits: []edit{{"if known {\n", "if known && r.told.Records > 0 {\n"}},
	}, {
		name: "damage-taken-for-torn-tail", promise: "5: damage in the log is an error", file: "transform/log.go", tests: engine("^TestDamagedLog"),
		edits: []edit{{"return &DamageError{URI: l.uri, Offset: l.off, Why: why}", "return io.EOF"}},
	}, {
		name: "checksum-not-checked", promise: "5: damage in the log is an error", file: "transform/log.go", tests: engine("^TestDamagedLog"),
		edits: []edit{{"if crc32.Checksum(l.buf, castagnoli) != ", "if crc32.Checksum(l.buf, castagnoli)^crc32.Checksum(l.buf, castagnoli) > "}},
	}, {
		name: "log-not-asked", promise: "5: what the log answers is not asked again", file: "transform/cut.go", tests: engine("^TestResume"),
		edits: []edit{{"most, logged, err := r.state.known.known(ctx, o.index, records+1)", "most, logged, err := r.state.known.known(ctx, o.index, records+1)\n\t\tlogged = false"}},
	}, {
		name: "log-answers-shifted", promise: "3: an answer from the log belongs to its record", file: "transform/answerlog.go", tests: engine("^TestResume"),
		edits: []edit{{"at = end + uint32(l.gap)", "_ = end + uint32(l.gap)"}},
	}, {
		name: "identity-forgets-join", promise: "5: a changed --join is another job", file: "transform/identity.go", tests: engine("^TestIdentity"),
		edits: []edit{{"\"join\": s.Join,", "\"join\": \"\","}},
	}, {
		name: "identity-forgets-answer-name", promise: "5: a changed --answer-name is another job", file: "transform/identity.go", tests: engine("^TestIdentity"),
		edits: []edit{{"\"answer-name\": s.AnswerName,", ""}},
	}, {
		name: "identity-forgets-ragged", promise: "5: a changed --ragged is another job", file: "transform/identity.go", tests: engine("^TestIdentity"),
		edits: []edit{{"\"ragged\": strconv.FormatBool(s.Ragged),", ""}},
	}, {
		name: "identity-forgets-batches", promise: "5: with --answers per-batch the caps of a batch bind", file: "transform/identity.go", tests: engine("^TestIdentity"),
		edits: []edit{{"if s.Answers == \"per-batch\" {", "if s.Answers == \"\" {"}},
	}, {
		name: "identity-not-compared", promise: "5: another job's log is refused", file: "transform/identity.go", tests: engine("^TestIdentity"),
		edits: []edit{{"if was := st.job.Identity[name]; was != now[name] {", "if was := st.job.Identity[name]; was != now[name] && false {"}},
	}, {
		name: "changed-input-resumed", promise: "5: inputs are pinned", file: "transform/identity.go", tests: engine("^TestIdentity"),
		edits: []edit{{"case was.Size != now.Size ||", "case was.Size < 0 && was.Size != now.Size ||"}, {"!was.ModTime.Equal(now.ModTime)", "was.Size < 0"}},
	}, {
		name: "foreign-output-replaced", promise: "6: what is not this job's is never replaced", file: "transform/claim.go", tests: engine("^TestForeignOutput"),
		edits: []edit{{"case owned:", "case owned, out != nil:"}},
	}, {
		name: "listed-output-passed-over", promise: "6: what is not this job's is never replaced, among many objects too", file: "transform/claim.go", tests: engine("^TestManyNames"),
		edits: []edit{{"if o.out != info.Name {", "if o.out == info.Name {"}},
	}, {
		name: "clash-not-seen", promise: "two objects with one output name are an error", file: "transform/names.go", tests: engine("^TestNames"),
		edits: []edit{{"return one == other, err", "return one == other && a < 0, err"}},
	}, {
		name: "folder-not-seen", promise: "an output that is a folder of another is an error", file: "transform/names.go", tests: engine("^TestNames"),
		edits: []edit{{"if name == dir {", "if name == dir && number < 0 {"}},
	}, {
		name: "older-word-counts", promise: "5: newer entries win", file: "transform/fates.go", tests: engine("^TestFates"),
		edits: []edit{{"f.newest[i] = uint32(number) + 1", "f.newest[i] = max(1, f.newest[i])"}},
	}, {
		name: "next-object-taken-for-logged", promise: "5: only what is logged is taken for logged", file: "transform/replay.go", tests: engine("^TestReplay"),
		edits: []edit{{"case l.object > object || l.first > first:", "case l.object > object+1:"}},
	}, {
		name: "two-runs-at-once", promise: "5: two runs of one job exclude each other", file: "transform/state.go", tests: engine("^TestSecondRun"),
		edits: []edit{{"unlock, err = k.Lock(ctx, lockName)", "unlock, err = k.Lock(ctx, lockName+\"2\")"}},
	}}
}
