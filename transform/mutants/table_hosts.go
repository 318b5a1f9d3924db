package main

// hostMutants break the conversation with a host.
func hostMutants() []mutant {
	const file = "workers/http.go"
	return []mutant{{
		name: "redirect-followed", promise: "8: a redirect is never followed", file: file, tests: all(workersPkg),
		edits: []edit{{"	defer resp.Body.Close()\n	switch echoed", "	defer resp.Body.Close()\n	if at := resp.Header.Get(\"Location\"); at != \"\" {\n		_, _ = http.Get(at)\n	}\n	switch echoed"}},
	}, {
		name: "request-resent", promise: "5: nothing is asked again behind our back", file: "workers/http1/client.go", tests: all(http1Pkg),
		edits: []edit{{"	resp, err := t.receive(r.Method)\n", "	resp, err := t.receive(r.Method)\n	if err != nil && k.responses > 0 {\n		return c.Do(ctx, r)\n	}\n"}},
	}, {
		name: "stale-response-accepted", promise: "3: no byte from before a request's head is part of its response", file: "workers/http1/client.go", tests: all(http1Pkg),
		edits: []edit{{"if c.quiet(k) && !c.oneShot.Load() {", "if !c.oneShot.Load() {"}},
	}, {
		name: "surplus-keeps-connections", promise: "3: a host that sends more than its responses loses keep-alive", file: "workers/http1/client.go", tests: all(http1Pkg),
		edits: []edit{{"!c.oneShot.Swap(true) && c.o.Surplus", "!c.oneShot.Load() && c.o.Surplus"}},
	}, {
		name: "answers-never-doubted", promise: "3: answers that may be another request's are doubted", file: "workers/http1/trust.go", tests: all(http1Pkg),
		edits: []edit{{"t.doubted.Swap(true)", "t.doubted.Load()"}},
	}, {
		name: "doubt-of-good-responses-only", promise: "3: any response may be the true one to a request that another was taken for", file: "workers/http1/conn.go", tests: tested(http1Pkg, "^TestDoubt$"),
		edits: []edit{{"const any = \"HTTP/\"", "const any = \"HTTP/1.1 2\""}},
	}, {
		name: "longer-response-taken", promise: "8: what a wrong length cuts off is missed", file: "workers/http1/turn.go", tests: tested(http1Pkg, "^TestLonger"),
		edits: []edit{{"		return errLonger\n", "		return nil\n"}},
	}, {
		name: "rest-of-a-body-ignored", promise: "8: what a wrong length cuts off is missed, when it comes later too", file: "workers/http1/client.go", tests: tested(http1Pkg, "^TestLonger"),
		edits: []edit{{"c.surplus(k.last, said)", "c.surplus(nil, said)"}},
	}, {
		name: "rest-before-the-next-response", promise: "8: what a wrong length cuts off is missed, after the next request too", file: "workers/http1/turn.go", tests: tested(http1Pkg, "^TestRestBefore"),
		edits: []edit{{"k.responses > 0 && !mayBeResponse(said)", "false"}},
	}, {
		name: "no-linger", promise: "3: a true response that is still to come is waited for", file: "workers/http1/client.go", tests: tested(http1Pkg, "^TestExamineWaits$"),
		edits: []edit{{"	_ = sleepUntil(ctx, until)\n", ""}},
	}, {
		name: "slipped-connection-dropped", promise: "3: a connection that may have slipped is looked at before it goes", file: "workers/http1/client.go", tests: tested(http1Pkg, "^TestExamineWaits$"),
		edits: []edit{{"c.oneShot.Load() && k.slip == nil ||", "c.oneShot.Load() ||"}},
	}, {
		name: "few-connections-rest", promise: "3: a host that repeats itself as a rule is found first", file: "workers/http1/client.go", tests: tested(http1Pkg, "^TestAllRest$"),
		edits: []edit{{"		if rests {\n			if err", "		if rests {\n			c.rested.Add(1)\n			if err"}},
	}, {
		name: "banner-taken", promise: "3: no byte from before a request's head is part of its response", file: "workers/http1/client.go", tests: tested(http1Pkg, "^TestBanner$"),
		edits: []edit{{"if waiting, _, _ := peek(raw); waiting {", "if false {"}},
	}, {
		name: "named-response-doubted", promise: "hosts: a host that names requests in its responses is in no doubt", file: "workers/http1/client.go", tests: tested(http1Pkg, "^TestOwn$"),
		edits: []edit{{"		r.turn.conn.slip = nil\n", ""}},
	}, {
		name: "doubt-not-relied-on", promise: "3: answers that came into doubt are not logged, and end the job if they are", file: "transform/trust.go", tests: engine("^TestDoubt"),
		edits: []edit{{"if !a.trust.Rely(doubted) {", "if doubted == nil {"}},
	}, {
		name: "doubt-not-logged", promise: "3: no later run builds on answers in doubt", file: "transform/trust.go", tests: engine("^TestDoubt"),
		edits: []edit{{"if err := r.ledger.Distrust(host); err != nil {", "if err := error(nil); err != nil {"}},
	}, {
		name: "last-look-left-out", promise: "3: connections are looked at before the manifest says that all is well", file: "transform/trust.go", tests: engine("^TestDoubt"),
		edits: []edit{{"	r.pool.Examine(ctx)\n", ""}},
	}, {
		name: "answers-in-doubt-kept", promise: "3: answers in doubt are asked for again", file: "transform/trust.go", tests: engine("^TestDoubt"),
		edits: []edit{{"if !a.trust.Doubted() {", "if true {"}},
	}, {
		name: "end-of-context-keeps-connection", promise: "hosts: a timeout closes the connection", file: "workers/http1/client.go", tests: all(http1Pkg),
		edits: []edit{{"context.AfterFunc(ctx, k.kill)", "context.AfterFunc(ctx, func() {})"}},
	}, {
		name: "switching-protocols-awaited", promise: "hosts: a status below 200 is no response", file: "workers/http1/turn.go", tests: all(http1Pkg),
		edits: []edit{{"resp.StatusCode == http.StatusSwitchingProtocols", "false"}},
	}, {
		name: "another-requests-key-taken", promise: "3: a response that names another request is refused", file: file, tests: all(workersPkg),
		edits: []edit{{"	default:\n		resp.Disown(", "	case \"\\x00\":\n		resp.Disown("}},
	}, {
		name: "truncated-body-taken", promise: "8: a truncated response is never a short answer", file: "workers/call.go", tests: all(workersPkg),
		edits: []edit{{"case err == io.EOF:", "case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):"}},
	}, {
		name: "unframed-body-not-marked", promise: "8: a body without an end of its own is marked", file: "workers/call.go", tests: all(workersPkg),
		edits: []edit{{"resp.ContentLength < 0 && len(resp.TransferEncoding) == 0", "false"}},
	}, {
		name: "header-secret-printed", promise: "security: secrets print as [redacted]", file: "workers/header.go", tests: all(workersPkg),
		edits: []edit{{"_, _ = io.WriteString(s, h.Name+\": [redacted]\")", "_, _ = io.WriteString(s, h.Name+\": \"+h.Value)"}},
	}, {
		name: "secret-in-host-words", promise: "security: secrets that a host repeats are taken out", file: file, tests: all(workersPkg),
		edits: []edit{{"if len(secret) >= 4 {", "if len(secret) >= 4 && false {"}},
	}, {
		name: "response-without-cap", promise: "7: a response takes no more than --max-response", file: "workers/call.go", tests: all(workersPkg),
		edits: []edit{{"limit := c.host.maxResponse", "limit := int64(1 << 40)"}},
	}}
}

