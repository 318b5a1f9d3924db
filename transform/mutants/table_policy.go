package main

// policyMutants break what is done about rejects.
func policyMutants() []mutant {
	return []mutant{{
		name: "reject-lost", promise: "1: every reject stands in its file", file: "transform/output.go", tests: engine(simulation),
		edits: []edit{{"return s.addRejects(ctx, p.rejects)", "return s.addRejects(ctx, p.rejects[:min(1, len(p.rejects))])"}},
	}, {
		name: "reject-not-counted", promise: "1: records_in = answered + rejected", file: "transform/batch.go", tests: engine(simulation),
		edits: []edit{{"Rejected: int64(len(p.rejects))}", "Rejected: min(1, int64(len(p.rejects)))}"}},
	}, {
		name: "record-number-off-by-one", promise: "9: a reject names its record, from 1", file: "transform/place.go", tests: engine(simulation),
		edits: []edit{{"return p.batch.First + int64(i)", "return p.batch.First + int64(i) - 1"}},
	}, {
		name: "reject-offset-of-batch", promise: "9: a reject names its byte offset", file: "transform/batch.go", tests: engine(simulation),
		edits: []edit{{"p.batch.OffsetOf(i)", "p.batch.Offset"}},
	}, {
		name: "rejects-out-of-order", promise: "2: rejects stand in input order", file: "transform/batch.go", tests: engine(simulation),
		edits: []edit{{"return a.Index - b.Index", "return b.Index - a.Index"}},
	}, {
		name: "placeholder-left-out", promise: "1: under placeholder every record comes out", file: "transform/batch.go", tests: engine(simulation),
		edits: []edit{{"a.plan.Spec.OnBad == \"placeholder\")", "false)"}},
	}, {
		name: "held-object-published", promise: "1: with --on-bad fail an object with rejects is held", file: "transform/publish.go", tests: engine(simulation),
		edits: []edit{{"case s.run.plan.Spec.OnBad == \"fail\" && s.counts.Rejected > 0:", "case s.run.plan.Spec.OnBad == \"fail\" && s.counts.Rejected > 1<<40:"}},
	}, {
		name: "max-rejects-never-judged", promise: "--max-rejects stops the job", file: "transform/allowance.go", tests: engine("^TestMaxRejects"),
		edits: []edit{{"if !a.most.Exceeded(", "if all >= 0 || !a.most.Exceeded("}},
	}, {
		name: "max-rejects-share-at-once", promise: "--max-rejects: a share is not judged in small jobs", file: "transform/job/quantity.go", tests: engine("^TestMaxRejects"),
		edits: []edit{{"return settled >= judgedFrom && ", "return "}},
	}, {
		name: "max-rejects-forgets-objects", promise: "--max-rejects: what earlier runs settled counts", file: "transform/cut.go", tests: engine("^TestMaxRejects"),
		edits: []edit{{"c.allowance.carry(was.In, was.Rejected)", "c.allowance.carry(was.In, 0)"}},
	}, {
		name: "max-rejects-forgets-the-log", promise: "--max-rejects: what the log answers counts", file: "transform/batch.go", tests: engine("^TestMaxRejects"),
		edits: []edit{{"records, rejects := int64(p.batch.Len()), int64(len(p.rejects))\n", "records, rejects := int64(p.batch.Len()), int64(len(p.rejects))\n\tif p.logged != nil {\n\t\trejects = 0\n\t}\n"}},
	}, {
		name: "busy-uses-up-tries", promise: "hosts: 503 never counts as an attempt", file: "transform/asking.go", tests: engine("^TestBusy"),
		edits: []edit{{"q.tries-- ", "_ = q.tries "}},
	}, {
		name: "mark-in-spite-of-held", promise: "6: _SUCCESS stands only when all is published", file: "transform/ledger/finish.go", tests: engine(simulation),
		edits: []edit{{"if !s.whole() {", "if !s.AllPublished() && s.InputBytes < 0 {"}},
	}, {
		name: "mark-before-manifest", promise: "6: _SUCCESS comes after the manifest", file: "transform/result.go", tests: engine("^TestSuccessMark"),
		edits: []edit{{"result, err := r.writeManifest(ctx)",
			"early := ledger.Summary{Manifest: &manifest.Manifest{}}\n\tearly.Manifest.Totals.Rejected = 1\n\tif err := r.ledger.Finish(ctx, &early); err != nil {\n\t\treturn nil, err\n\t}\n\tresult, err := r.writeManifest(ctx)"}},
	}, {
		name: "stale-rejects-stay", promise: "1: rejects of an earlier run do not outlive it", file: "transform/ledger/settle.go", tests: engine("^TestRetriedRejects"),
		edits: []edit{{"if !l.oldRejects {", "if l.keeper != nil {"}},
	}}
}

