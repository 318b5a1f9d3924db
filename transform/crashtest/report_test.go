//go:build unix

package crashtest

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"
	"text/tabwriter"
)

// results are what the tests have tried, for people.
var results report

type report struct {
	mu    sync.Mutex
	rows  []row
	notes []string
}

type row struct {
	form, job       string
	tried, survived int
}

func (r *report) add(t *testing.T, job, form string, tried, survived int) {
	t.Attr("crash_points", strconv.Itoa(tried))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, row{form, job, tried, survived})
}

func (r *report) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// print writes the table: a row for each job and what was done to it, then the sums.
func (r *report) print(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rows) == 0 {
		return
	}
	slices.SortStableFunc(r.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.form, b.form), cmp.Compare(a.job, b.job))
	})
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "what was done\tjob\tpoints tried\tsurvived")
	all := row{}
	for _, x := range r.rows {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\n", x.form, x.job, x.tried, x.survived)
		all.tried += x.tried
		all.survived += x.survived
	}
	fmt.Fprintf(table, "all\t\t%d\t%d\n", all.tried, all.survived)
	_ = table.Flush() // a report that nobody can read harms nothing
	for _, note := range r.notes {
		fmt.Fprintln(w, note)
	}
}
