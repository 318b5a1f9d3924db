# Go and make are all that is needed; the go command fetches the modules. What is
# built stays in bin/, and nothing outside the checkout changes but Go's caches.

GO         ?= go
CC         ?= cc
SEEDS      ?= 1000000
FUZZTIME   ?= 5s
MUTANTS    ?= .
TESTFLAGS  ?=
# Pinned here, once; CI takes it from here too.
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEADCODE    = golang.org/x/tools/cmd/deadcode@v0.52.0
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0
# Where vulnerabilities of Go modules are listed; a copy on disk is file:///FOLDER.
GOVULNDB   ?= https://vuln.go.dev
# What batchmill never calls, and programs that use its packages may.
LIBRARY     = transform/(manifest/read.go:.* Decode|plan/stores.go:.* OpenOutput)$$
# The S3 server that tests run, each in a folder of its own. It stays out of
# go.mod, for it needs more modules than all the rest.
VERSITYGW = github.com/versity/versitygw/cmd/versitygw@v1.8.0
# Named after the version, so that another one is built when that changes.
VERSITYGW_BUILT = bin/.$(notdir $(VERSITYGW))

# Three tiers: test, check and nightly. What each runs stands in docs/testing.md; it
# says so itself at its end, from counts that its steps append to RAN.
RAN      ?= bin/ran.counts
COUNTED   = bin/ran -to $(RAN) $(GO) test -vet=off -timeout 60m $(TESTFLAGS)
UNRACED   = CGO_ENABLED=0 $(COUNTED)
RACED     = CGO_ENABLED=1 $(COUNTED) -race
# The race detector needs a C compiler that can link.
RACE     := $(shell printf 'int main(void){return 0;}' | $(CC) -x c -o /dev/null - 2>/dev/null && echo -race)
NO_RACE   = no working C compiler ($(CC)): testing without the race detector

# What takes longest begins first. make test runs three at a time, for some of them wait.
PACKAGES  = ./transform/jobtest ./transform/store/s3 ./transform/crashtest ./cmd/batchmill ./...
# make test has run these with the race detector from end to end; make check runs the others.
MODULE    = github.com/batchmill/batchmill
RACED_IN_TEST = $(addprefix $(MODULE)/,workers workers/hostlog workers/process workers/reference workers/resolve transform/manifest transform/roster transform/store)
RACED_IN_CHECK = $(filter-out $(RACED_IN_TEST),$(shell $(GO) list ./...))
# With the race detector the engine's tests take longer than all others together, so
# these run beside the rest of them.
LONG = ^Test(Simulation|HostFaults|TableStoreFaults)$$
# A tier begins with a file of counts that holds when that was.
BEGIN = @mkdir -p bin && echo "$$(date +%s) began" >bin/$@.counts
TELL  = @bin/ran -sum bin/$@.counts -tier $@

.PHONY: build help demo test check nightly race raced-long raced-rest unraced lint staticcheck deadcode govulncheck direction fuzz bench benchmarks mutants simulate million memory memory-quick crash hosts interop s3client versitygw clean bin/ran

build: ## build bin/batchmill (what plain make does)
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/batchmill ./cmd/batchmill

help: ## say what the targets do
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: build ## the whole thing in a minute: sample data, hosts, joined outputs, a report
	bin/batchmill demo

test: RAN = bin/test.counts
test: $(VERSITYGW_BUILT) bin/ran ## the tests of every day, in minutes; Go and make are all they need
	$(BEGIN)
	$(UNRACED) -short -p 3 $(PACKAGES)
ifeq ($(RACE),)
	@echo "$(NO_RACE)"
else
	$(RACED) -short -run '^TestSimulation$$' ./transform/jobtest
	$(RACED) -short $(RACED_IN_TEST)
endif
	$(TELL)

# In this order what is quick fails first.
CHECKS = lint benchmarks race interop s3client fuzz mutants
check: bin/ran ## all else that has to hold before a change goes in; also needs a C++ compiler
	$(BEGIN)
	@for step in $(CHECKS); do \
		echo "== $$step"; began=$$(date +%s); \
		$(MAKE) --no-print-directory $$step RAN=bin/$@.counts || exit 1; \
		echo "== $$step: $$(($$(date +%s) - began)) s"; \
	done
	$(TELL)

nightly: ## the long forms: million, crash, long fuzzing and a million random jobs; many hours
	$(MAKE) million
	$(MAKE) crash
	$(MAKE) memory
	$(MAKE) fuzz FUZZTIME=1m
	$(MAKE) simulate

race: $(VERSITYGW_BUILT) bin/ran ## what make test did not run, with the race detector where a C compiler answers
ifeq ($(RACE),)
	@echo "$(NO_RACE)"
	$(UNRACED) $(PACKAGES)
else
	@$(MAKE) --no-print-directory -j 2 raced-rest raced-long unraced RAN=$(RAN)
endif

raced-rest:
	$(RACED) -skip '$(LONG)' ./transform/jobtest $(RACED_IN_CHECK)

raced-long:
	$(RACED) -run '$(LONG)' ./transform/jobtest

# Memory is measured, and more random jobs are run, without the race detector.
unraced:
	$(UNRACED) -run '^Test(MemoryOfAMillionObjects|Simulation)$$' ./transform/jobtest

bin/ran:
	@CGO_ENABLED=0 $(GO) build -trimpath -o $@ ./benchmarks/cmd/ran

lint: direction staticcheck deadcode ## formatting, vet, the direction of imports, staticcheck, dead functions
	@files="$$(gofmt -l .)"; test -z "$$files" || { echo "not formatted (run: gofmt -w .):"; echo "$$files"; exit 1; }
	$(GO) vet ./...

