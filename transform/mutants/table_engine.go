package main

// The simulation and the sweep of faults, with few seeds: what they do not
// catch soon, a test of its own should.
func engine(run string) tests {
	return tests{packages: []string{enginePkg}, run: run, seeds: 300}
}

const (
	simulation = "^TestSimulation$"
	faultSweep = "^(TestSimulation|TestStoreFaults)$"
)

// engineMutants break the way of a batch from the cut to the sink.
func engineMutants() []mutant {
	return []mutant{{
		name: "places-swapped", promise: "2: output records stand in input order", file: "transform/assemble.go", tests: engine(simulation),
		edits: []edit{{"\t\tif err := a.take(ctx, p); err != nil {", `		if !p.last {
			select {
			case q := <-a.order:
				if q != nil && !q.last {
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
		name: "window-without-bound", promise: "7: peak memory depends on the budget", file: "transform/window.go", tests: engine("^TestWindow"),
		edits: []edit{{"w.full = w.places > 0 && (", "w.full = w.places > 1<<20 && ("}},
	}, {
		name: "growth-without-bound", promise: "7: answers count in the budget", file: "transform/window.go", tests: engine("^TestWindow"),
		edits: []edit{{"if p.seq <= w.head || w.used+n <= w.budget {", "if p.seq <= w.head || w.used+n <= w.budget || n > 0 {"}},
	}, {
		name: "head-waits-for-memory", promise: "7: the head never waits for memory", file: "transform/window.go", tests: engine("^TestWindow"),
		edits: []edit{{"if p.seq <= w.head || w.used+n", "if p.seq < w.head || w.used+n"}},
	}, {
		name: "answered-head-stays", promise: "7: the head is the oldest place that is not answered", file: "transform/assemble.go", tests: engine("^TestFullWindow"),
		edits: []edit{{"\ta.window.pass()\n", ""}, {"a.window.leave(p.held)\n", "a.window.leave(p.held)\n\ta.window.pass()\n"}},
	}, {
		name: "proof-only-by-others", promise: "hosts: a record in everybody's way is settled by the canary", file: "transform/dispatch.go", tests: engine("^TestBadRecordBefore"),
		edits: []edit{{"if !answered && (a.alone > 1 ||", "if !answered && (a.alone > 1<<20 ||"}},
	}, {
		name: "rejects-without-memory", promise: "7: rejects count in the budget", file: "transform/dispatch.go", tests: engine("^TestRejectsCount"),
		edits: []edit{{"if n > 0 {\n\t\tr.window.charge(n)", "if n > 1<<50 {\n\t\tr.window.charge(n)"}},
	}, {
		name: "window-leaks", promise: "7: what a place held is given back", file: "transform/assemble.go", tests: engine(simulation),
		edits: []edit{{"a.window.leave(p.held)", "a.window.leave(p.held - 1)"}},
	}, {
		name: "short-object-accepted", promise: "8: a short read is never the end of a file", file: "transform/source.go", tests: engine("^TestChangedInput"),
		edits: []edit{{"err == io.EOF && p.read != p.o.info.Size", "err == io.EOF && p.read > p.o.info.Size"}},
	}, {
		name: "replaced-object-accepted", promise: "5: inputs are pinned", file: "transform/source.go", tests: engine("^TestChangedInput"),
		edits: []edit{{"a.Size == b.Size && a.ETag == b.ETag && (a.ETag != \"\" || a.ModTime.Equal(b.ModTime))", "a.Size == b.Size"}},
	}, {
		name: "limit-behind-a-failed-object", promise: "--limit: records behind an object of unknown length are not asked about", file: "transform/cut.go", tests: engine("^TestLimit"),
		edits: []edit{{"!whole && r.plan.Spec.Limit > 0", "!whole && r.plan.Spec.Limit < 0"}},
	}, {
		name: "own-names-taken", promise: "6: no output takes the name of the manifest or the mark", file: "transform/names.go", tests: engine("^TestNames"),
		edits: []edit{{"case reserved[first] && name != o.rejects:", "case reserved[first] && name == \"\":"}},
	}, {
		name: "failed-object-ends-early", promise: "8: an object that cannot be read fails, it does not end", file: "transform/cut.go", tests: engine(faultSweep),
		edits: []edit{{"\tend.err = err\n\t}\n\treturn records", "\tend.err = nil\n\t}\n\treturn records"}},
	}, {
		name: "misfit-answer-kept", promise: "1: an answer that cannot stand in the output is a reject", file: "transform/dispatch.go", tests: engine("^TestMisfit"),
		edits: []edit{{"p.drop(m.index)", "_ = m.index"}},
	}, {
		name: "conservation-not-checked", promise: "1: the engine checks the counts before it publishes", file: "transform/sink.go", tests: engine("^TestConserved"),
		edits: []edit{{"if c.In != c.Answered+c.Rejected || c.Out != want {", "if c.In != c.Answered+c.Rejected && c.Out != want && c.In < 0 {"}},
	}}
}

// askMutants break requests, and what becomes of their answers.
func askMutants() []mutant {
	const file = "transform/ask.go"
	return []mutant{{
		name: "answers-shifted-by-one", promise: "3: an answer is never attached to another record", file: file, tests: engine(simulation),
		edits: []edit{
			{"for i, at := range sel {\n", "for i, at := range sel {\n\t\ti = (i + 1) % len(sel)\n"},
		},
	}, {
		name: "second-answers-over-first", promise: "3: the halves of a split keep their own answers", file: file, tests: engine(simulation),
		edits: []edit{{"base := uint32(len(a.Data))", "base := uint32(0)"}},
	}, {
		name: "kept-response-freed", promise: "3: nobody writes into a response that a batch keeps", file: file, tests: engine("^TestEmptyResponses"),
		edits: []edit{{"x.place.held += int64(len(text))\n", "x.place.held += int64(len(text))\n\tif len(text) == 0 {\n\t\tresponses.put(x.Into)\n\t}\n"}},
	}, {
		name: "canary-teaches-a-limit", promise: "hosts: what a canary was sent with is no size that was refused", file: "workers/lease.go", tests: all(workersPkg),
		edits: []edit{{"l.asked++\n	return l.member.host.Invoke(ctx, r)", "l.asked++\n	l.size = len(r.Body)\n	return l.member.host.Invoke(ctx, r)"}},
	}, {
		name: "unframed-response-taken", promise: "8: a close-delimited body must show that it is whole", file: file, tests: engine("^TestUnframed"),
		edits: []edit{{"if resp.Unframed && !dec.Whole(resp.Body) {", "if resp.Unframed && resp.Body == nil && !dec.Whole(resp.Body) {"}},
	}, {
		name: "flawed-record-sent", promise: "formats: a bad record is not sent", file: file, tests: engine(simulation),
		edits: []edit{{"len(flaws) > 0 && flaws[0].Index == i", "len(flaws) > 0 && flaws[0].Index == i && false"}},
	}, {
		name: "split-loses-the-middle", promise: "1: a split keeps every record", file: file, tests: engine(simulation),
		edits: []edit{{"a.sel[mid:]", "a.sel[mid+len(a.sel)%2:]"}},
	}, {
		name: "split-asks-the-middle-twice", promise: "3: the halves of a split have no record in common", file: file, tests: engine(simulation),
		edits: []edit{{"a.sel[:mid:mid]", "a.sel[: mid+len(a.sel)%2 : mid+len(a.sel)%2]"}},
	}, {
		name: "key-forgets-the-record", promise: "hosts: an idempotency key belongs to one payload", file: file, tests: engine("^TestIdempotencyKeys"),
		edits: []edit{{", first, len(a.sel))", ", 1, len(a.sel))"}},
	}}
}