// limitMutants break what makes a job with --limit go on.
func limitMutants() []mutant {
	const limit = "^TestLimit"
	return []mutant{{
		name: "cut-object-kept", promise: "--limit: the object that was cut is built again", file: "transform/ledger/limit.go", tests: engine(limit),
		edits: []edit{{"if all || l.outcomes.has(i, cutMark) {", "if all {"}},
	}, {
		name: "limited-job-is-whole", promise: "--limit: a limited run keeps its log, and leaves no _SUCCESS", file: "transform/ledger/finish.go", tests: engine(limit),
		edits: []edit{{"s.Manifest.Limit == 0 && ", ""}},
	}, {
		name: "guess-binds-a-larger-limit", promise: "--limit: a guess about columns binds no larger limit", file: "transform/ledger/limit.go", tests: engine(limit),
		edits: []edit{{"if l.layout != nil && l.layout.Guessed {", "if l.layout != nil && l.layout.Guessed && to < 0 {"}},
	}, {
		name: "nothing-is-a-misfit", promise: "answers: an object without keys says nothing", file: "formats/csv/answer.go", tests: engine("^TestLimitBeforeAn"),
		edits: []edit{{"\tcase p.empty(answer, form):\n\t\treturn \"\"\n", ""}},
	}, {
		name: "limit-shrinks", promise: "--limit: fewer records are refused", file: "transform/ledger/limit.go", tests: engine(limit),
		edits: []edit{{"if reach(now) >= reach(was) {", "if reach(now) > 0 {"}},
	}, {
		name: "layout-before-the-limit", promise: "--limit: objects get the layout of the whole job's answers", file: "transform/ledger/limit.go", tests: engine(limit),
		edits: []edit{{"all := l.layout == nil && l.plan.Codec.LearnsLayout()", "all := false"}},
	}, {
		name: "first-records-stay-visible", promise: "6: an object that is held shows nothing, of an earlier limit neither", file: "transform/ledger/settle.go", tests: engine(limit),
		edits: []edit{{"if end.Status == manifest.Published || !l", "if end.Status != \"\" || !l"}},
	}}
}

// resumeMutants break what a run finds of an earlier one.
func resumeMutants() []mutant {
	const crash = "^TestCrash"
	return []mutant{{
		name: "intent-not-logged", promise: "5: the log says what is about to be published", file: "transform/ledger/settle.go", tests: engine(crash),
		edits: []edit{{"l.log.Note(answerlog.KindIntent, settled{o.Index, *end})", "error(nil)"}},
	}, {
		name: "intent-not-durable", promise: "5: and says so durably, before it is", file: "transform/ledger/settle.go", tests: engine(crash),
		edits: []edit{{"return l.log.Commit()", "return nil"}},
	}, {
		name: "settled-before-published", promise: "5: an output is logged as published when it is", file: "transform/ledger/settle.go", tests: engine(crash),
		edits: []edit{{"l.log.Note(answerlog.KindIntent, settled{o.Index, *end})", "l.log.Note(answerlog.KindSettled, settled{o.Index, *end})"}},
	}, {
		name: "log-not-synced", promise: "5: answers are durable before their output is visible", file: "transform/answerlog/writer.go", tests: engine(crash),
		edits: []edit{{"return w.out.Sync()", "return nil"}},
	}, {
		name: "log-synced-before-written", promise: "5: a group of the log is written before it is called durable", file: "transform/answerlog/writer.go", tests: engine(crash),
		edits: []edit{{"if _, err := w.out.Write(data); err != nil {", "if err := w.out.Sync(); err != nil {\n\t\treturn err\n\t}\n\tif _, err := w.out.Write(data); err != nil {"}, {"return w.out.Sync()\n}", "return nil\n}"}},
	}, {
		name: "intent-believed-blindly", promise: "5: the bytes say whether it was published", file: "transform/ledger/intents.go", tests: engine(crash),
		edits: []edit{{"if !same {", "if !same && was.Status != manifest.Published {"}},
	}}
}

