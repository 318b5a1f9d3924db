package main

// fleetMutants break what a fleet does by itself.
func fleetMutants() []mutant {
	const (
		auto   = "TestFindsWhatAHostServesBest"
		faults = "TestFleetFaults|TestHedge|TestAutoReachesTheCeiling|TestOneOfFourGoesBad|TestBatchSize|TestARecordThatKillsItsHost"
	)
	workers := func(run string) tests { return tests{packages: []string{workersPkg}, run: run} }
	engine := func(run string) tests { return tests{packages: []string{enginePkg}, run: run} }
	return []mutant{{
		name: "limit-never-grows", promise: "fleet: a host gets what it serves best", file: "workers/limiter.go", tests: workers(auto),
		edits: []edit{{"l.limit < l.ceiling(l.points[0]) {", "l.limit < l.ceiling(l.points[0]) && false {"}},
	}, {
		name: "limit-without-ceiling", promise: "fleet: never more than five times what is served at once", file: "workers/limiter.go", tests: workers(auto),
		edits: []edit{{"return min(l.most, max(2, int(ownQueue*served)))", "return min(l.most, max(2, int(20*served)))"},
			{"if cost < slower*l.base && l.limit < l.most {", "if cost < 40*l.base && l.limit < l.most {"}},
	}, {
		name: "refusals-not-heard", promise: "fleet: under 2% of requests meet an overload answer", file: "workers/limiterhost.go", tests: workers(auto),
		edits: []edit{{"l.move(others, now)", "l.move(l.limit, now)"}},
	}, {
		name: "fast-broken-host-kept", promise: "fleet: a host that fails everything does not eat the job", file: "workers/lease.go", tests: workers("Eject|GoesOn"),
		edits: []edit{{"case m.broken >= brokenInARow, p.failsAlone(m):", "case m.broken >= brokenInARow:"}},
	}, {
		name: "hedge-over-budget", promise: "fleet: a second host is asked within the retry budget", file: "workers/membership.go", tests: workers("Spare"),
		edits: []edit{{" || p.budget.take() > 0 {", " {"}},
	}, {
		name: "hedge-takes-the-only-host", promise: "fleet: the second host is another one", file: "workers/membership.go", tests: workers("Spare"),
		edits: []edit{{"if m == nil || m == busy || m.probing", "if m == nil || m.probing"}},
	}, {
		name: "tail-not-hedged", promise: "fleet: the last batches of a job are hedged", file: "transform/hedge.go", tests: engine(faults),
		edits: []edit{{"if r.asking.Err() != nil || !full && !last {", "if r.asking.Err() != nil || !full {"}},
	}, {
		name: "hedge-leaks-memory", promise: "7: the window counts what a second request held", file: "transform/hedge.go", tests: engine(faults),
		edits: []edit{{"s.x.run.window.shrink(s.used)", "s.x.run.window.shrink(0)"}},
	}, {
		name: "neighbour-of-a-killer-blamed", promise: "one bad record never costs its neighbours", file: "transform/dispatch.go", tests: engine(faults),
		edits: []edit{{" && !(a.quiet && lease.Shared()) {", " {"}},
	}, {
		name: "sizes-never-grow", promise: "fleet: batches have the size that hosts like best", file: "transform/batchsize.go", tests: engine(faults),
		edits: []edit{{"if by < 1.25 || l.size > math.MaxInt32/8 {", "if true {"}},
	}}
}
