package main

import "slices"

// A testCase is a job that takes much memory if anything in batchmill does.
type testCase struct {
	name  string
	input string // with %d: the size of pages, by memory
	host  string
	s3    bool // input and output
	flags []string
}

var cases = []testCase{
	{"large answers", "few.jsonl", "large", false, []string{"--batch-records", "1", "--concurrency", "16"}},
	{"large answers, found batches", "few.jsonl", "large", false, nil},
	{"gzip answers", "few.jsonl", "gzip", false, []string{"--batch-records", "1", "--concurrency", "16"}},
	{"slow head", "some.jsonl", "slow", false, []string{"--batch-records", "10", "--concurrency", "16"}},
	{"slow head, large answers", "few.jsonl", "slow large", false, []string{"--batch-records", "1", "--concurrency", "16"}},
	{"many rejects", "bulk.jsonl", "picky", false, []string{"--batch-records", "10", "--on-bad", "skip"}},
	{"broken records", "broken.jsonl", "small", false, []string{"--on-bad", "skip"}},
	{"large records", "vast.jsonl", "small", false, nil},
	{"wide CSV", "wide.csv", "small", false, []string{"--content-type", "text/csv"}},
	{"wide CSV to JSON", "wide.csv", "small", false, []string{"--content-type", "application/jsonlines"}},
	{"compressed output", "many.jsonl", "small", false, []string{"--compression", "zstd"}},
	{"to Parquet", "many.jsonl", "small", false, []string{"--output-format", "parquet"}},
	{"Parquet, big pages", "pages%d.parquet", "small", false, nil},
	{"Parquet, big pages to JSON", "pages%d.parquet", "small", false, []string{"--output-format", "jsonl"}},
	{"S3 both ways", "many.jsonl", "small", true, nil},
	{"S3, large answers", "few.jsonl", "large", true, []string{"--batch-records", "1", "--concurrency", "16"}},
	{"S3, Parquet", "pages%d.parquet", "small", true, nil},
}

// memories are the budgets that each case has, in MiB.
var memories = []int{64, 256}

// pages are the megabytes of a page that a budget still allows.
var pages = map[int]int{64: 12, 256: 48}

// quick are the cases that make check runs.
var quick = []string{"large answers", "many rejects"}

func isQuick(c testCase) bool { return slices.Contains(quick, c.name) }