// blameMutants break rows of the blame table.
func blameMutants() []mutant {
	const file = "workers/blame_table.go"
	return []mutant{{
		name: "rejected-after-one-try", promise: "hosts: a record is rejected only when it fails alone twice", file: file, tests: all(workersPkg),
		edits: []edit{{"case s.Alone >= 2 && s.AnsweredBetween:", "case s.Alone >= 1 && s.AnsweredBetween:"}},
	}, {
		name: "rejected-without-witness", promise: "hosts: and only while its host answers others", file: file, tests: all(workersPkg),
		edits: []edit{{"case s.Alone >= 2 && s.AnsweredBetween:", "case s.Alone >= 2:"}},
	}, {
		name: "busy-counts-as-failure", promise: "hosts: 503 never counts as an attempt", file: file, tests: all(workersPkg),
		edits: []edit{{"Busy:        wait,", "Busy:        retryThenSplit(attemptsLess1, true, \"busy\"),"}},
	}, {
		name: "wrong-model-rejects-all", promise: "hosts: 20 lone failures without an answer stop the job", file: file, tests: all(workersPkg),
		edits: []edit{{"case many && !s.JobGood:", "case many && !s.JobGood && false:"}},
	}, {
		name: "redirect-is-retried", promise: "8: a redirect stops the job", file: file, tests: all(workersPkg),
		edits: []edit{{"Redirected:  redirected,", "Redirected:  retryThenSplit(attemptsLess1, true, \"moved\"),"}},
	}}
}
