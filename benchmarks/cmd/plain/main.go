// Command plain joins a file with its answers as an ordinary program does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/batchmill/batchmill/benchmarks/plain"
)

func main() {
	var cfg plain.Config
	input := flag.String("input", "", "`file` to read (required)")
	output := flag.String("output", "", "`file` to write (required)")
	flag.StringVar(&cfg.Format, "format", "csv", "csv, jsonl or parquet")
	flag.StringVar(&cfg.Host, "host", "", "`URL` of the host (required)")
	flag.IntVar(&cfg.Batch, "batch", 1000, "records in a request")
	flag.IntVar(&cfg.Concurrency, "concurrency", 8, "requests in flight")
	flag.Parse()
	if err := join(*input, *output, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
}

func join(input, output string, cfg plain.Config) error {
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
	if cfg.Format == "parquet" {
		err = joinParquet(in, out, cfg)
	} else {
		err = plain.Join(context.Background(), in, out, cfg)
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

func joinParquet(in, out *os.File, cfg plain.Config) error {
	stat, err := in.Stat()
	if err != nil {
		return err
	}
	return plain.JoinParquet(context.Background(), in, stat.Size(), out, cfg)
}
