package main

// The simulation and the sweep of faults, with few seeds: what they do not
// catch soon, a test of its own should.
func engine(run string) tests {
	return tests{packages: []string{enginePkg}, run: run, seeds: 300}
}

// tested are the tests of one package that match run.
func tested(pkg, run string) tests {
	return tests{packages: []string{pkg}, run: run}
}

const (
	simulation = "^TestSimulation$"
	faultSweep = "^(TestSimulation|TestStoreFaults)$"
)

// engineMutants break the way of a batch from the cut to the sink.
func engineMutants() []mutant {
	return []mutant{{
		name: "places-swapped", promise: "2: output records stand in input order", file: "transform/assemble.go", tests: engine(simulation),
		edits: []edit{{"\t\tif err := a.take(ctx, p); err != nil {", `		if p.end == nil {
			select {
			case q := <-a.order:
				if q != nil && q.end == nil {
					p, q = q, p
				}
				if err := a.take(ctx, p); err != nil {
					return err
				}
				if q == nil {
					return a.finish(ctx)
				}
				p = q
			default:
			}
		}
		if err := a.take(ctx, p); err != nil {`}},
	}, {
		name: "waiting-places-last", promise: "2: places that wait for the width keep their order", file: "transform/assemble.go", tests: engine(simulation),
		edits: []edit{{"all := append(a.waiting, p)", "all := append([]*place{p}, a.waiting...)"}},
	}, {
		name: "window-without-bound", promise: "7: peak memory depends on the budget", file: "transform/window.go", tests: tested("./transform", "^TestWindow"),
		edits: []edit{{"w.full = w.places > 0 && (", "w.full = w.places > 1<<20 && ("}},
	}, {
		name: "growth-without-bound", promise: "7: answers count in the budget", file: "transform/window.go", tests: tested("./transform", "^TestWindow"),
		edits: []edit{{"if seq <= w.head && !w.writing || w.used+n <= w.budget {", "if seq <= w.head || w.used+n <= w.budget || n > 0 {"}},
	}, {
		name: "head-waits-for-memory", promise: "7: the head never waits for memory", file: "transform/window.go", tests: tested("./transform", "^TestWindow"),
		edits: []edit{{"if seq <= w.head && !w.writing || w.used+n", "if seq < w.head || w.used+n"}},
	}, {
		name: "answered-head-stays", promise: "7: the head is the oldest place that is not answered", file: "transform/assemble.go", tests: engine("^TestFullWindow"),
		edits: []edit{{"\ta.window.pass()\n", ""}, {"a.window.leave(p.bytes)\n", "a.window.leave(p.bytes)\n\ta.window.pass()\n"}},
	}, {
		name: "proof-only-by-others", promise: "hosts: a record in everybody's way is settled by the canary", file: "transform/asking.go", tests: engine("^TestBadRecordBefore"),
		edits: []edit{{"if !answered && (q.aloneFailures > 1 ||", "if !answered && (q.aloneFailures > 1<<20 ||"}},
	}, {
		name: "rejects-without-memory", promise: "7: rejects count in the budget", file: "transform/batch.go", tests: engine("^TestRejectsCount"),
		edits: []edit{{"if n > 0 {\n\t\ta.window.charge(n)", "if n > 1<<50 {\n\t\ta.window.charge(n)"}},
	}, {
		name: "estimate-from-bytes-read", promise: "9: the time left is judged by what is settled", file: "transform/plan/source.go", tests: engine("^TestTimeLeft$"),
		edits: []edit{{"at = min(end, p.read); end > p.read", "at = p.read; end > p.read"}},
	}, {
		name: "estimate-counts-the-log", promise: "9: answers from the log do not make hosts look fast", file: "transform/batch.go", tests: engine("^TestTimeLeft$"),
		edits: []edit{{"a.progress.settle(p.span, p.logged != nil)", "a.progress.settle(p.span, false)"}},
	}, {
		name: "copies-unbounded", promise: "7: copies of answers that are made ahead have a bound", file: "transform/copies.go", tests: engine("^TestAnswersCountInTheBudget$"),
		edits: []edit{{"c.used.Add(n) <= c.budget", "c.used.Add(n) <= c.budget<<10"}},
	}, {
		name: "logged-answers-free", promise: "7: answers from the log count in the budget", file: "transform/batch.go", tests: engine("^TestLoggedAnswersCountInTheBudget$"),
		edits: []edit{{"a.window.charge(size)\n\tp.bytes += size", "_ = size"}},
	}, {
		name: "late-parts-lost", promise: "1: a large batch is logged whole", file: "transform/answerlog/answers.go", tests: engine("^TestLateCopies$"),
		edits: []edit{{"\t\tyield(b.part(from, len(b.Answers.List)))\n", ""}},
	}, {
		name: "window-leaks", promise: "7: what a place held is given back", file: "transform/assemble.go", tests: engine(simulation),
		edits: []edit{{"a.window.leave(p.bytes)", "a.window.leave(p.bytes - 1)"}},
	}, {
		name: "short-object-accepted", promise: "8: a short read is never the end of a file", file: "transform/plan/source.go", tests: engine("^TestChangedInput"),
		edits: []edit{{"err == io.EOF && p.read != p.o.Info.Size", "err == io.EOF && p.read > p.o.Info.Size"}},
	}, {
		name: "replaced-object-accepted", promise: "5: inputs are pinned", file: "transform/plan/source.go", tests: engine("^TestChangedInput"),
		edits: []edit{{"return a.ModTime.Equal(b.ModTime) &&", "return true ||"}},
	}, {
		name: "overwritten-input-published", promise: "8: an input is looked at again once it was read", file: "transform/cut.go", tests: engine("^TestOverwrittenInput$"),
		edits: []edit{{"if err = src.Failure(); err == nil {", "if err = src.Failure(); err == nil && false {"}},
	}, {
		name: "overwritten-between-readings", promise: "8: an input that is read twice is looked at again after both", file: "transform/output.go", tests: engine("^TestOverwrittenInput$"),
		edits: []edit{{"if err := f.src.Unchanged(); err != nil {", "if err := f.src.Unchanged(); err != nil && false {"}},
	}, {
		name: "time-set-back", promise: "8: a writer that sets the time of an input back is seen", file: "transform/store/disk.go", tests: tested("./transform/store", "^TestOverwrittenWhileOpen$"),
		edits: []edit{{"if names != r.names {", "if names != r.names || names > 0 {"}},
	}, {
		name: "second-reading-of-another", promise: "8: an input that is read twice is the same both times", file: "transform/plan/source.go", tests: engine("^TestOverwrittenInput$"),
		edits: []edit{{"o.Info.ChangeTime = src.opened.ChangeTime", "_ = src"}},
	}, {
		name: "limit-behind-a-failed-object", promise: "--limit: records behind an object of unknown length are not asked about", file: "transform/cut.go", tests: engine("^TestLimit"),
		edits: []edit{{"!whole && c.plan.Spec.Limit > 0", "!whole && c.plan.Spec.Limit < 0"}},
	}, {
		name: "own-names-taken", promise: "6: no output takes the name of the manifest or the mark", file: "transform/plan/names.go", tests: tested("./transform/plan", "^TestNames"),
		edits: []edit{{"case Reserved(name) && name != o.Rejects:", "case Reserved(name) && name == \"\":"}},
	}, {
		name: "failed-object-ends-early", promise: "8: an object that cannot be read fails, it does not end", file: "transform/cut.go", tests: engine(faultSweep),
		edits: []edit{{"\tend.end.err, end.end.cut = err, ", "\tend.end.err, end.end.cut = nil, "}},
	}, {
		name: "misfit-answer-kept", promise: "1: an answer that cannot stand in the output is a reject", file: "transform/batch.go", tests: engine("^TestMisfit"),
		edits: []edit{{"p.answers.List[m.Index] = formats.Answer{}", "_ = m.Index"}},
	}, {
		name: "conservation-not-checked", promise: "1: the engine checks the counts before it publishes", file: "transform/publish.go", tests: tested("./transform", "^TestConserved"),
		edits: []edit{{"if c.In != c.Answered+c.Rejected || c.Out != want {", "if c.In != c.Answered+c.Rejected && c.Out != want && c.In < 0 {"}},
	}}
}

