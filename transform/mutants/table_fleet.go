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
		edits: []edit{{"return min(l.maxLimit, max(2, int(queueFactor*served)))", "return min(l.maxLimit, max(2, int(20*served)))"},
			{"if cost < slowerFactor*l.minCost && l.limit < l.maxLimit {", "if cost < 40*l.minCost && l.limit < l.maxLimit {"}},
	}, {
		name: "refusals-not-heard", promise: "fleet: under 2% of requests meet an overload answer", file: "workers/limiterhost.go", tests: workers(auto),
		edits: []edit{{"l.move(others, now)", "l.move(l.limit, now)"}},
	}, {
		name: "fast-broken-host-kept", promise: "fleet: a host that fails everything does not eat the job", file: "workers/lease.go", tests: workers("Eject|GoesOn"),
		edits: []edit{{"case m.brokenInRow >= mostBrokenInRow, p.failsAlone(m):", "case m.brokenInRow >= mostBrokenInRow:"}},
	}, {
		name: "answers-without-bound", promise: "7: large answers bound the batch size that is found", file: "workers/sizerbound.go", tests: workers("^TestBound"),
		edits: []edit{{"s.mostRecords = most //", "s.mostRecords = 0 //"}},
	}, {
		name: "one-line-not-learned", promise: "fleet: a host that knows no batches is not asked in vain for ever", file: "workers/sizerbound.go", tests: engine("^TestOneLineHosts$"),
		edits: []edit{{"\ts.endSearch(1)\n", ""}},
	}, {
		name: "ejection-not-told", promise: "9: a host that is ejected is told of while others go on", file: "workers/incident.go", tests: workers("^TestIncidents"),
		edits: []edit{{"m.told = told{ejected: true, at: now}", "m.told = told{ejected: true, at: now}\n\treturn"}},
	}, {
		name: "told-without-end", promise: "9: a host that keeps on failing is told of once a minute", file: "workers/incident.go", tests: workers("^TestIncidentsAreFew$"),
		edits: []edit{{"now.Sub(m.told.at) < quietTime", "now.Sub(m.told.at) < 0"}},
	}, {
		name: "host-quoted-in-manifest", promise: "secrets: statistics repeat nothing that a host said", file: "workers/incident.go", tests: workers("^TestIncidents$"),
		edits: []edit{{"return fmt.Sprintf(\"status %d\", o.Status)", "return reasonOf(o)"}},
	}, {
		name: "hedge-over-budget", promise: "fleet: a second host is asked within the retry budget", file: "workers/queue.go", tests: workers("Spare"),
		edits: []edit{{" || p.retries.takeOrDelay() > 0 {", " {"}},
	}, {
		name: "hedge-takes-the-only-host", promise: "fleet: the second host is another one", file: "workers/queue.go", tests: workers("Spare"),
		edits: []edit{{"if m == nil || m == slow || m.probing", "if m == nil || m.probing"}},
	}, {
		name: "rests-outlast-patience", promise: "fleet: --host-wait counts while every host rests", file: "workers/standstill.go", tests: workers("HostWait|Standstill"),
		edits: []edit{{"\t\tp.troubledSince = now\n", ""}},
	}, {
		name: "route-to-the-machine", promise: "security: containers have no route outside", file: "workers/container/network.go", tests: tested("./workers/container", "^TestNetworkWithoutRoute$"),
		edits: []edit{{"\tat.AuxAddress = map[string]netip.Addr{\"DefaultGatewayIPv4\": lastOf(at.Subnet)}\n", ""}},
	}, {
		name: "tail-not-hedged", promise: "fleet: the last batches of a job are hedged", file: "transform/hedge.go", tests: engine(faults),
		edits: []edit{{"if a.asking.Err() != nil || !full && !last {", "if a.asking.Err() != nil || !full {"}},
	}, {
		name: "hedge-leaks-memory", promise: "7: the window counts what a second request held", file: "transform/hedge.go", tests: engine(faults),
		edits: []edit{{"\tt.x.drop() ", "\tresponses.put(t.x.Into) "}},
	}, {
		name: "neighbour-of-a-killer-blamed", promise: "one bad record never costs its neighbours", file: "transform/asking.go", tests: engine(faults),
		edits: []edit{{" && !(q.exclusive && lease.Shared()) {", " {"}},
	}, {
		name: "sizes-never-grow", promise: "fleet: batches have the size that hosts like best", file: "workers/sizer.go", tests: engine(faults),
		edits: []edit{{"if by < 1.25 || l.size > math.MaxInt32/8 {", "if by < 1e9 || l.size > math.MaxInt32/8 {"}},
	}, {
		name: "broken-host-ends-the-search", promise: "fleet: one broken host does not decide about the size of batches", file: "workers/sizer.go", tests: workers("NoSearch"),
		edits: []edit{{"case s.hosts.anyAtWork(l.unheard):", "case false:"}},
	}, {
		name: "no-answer-ends-the-search", promise: "fleet: hosts that fail at first do not decide about the size of batches", file: "workers/sizerlevel.go", tests: workers("NoSearch"),
		edits: []edit{{"l.resolved >= leastAnswers && l.size > firstSize", "l.resolved >= leastAnswers"}},
	}}
}
