package main

const (
	commandPkg = "./cmd/batchmill"
	sinkPkg    = "./internal/sink"
	caughtPkg  = "./internal/caught"
)

// sinkMutants break what keeps secrets and data off the screen, and what ends a job in which
// something panics.
func sinkMutants() []mutant {
	const libraries = "internal/sink/libraries.go"
	return []mutant{{
		name: "sink-left-out", promise: "security: no library writes to standard error on its own", file: libraries, tests: all(sinkPkg),
		edits: []edit{{"log.SetOutput(libraries{s})", "_ = libraries{s}"}},
	}, {
		name: "sink-without-os-stderr", promise: "security: no library writes to standard error on its own", file: libraries, tests: all(sinkPkg),
		edits: []edit{{"os.Stderr = w", "_ = w"}},
	}, {
		name: "sink-shows-what-is-logged", promise: "security: what libraries log may quote data, and is not shown", file: libraries, tests: all(sinkPkg),
		edits: []edit{{"place = fmt.Sprintf(\"%s.go:%s\", name, line)", "place = string(p) + string(name) + string(line)"}},
	}, {
		name: "sink-unscrubbed", promise: "security: secrets print as [redacted]", file: "internal/sink/sink.go", tests: all(sinkPkg),
		edits: []edit{{"m = s.scrubbed(m)", "_ = s.scrubbed(m)"}},
	}, {
		name: "sink-plain-in-json", promise: "9: --progress json writes lines of JSON only", file: "internal/sink/sink.go", tests: all(sinkPkg),
		edits: []edit{{"if s.form != nil {", "if s.form != nil && m.Notice == \"\" {"}},
	}, {
		name: "host-error-unscrubbed", promise: "security: secrets that a host repeats are taken out", file: "workers/call.go",
		tests: tests{packages: []string{workersPkg}, run: "^TestErrorsAreScrubbed$"},
		edits: []edit{{"Err: c.host.scrubbed(explained(err))}", "Err: explained(err)}"}},
	}, {
		name: "panic-not-caught", promise: "9: a panic ends a job as an error does", file: "internal/caught/caught.go", tests: all(caughtPkg),
		edits: []edit{{"if value := recover(); value != nil {", "if value := any(nil); value != nil {"}},
	}, {
		name: "panic-tells-data", promise: "security: a panic is told without data", file: "internal/caught/caught.go", tests: all(caughtPkg),
		edits: []edit{{"fmt.Sprintf(\"panic with a %T\", value)", "fmt.Sprintf(\"panic with a %T: %v\", value, value)"}},
	}, {
		name: "panic-leaves-a-gap-in-the-log", promise: "5: a panic leaves the log whole", file: "transform/answerlog/writer.go", tests: engine("^TestStorePanics$"),
		edits: []edit{{"err := caught.Err(func() error { return w.tryWrite(data) })", "err := caught.Err(func() error { return nil })\n\tif err == nil {\n\t\terr = w.tryWrite(data)\n\t}"}},
	}, {
		name: "panic-leaves-an-asker", promise: "9: a panic ends a job, and nobody waits for what panicked", file: "transform/lifetime.go", tests: engine("Panics$"),
		edits: []edit{{"return l.unlessStopped(caught.Err(f))", "return l.unlessStopped(f())"}},
	}, {
		name: "manifest-fault-is-ours", promise: "9: a manifest that cannot be used is told as that", file: "transform/ledger/manifest.go",
		tests: tests{packages: []string{commandPkg}, run: "^TestManifestFaults$"},
		edits: []edit{{"return nil, info, unusable(ctx, ", "return nil, info, (func(_ context.Context, err error) error { return err })(ctx, "}},
	}, {
		name: "zero-is-no-number", promise: "9: a number that nobody can mean is refused", file: "cmd/batchmill/options.go",
		tests: tests{packages: []string{commandPkg}, run: "^TestNumbersThatNobodyMeans$"},
		edits: []edit{{"if v.isZero() {", "if v.isZero() && false {"}},
	}}
}
