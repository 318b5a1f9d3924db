package main

import (
	"fmt"
	"slices"
	"strings"
)

// mutant is one deliberate breakage.
type mutant struct {
	name    string // also a file's name
	promise string // which promise it breaks
	file    string // from the module's folder, with slashes
	edits   []edit
	tests   tests
}

// edit replaces old, which has to stand in the file exactly once. Short texts
// outlive changes around them.
type edit struct{ old, new string }

// tests are those that have to catch a mutant. They are few, so that all
// mutants together take minutes.
type tests struct {
	packages []string
	run      string // pattern of -run; empty is all
	seeds    int    // jobs of the simulation; 0 where the packages have none
}

// breakText applies the edits to the file's text.
func (m *mutant) breakText(text string) (string, error) {
	for _, e := range m.edits {
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("%s holds %d times, and not once, the text that the mutant changes: mend the table\n%s", m.file, n, e.old)
		}
		text = strings.Replace(text, e.old, e.new, 1)
	}
	return text, nil
}

// allMutants is the table, by the part of the house that each breaks.
func allMutants() []mutant {
	return slices.Concat(framingMutants(), formatMutants(), unicodeMutants(), compressMutants(), thriftMutants(), tableMutants(), spliceMutants(), parquetJobMutants(), hostMutants(), blameMutants(), answerMutants(), shapeMutants(), fleetMutants(),
		engineMutants(), askMutants(), policyMutants(), limitMutants(), resumeMutants(), logMutants(), storeMutants(), manifestMutants(), s3Mutants(), simulatedMutants(), takeoverMutants(), sinkMutants(), filesMutants())
}
