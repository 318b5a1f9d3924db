// Command mutants breaks the promises on purpose, one at a time, and runs the
// tests that ought to notice. A breakage that no test notices is a promise
// that nobody keeps watch over.
//
// It works on copies: a broken file takes the place of the true one only in
// the eyes of the go command (go test -overlay), so the checkout stays as it is
// and several mutants are tried at once. One binary of a package's tests holds
// all mutants that break functions, and an environment variable says which of
// them is alive. Every mutant has to compile, and the tests have to pass with
// none alive, or being caught would prove nothing.
//
// It exits with 1 when a mutant survives, does not compile, or no longer fits
// the source (the table has rotted: mend it beside the change).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // the second signal kills
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run tries the mutants that args ask for. The table goes to stdout when all
// are done, a line for each as it ends to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("run", "", "try only mutants whose name matches this `regexp`")
	jobs := flags.Int("j", 2, "how many to try at a time")
	count := flags.String("count", "", "append to this `file` how many were tried")
	if err := flags.Parse(args); err != nil {
		return err
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if *jobs < 1 {
		return errors.New("-j: give a number of at least 1")
	}
	var chosen []mutant
	for _, m := range allMutants() {
		if match.MatchString(m.name) {
			chosen = append(chosen, m)
		}
	}
	h, err := newHarness(ctx)
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.build(ctx, chosen, stderr); err != nil {
		return err
	}
	if err := h.baseline(ctx, chosen, *jobs, stderr); err != nil {
		return err
	}
	results := h.tryAll(ctx, chosen, *jobs, stderr)
	return errors.Join(report(stdout, results), appendCount(*count, len(results)))
}

// appendCount lets a tier of the tests tell how many mutants there were: docs/testing.md.
func appendCount(name string, n int) error {
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, n, "mutants")
	return errors.Join(err, f.Close())
}

// tryAll tries the mutants, jobs at a time, and keeps their order.
func (h *harness) tryAll(ctx context.Context, chosen []mutant, jobs int, progress io.Writer) []result {
	results := make([]result, len(chosen))
	var mu sync.Mutex // guards progress
	each(jobs, len(chosen), func(i int) {
		results[i] = h.try(ctx, chosen[i])
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(progress, "%-32s %s\n", chosen[i].name, results[i].verdict())
	})
	return results
}

// each calls do with 0 to n-1, jobs at a time.
func each(jobs, n int, do func(int)) {
	var wg sync.WaitGroup
	running := make(chan struct{}, jobs)
	for i := range n {
		running <- struct{}{}
		wg.Go(func() {
			defer func() { <-running }()
			do(i)
		})
	}
	wg.Wait()
}

// result is what became of one mutant.
type result struct {
	mutant
	caughtBy string // the first test that failed; empty when none did
	trouble  error  // why it could not be tried
	took     time.Duration
}

func (r *result) verdict() string {
	switch {
	case r.trouble != nil:
		first, _, _ := strings.Cut(r.trouble.Error(), "\n")
		return "NOT TRIED: " + first
	case r.caughtBy == "":
		return "SURVIVED"
	}
	return r.caughtBy
}

// report prints the table, then the trouble in full. It fails unless every
// mutant was caught.
func report(w io.Writer, results []result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "mutant\tpromise\tcaught by\tseconds")
	bad := 0
	for i := range results {
		r := &results[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%.1f\n", r.name, r.promise, r.verdict(), r.took.Seconds())
		if r.trouble != nil || r.caughtBy == "" {
			bad++
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range results {
		if err := results[i].trouble; err != nil {
			fmt.Fprintf(w, "\n%s: %v\n", results[i].name, err)
		}
	}
	switch {
	case len(results) == 0:
		return errors.New("no mutant has such a name")
	case bad > 0:
		return fmt.Errorf("%d of %d mutants were not caught: write the test that catches them, or mend the table", bad, len(results))
	}
	_, err := fmt.Fprintf(w, "\nall %d mutants were caught\n", len(results))
	return err
}
