package main

// answerMutants break what is believed of a response.
func answerMutants() []mutant {
	const proof = "^Test(Page|Unproved|LoneForeign|Miscounted)"
	return []mutant{{
		name: "page-accepted", promise: "3: a page is no answer, whatever its lines fit", file: "transform/proof.go", tests: engine("^TestNoForeignType"),
		edits: []edit{{"if o.Cause == workers.Good && a.codec", "if o.Cause == workers.Good && len(resp.Body) == 0 && a.codec"}},
	}, {
		name: "accept-names-nothing", promise: "3: what --accept names is believed", file: "transform/codec/response.go", tests: engine("^TestNoForeignType"),
		edits: []edit{{"r.Foreign = !r.Asked && foreign(base)", "r.Foreign = foreign(base)"}},
	}, {
		name: "fitting-page-believed", promise: "3: after wrong counts a number that fits proves nothing", file: "workers/proof.go", tests: tested(enginePkg, proof),
		edits: []edit{{"	case c.Records > 1:\n		return !c.Miscounted\n", "	case c.Records > 1:\n		return true\n"}},
	}, {
		name: "lone-page-believed", promise: "3: a body about one record is judged by its shape", file: "workers/proof.go", tests: tested(enginePkg, proof),
		edits: []edit{{"	case c.Page:\n		return false\n", ""}},
	}, {
		name: "lone-message-believed", promise: "3: a body about one record is judged by its type", file: "workers/proof.go", tests: tested(enginePkg, proof),
		edits: []edit{{"return c.Asked && !c.Miscounted\n", "return true\n"}},
	}, {
		name: "new-shape-believed", promise: "3: after wrong counts an answer has to look like others", file: "workers/proof.go", tests: tested(enginePkg, proof),
		edits: []edit{{"	return !c.Miscounted\n}", "	return true\n}"}},
	}, {
		name: "miscount-forgotten", promise: "3: the parts of a miscounted batch need proof", file: "transform/exchange.go", tests: tested(enginePkg, proof),
		edits: []edit{{"q.miscounted = errors.As(err, &miscount) || q.miscounted", "q.miscounted = errors.As(err, &miscount) && q.miscounted"}},
	}, {
		name: "never-asked-alone", promise: "hosts: where nothing proves answers, one record is asked about alone", file: "transform/asking.go", tests: tested(enginePkg, "^TestSplittingCost$"),
		edits: []edit{{"case (why == workers.Unproved || q.miscounted && fresh) && !q.ledByOne:", "case q.tries < 0:"}},
	}, {
		name: "broken-hosts-decide", promise: "hosts: a record is not rejected while a better host is there", file: "workers/blame_table.go", tests: all(workersPkg),
		edits: []edit{{" && !s.BetterHost:", ":"}},
	}, {
		name: "better-host-not-preferred", promise: "hosts: a lone record goes to the host that answered last", file: "workers/queue.go", tests: tested(workersPkg, "^TestProvenHost"),
		edits: []edit{{"m.LastGood() > best.LastGood()", "m.LastGood() < best.LastGood()"}, {"if m == avoid || !m.Good() ||", "if m == avoid ||"}},
	}, {
		name: "response-mark-kept", promise: "4: a byte order mark in a response is no part of an answer", file: "transform/codec/response.go", tests: tested(enginePkg, "^TestMarkedResponses"),
		edits: []edit{{"d.Decoder.Decode(dst, bytes.TrimPrefix(body, utf8Mark), want)", "d.Decoder.Decode(dst, body, want)"}},
	}, {
		name: "header-guessed", promise: "3: auto takes nothing for a header but the job's own names", file: "transform/codec/response.go", tests: tested(enginePkg, "^TestAnswerHeader$"),
		edits: []edit{{"return true\n\t\t\t}\n\t\t}\n\t\treturn false\n", "return true\n\t\t\t}\n\t\t}\n\t\treturn len(fields) == 1\n"}},
	}, {
		name: "header-counted", promise: "3: a header in a response is no answer", file: "formats/csv/decoder.go", tests: tested(enginePkg, "^TestAnswerHeader"),
		edits: []edit{{"			return start + cut.N\n", "			return 0\n"}},
	}, {
		name: "identity-forgets-answer-header", promise: "5: a changed --answer-header is another job", file: "transform/codec/identity.go", tests: engine("^TestIdentity"),
		edits: []edit{{"id[\"answer-header\"] = s.AnswerHeader", "_ = s.AnswerHeader"}},
	}, {
		name: "success-without-answers", promise: "a job with records and not one answer is no success", file: "transform/manifest/manifest.go", tests: tested(enginePkg, "^TestUnansweredJobs"),
		edits: []edit{{"return t.In > 0 && t.Answered == 0", "return t.In > 0 && t.Answered < 0"}},
	}, {
		name: "failure-without-records", promise: "a job without records is a success", file: "transform/manifest/manifest.go", tests: tested(enginePkg, "^TestUnansweredJobs"),
		edits: []edit{{"return t.In > 0 && t.Answered == 0", "return t.Answered == 0"}},
	}, {
		name: "refused-object-published", promise: "an object of which not one record can be sent has failed", file: "transform/output.go", tests: tested(enginePkg, "^TestRefusedObjects"),
		edits: []edit{{"if s.counts.In < 2 || s.flawed < s.counts.In {", "if s.counts.In < 20 || s.flawed < s.counts.In {"}},
	}, {
		name: "lone-record-fails-its-object", promise: "an object of one record follows --on-bad", file: "transform/output.go", tests: tested(enginePkg, "^TestRefusedObjects"),
		edits: []edit{{"if s.counts.In < 2 || ", "if s.counts.In < 1 || "}},
	}, {
		name: "reasons-not-kept", promise: "9: rejects are counted by reason", file: "transform/ledger/outcomes.go", tests: tested(enginePkg, "^TestReasonsAddUp"),
		edits: []edit{{"		parts |= hasReasons\n", ""}, {"	if len(o.Reasons) > 0 {\n		text, _", "	if len(o.Reasons) < 0 {\n		text, _"}},
	}, {
		name: "sample-is-the-last", promise: "9: each reason shows the first of its rejects", file: "transform/manifest/reasons.go", tests: tested(enginePkg, "^TestReasonsAddUp"),
		edits: []edit{{"		(*r)[at].Count++\n", "		(*r)[at].Count++\n		(*r)[at].Sample = line.Sample()\n"}},
	}, {
		name: "page-wins-race", promise: "3: a page from a second host is no answer, and ends no request", file: "transform/hedge.go", tests: tested(enginePkg, "^TestHedgeLosers$/^a_page$"),
		edits: []edit{{"return t.classify(t.resp, t.err).Cause == workers.Good }", "return t.err == nil && t.resp.Status/100 == 2 }"}},
	}}
}
