// Command corpus writes a benchmark corpus to a file.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/batchmill/batchmill/benchmarks/corpus"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("corpus", flag.ExitOnError)
	records := flags.Int64("records", 1_000_000, "how many `records`")
	format := flags.String("format", "csv", "csv, jsonl or parquet")
	seed := flags.Uint64("seed", 1, "the same seed gives the same bytes")
	out := flags.String("out", "", "`file` to write (required)")
	_ = flags.Parse(args) // ExitOnError: it does not return an error
	if *out == "" {
		return fmt.Errorf("no output file; say --out FILE")
	}
	spec := corpus.Spec{Format: corpus.Format(*format), Records: *records, Seed: *seed}
	if err := spec.Validate(); err != nil {
		return err
	}
	return corpus.WriteFile(*out, spec)
}
