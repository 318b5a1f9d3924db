// Command floor joins a file with its answers at the least cost, and prints the
// number of records and the output's SHA-256.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/batchmill/batchmill/benchmarks/floor"
)

func main() {
	var cfg floor.Config
	input := flag.String("input", "", "`file` to read (required)")
	output := flag.String("output", "", "`file` to write (required)")
	flag.StringVar(&cfg.Format, "format", "csv", "csv, jsonl or parquet")
	flag.StringVar(&cfg.Host, "host", "", "`URL` of the host (required)")
	flag.IntVar(&cfg.Batch, "batch", 1000, "records in a request")
	flag.IntVar(&cfg.Concurrency, "concurrency", 8, "requests in flight")
	flag.Parse()
	if err := join(*input, *output, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func join(input, output string, cfg floor.Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	in, err := os.Open(input)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	out, err := os.Create(output)
	if err != nil {
		return err
	}
	var result floor.Result
	if cfg.Format == "parquet" {
		result, err = joinParquet(in, out, cfg)
	} else {
		result, err = floor.Join(context.Background(), in, out, cfg)
	}
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	fmt.Printf("%d records, sha256 %x\n", result.Records, result.SHA256)
	return nil
}

func joinParquet(in, out *os.File, cfg floor.Config) (floor.Result, error) {
	stat, err := in.Stat()
	if err != nil {
		return floor.Result{}, err
	}
	return floor.JoinParquet(context.Background(), in, stat.Size(), out, cfg)
}
