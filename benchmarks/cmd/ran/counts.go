package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// counts are numbers by what was counted.
type counts map[string]int

// with makes each name longer.
func (c counts) with(suffix string) counts {
	longer := counts{}
	for what, n := range c {
		longer[what+suffix] = n
	}
	return longer
}

func (c counts) write(w io.Writer) error {
	for _, what := range slices.Sorted(maps.Keys(c)) {
		if _, err := fmt.Fprintln(w, c[what], what); err != nil {
			return err
		}
	}
	return nil
}

// tell prints the sums of a tier's file.
func tell(w io.Writer, file, tier string, now time.Time) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	all, began := counts{}, int64(0)
	for line := range strings.Lines(string(text)) {
		var n int64
		number, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := fmt.Sscan(number, &n); err != nil || what == "" {
			return fmt.Errorf("%s: %q is no number and what it counts", file, line)
		}
		if what == "began" {
			began = n
			continue
		}
		all[what] += int(n)
	}
	if began == 0 {
		return fmt.Errorf("%s: it does not say when the tier began", file)
	}
	fmt.Fprintf(w, "make %s ran, in %d s:\n", tier, now.Unix()-began)
	for _, what := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(w, "%9d %s\n", all[what], what)
	}
	return nil
}