// askMutants break requests, and what becomes of their answers.
func askMutants() []mutant {
	return []mutant{{
		name: "answers-shifted-by-one", promise: "3: an answer is never attached to another record", file: "transform/exchange.go", tests: engine(simulation),
		edits: []edit{
			{"for i, at := range sel {\n", "for i, at := range sel {\n\t\ti = (i + 1) % len(sel)\n"},
		},
	}, {
		name: "second-answers-over-first", promise: "3: the halves of a split keep their own answers", file: "transform/exchange.go", tests: engine(simulation),
		edits: []edit{{"base := uint32(len(a.Data))", "base := uint32(0)"}},
	}, {
		name: "kept-response-freed", promise: "3: nobody writes into a response that a batch keeps", file: "transform/exchange.go", tests: engine("^TestEmptyResponses"),
		edits: []edit{{"x.place.bytes += held\n", "x.place.bytes += held\n\tif len(text) == 0 {\n\t\tresponses.put(x.Into)\n\t}\n"}},
	}, {
		name: "canary-teaches-a-limit", promise: "hosts: what a canary was sent with is no size that was refused", file: "workers/lease.go", tests: all(workersPkg),
		edits: []edit{{"l.sends++\n	return l.member.host.Invoke(ctx, r)", "l.sends++\n	l.bytes = len(r.Body)\n	return l.member.host.Invoke(ctx, r)"}},
	}, {
		name: "unframed-response-taken", promise: "8: a close-delimited body must show that it is whole", file: "transform/exchange.go", tests: engine("^TestUnframed"),
		edits: []edit{{"if resp.Unframed && !r.Whole(resp.Body) {", "if resp.Unframed && resp.Body == nil && !r.Whole(resp.Body) {"}},
	}, {
		name: "flawed-record-sent", promise: "formats: a bad record is not sent", file: "transform/batch.go", tests: engine(simulation),
		edits: []edit{{"case p.batch.Flaw(i) != nil:", "case p.batch.Flaw(i) != nil && i < 0:"}},
	}, {
		name: "split-loses-the-middle", promise: "1: a split keeps every record", file: "transform/asking.go", tests: engine(simulation),
		edits: []edit{{"q.sel[mid:]", "q.sel[mid+len(q.sel)%2:]"}},
	}, {
		name: "split-asks-the-middle-twice", promise: "3: the halves of a split have no record in common", file: "transform/asking.go", tests: engine(simulation),
		edits: []edit{{"q.sel[:mid:mid]", "q.sel[: mid+len(q.sel)%2 : mid+len(q.sel)%2]"}},
	}, {
		name: "key-forgets-the-record", promise: "hosts: an idempotency key belongs to one payload", file: "transform/exchange.go", tests: engine("^TestIdempotencyKeys"),
		edits: []edit{{"p.object.Path, first)}", "p.object.Path, 1)}"}},
	}}
}
