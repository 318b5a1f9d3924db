package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// event is a line of go test -json; see go doc test2json.
type event struct {
	Action, Package, Test, Key, Value, Output string
}

// reader prints the outputs of what fails, and a line for each package.
type reader struct {
	to     io.Writer
	counts counts
	said   map[string][]string // the outputs of each test that has not ended, by package and name
}

func newReader(to io.Writer) *reader {
	return &reader{to, counts{}, map[string][]string{}}
}

// read reads to the end of out. What is no event is shown as it is.
func (r *reader) read(out io.Reader) error {
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		var e event
		if json.Unmarshal([]byte(line), &e) == nil {
			r.take(&e)
		} else if line != "" {
			fmt.Fprint(r.to, line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

var benchmark = regexp.MustCompile(`^Benchmark\S*(\s+\d+)?\s+[\d.]+ ns/op|^\s+\d+\s+[\d.]+ ns/op`)

func (r *reader) take(e *event) {
	key := e.Package + "\n" + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.to, e.Output)
	case "output":
		if benchmark.MatchString(e.Output) {
			r.counts["benchmarks"]++
		}
		r.said[key] = append(r.said[key], e.Output)
	case "attr":
		if n, err := strconv.Atoi(e.Value); err == nil {
			r.counts[strings.ReplaceAll(e.Key, "_", " ")] += n
		}
	case "pass", "fail", "skip":
		r.end(e, key)
	}
}

// end is the end of a test or, where there is no test's name, of a package.
func (r *reader) end(e *event, key string) {
	switch {
	case e.Test != "":
		r.counts[map[string]string{"pass": "tests", "fail": "failed tests", "skip": "skipped tests"}[e.Action]]++
		if e.Action == "fail" {
			r.print(key)
		}
	case e.Action == "fail":
		for _, key := range r.unfinished(e.Package) {
			r.print(key)
		}
		r.counts["failed packages"]++
	case e.Action == "pass":
		if said := r.said[key]; len(said) > 0 {
			fmt.Fprint(r.to, said[len(said)-1]) // ok, the package, and how long it took
		}
		r.counts["packages"]++
	}
	delete(r.said, key)
}

// unfinished are the keys of a package's outputs that no end has taken: those of
// tests that a panic or the timeout ended, and the package's own.
func (r *reader) unfinished(pkg string) (keys []string) {
	for key := range r.said {
		if strings.HasPrefix(key, pkg+"\n") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	slices.Reverse(keys) // the package's own last: it says why
	return keys
}

// noise are lines that say what the names of tests say as well.
var noise = regexp.MustCompile(`^=== (RUN|PAUSE|CONT|NAME|ATTR) `)

func (r *reader) print(key string) {
	for _, line := range r.said[key] {
		if !noise.MatchString(line) {
			fmt.Fprint(r.to, line)
		}
	}
	delete(r.said, key)
}
