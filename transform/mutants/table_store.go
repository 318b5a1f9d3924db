package main

// storeMutants break the way bytes become durable and visible.
func storeMutants() []mutant {
	const file = "transform/store/disk_object.go"
	return []mutant{{
		name: "name-before-content", promise: "6: the content is durable before the name exists", file: file, tests: all(storePkg),
		edits: []edit{{"if err := o.f.Sync(); err != nil {", "if err := o.f.SetDeadline(time.Time{}); err != nil && o.f == nil {"}, {"import (\n", "import (\n\t\"time\"\n"}},
	}, {
		name: "visible-before-complete", promise: "6: no output has its final name before it is complete", file: file, tests: all(storePkg),
		edits: []edit{{"temp := d.takeTemp(name)", "temp := name"}},
	}, {
		name: "foreign-file-clobbered", promise: "6: an existing file is never replaced unasked", file: file, tests: all(storePkg),
		edits: []edit{{"if o.mode == Replace {", "if o.mode == Replace || o.mode == New {"}},
	}, {
		name: "failed-write-committed", promise: "6: a failed write is final", file: file, tests: all(storePkg),
		edits: []edit{{"func (o *diskObject) Commit(ctx context.Context) error {\n\tif o.err != nil {", "func (o *diskObject) Commit(ctx context.Context) error {\n\tif o.err != nil && o.f == nil {"}},
	}, {
		name: "cancelled-commit-visible", promise: "6: after a cancel nothing new is visible", file: file, tests: all(storePkg),
		edits: []edit{{"defer o.end()\n\tif err := ctx.Err(); err != nil {", "defer o.end()\n\tctx = context.WithoutCancel(ctx)\n\tif err := ctx.Err(); err != nil {"}},
	}, {
		name: "log-grown-with-zeros", promise: "5: nobody logs zeros", file: "transform/store/disk_keep.go", tests: all(storePkg),
		edits: []edit{{"if size < 0 || size > fi.Size() {", "if size < 0 {"}},
	}, {
		name: "failed-sync-tried-again", promise: "5: a failed sync is never taken for a good one later", file: "transform/store/disk_keep.go", tests: all(storePkg),
		edits: []edit{{"if a.err == nil {\n\t\ta.err = wrap", "if a.err = nil; true {\n\t\ta.err = wrap"}},
	}, {
		name: "lock-of-a-removed-file", promise: "5: two runs of one job exclude each other", file: "transform/store/disk_keep.go", tests: all(storePkg),
		edits: []edit{{"if same {", "if same || f != nil {"}},
	}, {
		name: "link-out-followed", promise: "security: no link leads out of an input unasked", file: "transform/store/disk.go", tests: tested(storePkg, "^TestInputLinks$"),
		edits: []edit{{"d.confined = !follow", "d.confined = follow"}},
	}, {
		name: "odd-name-ends-the-list", promise: "an object whose name is not UTF-8 fails alone", file: "transform/store/disk_list.go", tests: tested(storePkg, "^TestNamesThatAreNotUTF8$"),
		edits: []edit{{"l.yield(fileInfo(ShownName(name), fi), nil)", "l.yield(fileInfo(name, fi), nil)"}},
	}, {
		name: "others-writing-not-seen", promise: "security: a manifest that others can write is told apart", file: "transform/store/disk_guard_unix.go", tests: all(storePkg),
		edits: []edit{{"fi.Mode().Perm()&0o022 != 0", "fi.Mode().Perm()&0o020 != 0"}},
	}, {
		name: "probe-takes-the-lock", promise: "9: who asks for a job's status keeps nobody out", file: "transform/store/disk_probe.go", tests: all(storePkg),
		edits: []edit{{"\tdefer f.Close()\n", ""}},
	}, {
		name: "memory-crash-keeps-unsynced", promise: "tests: the memory store forgets what was not synced", file: "transform/store/memory.go", tests: all(storePkg),
		edits: []edit{{"f.data = f.synced\n", "f.synced = f.data\n"}},
	}}
}

// manifestMutants break the record of the job.
func manifestMutants() []mutant {
	return []mutant{{
		name: "lost-records-not-seen", promise: "1: the manifest proves that nothing was lost", file: "transform/manifest/check.go", tests: all(manifestPkg),
		edits: []edit{{"return o.Answered != o.In-o.Rejected", "return o.Answered > o.In-o.Rejected"}},
	}, {
		name: "totals-not-checked", promise: "1: totals are sums", file: "transform/manifest/check.go", tests: all(manifestPkg),
		edits: []edit{{"if n.got != n.want {", "if n.got < n.want {"}},
	}, {
		name: "changed-output-not-seen", promise: "verify re-reads every byte", file: "transform/manifest/verify.go", tests: all(manifestPkg),
		edits: []edit{{"sum != wantSum {", "len(sum) != len(wantSum) {"}},
	}, {
		name: "unread-output-verified", promise: "8: a read error is never the end of a file", file: "transform/manifest/verify.go", tests: all(manifestPkg),
		edits: []edit{{"if err == io.EOF {", "if err != nil {"}},
	}, {
		name: "reject-data-mended", promise: "4: a reject's bytes can be had back exactly", file: "transform/manifest/reject.go", tests: all(manifestPkg),
		edits: []edit{{"if utf8.Valid(r.Data) {", "if utf8.Valid(r.Data) || r.Object != \"\" {"}},
	}}
}
