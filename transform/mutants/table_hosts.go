package main

// hostMutants break the conversation with a host.
func hostMutants() []mutant {
	const file = "workers/http.go"
	return []mutant{{
		name: "redirect-followed", promise: "8: a redirect is never followed", file: file, tests: all(workersPkg),
		edits: []edit{{"h.transport.RoundTrip(req)", "(&http.Client{Transport: h.transport}).Do(req)"}},
	}, {
		name: "request-resent-by-net-http", promise: "5: nothing is asked again behind our back", file: file, tests: all(workersPkg),
		edits: []edit{{"req.Body = body\n", "req.Body = body\n\treq.GetBody = func() (io.ReadCloser, error) { return &upload{data: r.Body}, nil }\n"}},
	}, {
		name: "truncated-body-taken", promise: "8: a truncated response is never a short answer", file: "workers/call.go", tests: all(workersPkg),
		edits: []edit{{"case err == io.EOF:", "case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):"}},
	}, {
		name: "unframed-body-not-marked", promise: "8: a body without an end of its own is marked", file: "workers/call.go", tests: all(workersPkg),
		edits: []edit{{"resp.ContentLength < 0 && len(resp.TransferEncoding) == 0", "false"}},
	}, {
		name: "header-secret-printed", promise: "security: secrets print as [redacted]", file: "workers/upload.go", tests: all(workersPkg),
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
