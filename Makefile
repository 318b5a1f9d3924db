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
# The S3 server that tests run, each in a folder of its own. It stays out of
# go.mod, for it needs more modules than all the rest.
VERSITYGW = github.com/versity/versitygw/cmd/versitygw@v1.8.0
# Named after the version, so that another one is built when that changes.
VERSITYGW_BUILT = bin/.$(notdir $(VERSITYGW))

# The engine's tests take as long as all others together, so they begin first, and the
# longest of them run beside the others.
PACKAGES = ./transform ./...
LONG = ^Test(Simulation|FleetFaults|CrashTwice|ParquetStoreFaults|TableStoreFaults)$$
RACED = CGO_ENABLED=1 $(GO) test -race -timeout 20m $(TESTFLAGS)
TEST_RACED = $(RACED) -run '$(LONG)' ./transform & long=$$!; $(RACED) -skip '$(LONG)' $(PACKAGES) || failed=1; wait $$long && [ -z "$$failed" ]
# Some is done in full without the race detector, which sees a part of it: memory is
# measured, and a third of the fault matrix is as long with it as all of it without.
UNRACED = CGO_ENABLED=0 $(GO) test -timeout 20m $(TESTFLAGS) -run '^Test(MemoryOfAMillionObjects|FleetFaults)$$' ./transform
# The race detector needs a C compiler that can link.
RACE := $(shell printf 'int main(void){return 0;}' | $(CC) -x c -o /dev/null - 2>/dev/null && echo -race)

.PHONY: build help demo test race lint staticcheck direction fuzz bench mutants simulate million crash interop s3client versitygw clean

build: ## build bin/batchmill (what plain make does)
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/batchmill ./cmd/batchmill

help: ## say what the targets do
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: build ## the whole thing in a minute: sample data, hosts, joined outputs, a report
	bin/batchmill demo

test: $(VERSITYGW_BUILT) ## all tests, with the race detector where a C compiler answers
ifeq ($(RACE),)
	@echo "no working C compiler ($(CC)): testing without the race detector"
	CGO_ENABLED=0 $(GO) test -timeout 20m $(TESTFLAGS) $(PACKAGES)
else
	@$(TEST_RACED)
	$(UNRACED)
endif

race: $(VERSITYGW_BUILT) ## all tests with the race detector, or an error
	@$(TEST_RACED)
	$(UNRACED)

lint: direction staticcheck ## formatting, vet, the direction of imports, staticcheck
	@files="$$(gofmt -l .)"; test -z "$$files" || { echo "not formatted (run: gofmt -w .):"; echo "$$files"; exit 1; }
	$(GO) vet ./...

staticcheck: ## the linter, pinned
	$(GO) run $(STATICCHECK) ./...

direction: ## which package may import which
	$(GO) test ./benchmarks/house

# Each package's fuzz targets are built once, as go test -fuzz builds them for
# every run. They take the end of -fuzztime for a failure now and then ("context
# deadline exceeded"); a real one comes with its input.
fuzz: ## every fuzz target for FUZZTIME (5s)
	@mkdir -p bin/fuzz && test="$(CURDIR)/bin/fuzz/test" && cache="$$($(GO) env GOCACHE)/fuzz" && \
	all="$$($(GO) list -f '{{.ImportPath}} {{.Dir}}' ./...)" && echo "$$all" | while read -r pkg dir; do \
		grep -qs '^func Fuzz' "$$dir"/*_test.go || continue; \
		$(GO) test -c -vet=off -ldflags='-s -w' -fuzz . -o "$$test" "$$pkg" </dev/null || exit 1; \
		cd "$$dir" && targets="$$("$$test" -test.list '^Fuzz' | grep '^Fuzz')" || exit 1; \
		for target in $$targets; do \
			echo "$$pkg $$target"; \
			out="$$("$$test" -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 1x \
				-test.fuzzcachedir "$$cache/$$pkg" </dev/null 2>&1)" && continue; \
			echo "$$out" | grep -q 'context deadline exceeded' && ! echo "$$out" | grep -q 'Failing input' && continue; \
			echo "$$out"; exit 1; \
		done; \
	done

bench: build $(VERSITYGW_BUILT) ## measure against the least possible and a plain program, with targets
	$(GO) run ./benchmarks/cmd/bench

mutants: $(VERSITYGW_BUILT) ## break the promises on purpose, and see that the tests notice; MUTANTS is a pattern of names
	$(GO) run ./transform/mutants -run '$(MUTANTS)'

simulate: ## a million random jobs (SEEDS), in virtual time; hours
	$(GO) test ./transform -run '^TestSimulation$$' -timeout 0 -sim.seeds $(SEEDS)

million: ## run, kill, resume and ask about a job of a million objects, and see how much memory it takes; 15 minutes
	$(GO) test ./transform -v -run '^TestMemoryOfAMillionObjects$$' -count 1 -timeout 0 -million.objects 1000000

crash: $(VERSITYGW_BUILT) ## kill jobs at every instant, and fail every operation of the disk; 10 minutes
	$(GO) test ./transform/crashtest -v -run '^Test(Killed|Error)' -count 1 -timeout 0 -args -crash.full

# A module of its own, so that the program's stays small. DuckDB is C++.
interop: ## Parquet outputs read by DuckDB, arrow-go and parquet-go; needs g++
	cd benchmarks/interop && CGO_ENABLED=1 $(GO) vet ./... && CGO_ENABLED=1 $(GO) test -vet=off -count 1 -timeout 20m ./...

s3client: ## vet and test the yardstick of the S3 benchmark, a module of its own
	cd benchmarks/s3client && $(GO) vet ./... && $(GO) test -vet=off -count 1 ./...

versitygw: $(VERSITYGW_BUILT) ## build bin/versitygw, the S3 server for tests; a minute, once

$(VERSITYGW_BUILT):
	rm -f bin/.versitygw@*
	GOBIN="$(CURDIR)/bin" CGO_ENABLED=0 $(GO) install -trimpath $(VERSITYGW)
	touch $@

clean: ## remove what was built
	rm -rf bin .cache