// logMutants break the answer log and what reads it.
func logMutants() []mutant {
	const crash = "^TestCrash"
	return []mutant{{
		name: "torn-tail-kept", promise: "5: a torn tail of the log is cut", file: "transform/ledger/begin.go", tests: engine(crash),
		edits: []edit{{"\t\terr = out.Truncate(whole)\n", ""}},
	}, {
		name: "torn-tail-accepted", promise: "5: an entry that is not whole is not taken for one", file: "transform/answerlog/reader.go", tests: engine(crash),
		edits: []edit{
			{"if n < 1 || n > maxEntry || r.off+HeaderSize+n > r.size {", "n = min(n, r.size-r.off-HeaderSize)\n\tif n < 1 {"},
			{"if crc32.Checksum(r.buf, castagnoli) != ", "if n < 1 && crc32.Checksum(r.buf, castagnoli) != "},
		},
	}, {
		name: "stale-manifest-believed", promise: "5: a run that died leaves an older manifest, which is not its own", file: "transform/ledger/finish.go", tests: engine("^TestCrashWhileRebuilding"),
		edits: []edit{{"return l.agrees(i-1, o)", "if !l.outcomes.has(i-1, settledMark) {\n\t\t\treturn errDiffers\n\t\t}\n\t\treturn nil"}},
	}, {
		name: "overwrite-not-logged", promise: "5: an --overwrite that died goes on", file: "transform/ledger/begin.go", tests: engine("^TestCrash(WhileRebuilding|edOverwrite)"),
		edits: []edit{{"err = l.log.Note(answerlog.KindRedo, struct{}{})", "err = nil"}},
	}, {
		name: "host-needed-for-nothing", promise: "5: what the log answers needs no host", file: "transform/cut.go", tests: engine("^TestNothingToAsk"),
		edits: []edit{{"if known {\n", "if known && c.hostCaps.Records > 0 {\n"}},
	}, {
		name: "damage-taken-for-torn-tail", promise: "5: damage in the log is an error", file: "transform/answerlog/reader.go", tests: engine("^TestDamagedLog"),
		edits: []edit{{"return r.damage(bad, why)", "return io.EOF"}},
	}, {
		name: "moved-group-not-seen", promise: "5: damage in the log is an error, also where what follows has moved", file: "transform/answerlog/reader.go", tests: tested("./transform/answerlog", "^TestNoDamage"),
		edits: []edit{{"if _, tag, ok := beginsGroup(head); ok && ", "if at, tag, ok := beginsGroup(head); ok && at == r.off && "}},
	}, {
		name: "missing-entries-not-seen", promise: "5: entries that are gone from the log are damage", file: "transform/answerlog/reader.go", tests: tested("./transform/answerlog", "^TestNoDamage"),
		edits: []edit{{"case at != e.Offset:", "case at < 0:"}},
	}, {
		name: "answer-taken-for-group", promise: "5: what a host answered makes no damage of a torn tail", file: "transform/answerlog/reader.go", tests: tested("./transform/answerlog", "^TestTornTails"),
		edits: []edit{{"ok && (!r.tagged || tag == r.tag)", "ok && (!r.tagged || tag != [tagSize]byte{1})"}},
	}, {
		name: "torn-segment-accepted", promise: "5: on S3 the log has no torn tail", file: "transform/answerlog/reader.go", tests: tested("./transform/answerlog", "^TestWholeLogs"),
		edits: []edit{{"\tif !r.whole {\n", "\t{\n"}},
	}, {
		name: "restart-refuses-itself", promise: "5: a --restart that died goes on", file: "transform/ledger/forget.go", tests: tested(enginePkg, "^TestKilledCommandsInBucket"),
		edits: []edit{{"if err == nil && l.restarted(ctx) {", "if err == nil && l.restarted(ctx) && l.damaged {"}},
	}, {
		name: "old-manifest-is-the-last-word", promise: "5: a retry that died goes on", file: "transform/ledger/status.go", tests: tested(enginePkg, "^TestKilledCommandsInBucket"),
		edits: []edit{{"older = older || logged.differs(int(ends.All()), o)", "_ = logged.differs(int(ends.All()), o)"}},
	}, {
		name: "half-done-retry-refused", promise: "5: a retry that died goes on", file: "transform/ledger/status.go", tests: tested(enginePkg, "^TestKilledCommandsInBucket"),
		edits: []edit{{"s.Settled = o.Total > 0 && o.Published", "s.Settled = o.Total < 0 && o.Published"}},
	}, {
		name: "damage-kept", promise: "5: --resume-before-damage cuts the log at the damage", file: "transform/ledger/forget.go", tests: engine("^TestResumeBeforeDamage"),
		edits: []edit{{"\treturn whole, nil\n}\n", "\treturn l.seen.Size, nil\n}\n"}},
	}, {
		name: "damage-cut-unasked", promise: "5: what is lost with damage is for a person to decide", file: "transform/ledger/readlog.go", tests: engine("^TestResumeBeforeDamage"),
		edits: []edit{{"case l.plan.Spec.BeforeDamage && errors.As(err, &damage):", "case errors.As(err, &damage):"}},
	}, {
		name: "checksum-not-checked", promise: "5: damage in the log is an error", file: "transform/answerlog/reader.go", tests: engine("^TestDamagedLog"),
		edits: []edit{{"if crc32.Checksum(r.buf, castagnoli) != ", "if crc32.Checksum(r.buf, castagnoli)^crc32.Checksum(r.buf, castagnoli) > "}},
	}, {
		name: "log-not-asked", promise: "5: what the log answers is not asked again", file: "transform/cut.go", tests: engine("^TestResume"),
		edits: []edit{{"most, logged, err := c.ledger.At(ctx, o.Index, records+1)", "most, logged, err := c.ledger.At(ctx, o.Index, records+1)\n\t\tlogged = false"}},
	}, {
		name: "log-answers-shifted", promise: "3: an answer from the log belongs to its record", file: "transform/answerlog/answers.go", tests: engine("^TestResume"),
		edits: []edit{{"at = end + uint32(a.gap)", "_ = end + uint32(a.gap)"}},
	}, {
		name: "identity-forgets-join", promise: "5: a changed --join is another job", file: "transform/codec/identity.go", tests: engine("^TestIdentity"),
		edits: []edit{{"\"join\": s.Join,", "\"join\": \"\","}},
	}, {
		name: "identity-forgets-answer-name", promise: "5: a changed --answer-name is another job", file: "transform/codec/identity.go", tests: engine("^TestIdentity"),
		edits: []edit{{"\"answer-name\": s.AnswerName,", ""}},
	}, {
		name: "identity-forgets-ragged", promise: "5: a changed --ragged is another job", file: "transform/codec/identity.go", tests: engine("^TestIdentity"),
		edits: []edit{{"\"ragged\": strconv.FormatBool(s.Ragged),", ""}},
	}, {
		name: "identity-forgets-batches", promise: "5: with --answers per-batch the caps of a batch bind", file: "transform/codec/identity.go", tests: engine("^TestIdentity"),
		edits: []edit{{"if s.Answers == \"per-batch\" {", "if s.Answers == \"\" {"}},
	}, {
		name: "unanswered-log-binds", promise: "5: a job binds from its first answer on", file: "transform/ledger/readlog.go", tests: engine("^TestNothingBinds"),
		edits: []edit{{"(binds || unreadable != nil)", "(binds || unreadable == nil)"}},
	}, {
		name: "answers-bind-nobody", promise: "5: a log with answers binds its job", file: "transform/ledger/samejob.go", tests: engine("^TestNothingBinds"),
		edits: []edit{{"answered > 0", "answered < 0"}},
	}, {
		name: "finished-job-replaced", promise: "5: what another job has published is refused", file: "transform/ledger/manifest.go", tests: engine("^TestOtherJobIsNamed$"),
		edits: []edit{{"other != \"\" && !published", "other != \"\""}},
	}, {
		name: "identity-not-compared", promise: "5: another job's log is refused", file: "transform/ledger/samejob.go", tests: engine("^TestIdentity"),
		edits: []edit{{"difference != \"\" {\n\t\treturn otherJob", "difference == \"?\" {\n\t\treturn otherJob"}},
	}, {
		name: "changed-input-resumed", promise: "5: inputs are pinned", file: "transform/ledger/samejob.go", tests: engine("^TestIdentity"),
		edits: []edit{{"case was.Size != now.Size ||", "case was.Size < 0 && was.Size != now.Size ||"}, {"!was.ModTime.Equal(now.ModTime)", "was.Size < 0"}},
	}, {
		name: "foreign-output-replaced", promise: "6: what is not this job's is never replaced", file: "transform/ledger/ownership.go", tests: engine("^TestForeignOutput"),
		edits: []edit{{"case owned:", "case owned, out != nil:"}},
	}, {
		name: "listed-output-passed-over", promise: "6: what is not this job's is never replaced, among many objects too", file: "transform/ledger/ownership.go", tests: engine("^TestManyNames"),
		edits: []edit{{"if o.Output != info.Name {", "if o.Output == info.Name {"}},
	}, {
		name: "clash-not-seen", promise: "two objects with one output name are an error", file: "transform/plan/names.go", tests: tested("./transform/plan", "^TestNames"),
		edits: []edit{{"if taken == name {", "if taken == name && number < 0 {"}},
	}, {
		name: "folder-not-seen", promise: "an output that is a folder of another is an error", file: "transform/plan/names.go", tests: tested("./transform/plan", "^TestNames"),
		edits: []edit{{"if name == dir {", "if name == dir && number < 0 {"}},
	}, {
		name: "older-word-counts", promise: "5: newer entries win", file: "transform/ledger/outcomes.go", tests: tested("./transform/ledger", "^Test(Outcomes|ReopenedOutcomes)"),
		edits: []edit{{"f.newest[i] = uint32(number) + 1", "f.newest[i] = max(1, f.newest[i])"}},
	}, {
		name: "next-object-taken-for-logged", promise: "5: only what is logged is taken for logged", file: "transform/ledger/replay.go", tests: tested("./transform/ledger", "^TestReplay"),
		edits: []edit{{"case a.Object > object || a.First > first:", "case a.Object > object+1:"}},
	}, {
		name: "manifest-of-others-believed", promise: "security: who can write a manifest does not choose who gets records", file: "cmd/batchmill/retry.go", tests: tested("./cmd/batchmill", "^TestRecorded"),
		edits: []edit{{"\tif doubt != nil {\n", "\tif doubt != nil && isS3(s.Output) {\n"}},
	}, {
		name: "two-runs-at-once", promise: "5: two runs of one job exclude each other", file: "transform/ledger/ledger.go", tests: engine("^TestSecondRun"),
		edits: []edit{{"\t\tunlock, err = k.Lock(ctx, LockName)\n", "\t\tunlock, err = k.Lock(ctx, LockName+\"2\")\n"}},
	}}
}