staticcheck: ## the linter, pinned
	$(GO) run $(STATICCHECK) ./...

deadcode: ## functions that the program never calls
	@dead="$$($(GO) run $(DEADCODE) ./cmd/batchmill)" || exit 1; dead="$$(echo "$$dead" | grep -Ev '^$$|$(LIBRARY)')"; \
	test -z "$$dead" || { echo "$$dead"; echo "the program never calls these: delete them, move what only tests use into tests, or name what is for users of the packages in LIBRARY"; exit 1; }

# Looked for with curl first, for govulncheck takes a minute to find out. Without curl
# govulncheck itself fails where the database is out of reach.
govulncheck: ## known vulnerabilities in what batchmill calls; skipped where their database cannot be reached
	@case '$(GOVULNDB)' in https:*|http:*) \
		if command -v curl >/dev/null && ! why="$$(curl -sSfL --max-time 20 -o /dev/null '$(GOVULNDB)/index/db.json' 2>&1)"; then \
			echo "SKIPPED: the database of vulnerabilities cannot be reached from here ($(GOVULNDB): $$why)"; exit 0; \
		fi;; esac; \
	CGO_ENABLED=0 $(GO) run $(GOVULNCHECK) -db '$(GOVULNDB)' ./...

direction: ## which package may import which, and the figures that bound packages and types
	$(GO) test ./benchmarks/house

# Each package's fuzz targets are built once, as go test -fuzz builds them for
# every run. They take the end of -fuzztime for a failure now and then ("context
# deadline exceeded"); a real one comes with its input.
fuzz: ## every fuzz target for FUZZTIME (5s)
	@mkdir -p bin/fuzz && test="$(CURDIR)/bin/fuzz/test" && counts="$(abspath $(RAN))" && cache="$$($(GO) env GOCACHE)/fuzz" && \
	all="$$($(GO) list -f '{{.ImportPath}} {{.Dir}}' ./...)" && echo "$$all" | while read -r pkg dir; do \
		grep -qs '^func Fuzz' "$$dir"/*_test.go || continue; \
		$(GO) test -c -vet=off -ldflags='-s -w' -fuzz . -o "$$test" "$$pkg" </dev/null || exit 1; \
		cd "$$dir" && targets="$$("$$test" -test.list '^Fuzz' | grep '^Fuzz')" || exit 1; \
		for target in $$targets; do \
			echo "$$pkg $$target"; echo "1 fuzz targets" >>"$$counts"; \
			out="$$("$$test" -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 1x \
				-test.fuzzcachedir "$$cache/$$pkg" </dev/null 2>&1)" && continue; \
			echo "$$out" | grep -q 'context deadline exceeded' && ! echo "$$out" | grep -q 'Failing input' && continue; \
			echo "$$out"; exit 1; \
		done; \
	done

# Packages without a benchmark are not built.
benchmarks: bin/ran ## run each Go benchmark once
	$(UNRACED) -run '^$$' -bench . -benchtime 1x $$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n1 dirname | sort -u)

bench: build $(VERSITYGW_BUILT) ## measure against the least possible and a plain program, with targets
	$(GO) run ./benchmarks/cmd/bench

mutants: $(VERSITYGW_BUILT) ## break the promises on purpose, and see that the tests notice; MUTANTS is a pattern of names
	$(GO) run ./transform/mutants -run '$(MUTANTS)' -count $(RAN)

simulate: ## a million random jobs (SEEDS), in virtual time; hours
	$(GO) test ./transform/jobtest -run '^TestSimulation$$' -timeout 0 -sim.seeds $(SEEDS)

million: ## run, kill, resume and ask about a job of a million objects, and see how much memory it takes; 15 minutes
	$(GO) test ./transform/jobtest -v -run '^TestMemoryOfAMillionObjects$$' -count 1 -timeout 0 -million.objects 1000000

memory: build $(VERSITYGW_BUILT) ## the most memory that the process takes in jobs that take much; fails above twice --memory plus 64 MiB; 10 minutes
	$(GO) run ./benchmarks/cmd/memory

memory-quick: build
	$(GO) run ./benchmarks/cmd/memory -quick

crash: $(VERSITYGW_BUILT) ## kill jobs at every instant, and fail every operation of the disk; 10 minutes
	$(GO) test ./transform/crashtest -v -run '^Test(Killed|Error)' -count 1 -timeout 0 -args -crash.full

hosts: ## jobs against hosts that are odd or hostile on the wire, on real sockets, and a table of how they end; a minute
	$(GO) test ./transform/hosttest -v -run '^TestHosts$$' -count 1

# A module of its own, so that the program's stays small. DuckDB is C++.
interop: bin/ran ## Parquet outputs read by DuckDB, arrow-go and parquet-go; needs g++
	CGO_ENABLED=1 $(GO) -C benchmarks/interop vet ./...
	CGO_ENABLED=1 bin/ran -to $(RAN) $(GO) -C benchmarks/interop test -vet=off -count 1 -timeout 60m ./...

s3client: bin/ran ## vet and test the yardstick of the S3 benchmark, a module of its own
	$(GO) -C benchmarks/s3client vet ./...
	bin/ran -to $(RAN) $(GO) -C benchmarks/s3client test -vet=off -count 1 ./...

versitygw: $(VERSITYGW_BUILT) ## build bin/versitygw, the S3 server for tests; a minute, once

$(VERSITYGW_BUILT):
	rm -f bin/.versitygw@*
	GOBIN="$(CURDIR)/bin" CGO_ENABLED=0 $(GO) install -trimpath $(VERSITYGW)
	touch $@

clean: ## remove what was built
	rm -rf bin .cache
