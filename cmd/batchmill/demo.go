package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/workers/reference"
)

// demoMark is the file that says that a directory is the demo's, which it may clear.
const demoMark = ".batchmill-demo"

// demoHosts is how many hosts the demo starts.
const demoHosts = 2

func (a *app) demoCommand() *cobra.Command {
	dir := ""
	cmd := &cobra.Command{
		Use:   "demo [flags]",
		Short: "run a sample job with sample data and built-in hosts, in a minute",
		Long: `Write a sample dataset, start two hosts in this process, run a job with them, and
show the result. The model fails on one record on purpose. The job ends with that
one reject. The demo expects the reject and ends with exit code 0.`,
		Example: "  batchmill demo",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), dir, demoRecords) },
	}
	cmd.Flags().StringVar(&dir, "dir", "batchmill-demo", "DIR\tdirectory for the demo's files; replaced on each run")
	return cmd
}

func (a *app) demo(ctx context.Context, dir string, records int) error {
	input, output := filepath.Join(dir, "input"), filepath.Join(dir, "output")
	if err := clearDemo(dir); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "writing %s of sample data to %s\n", plural(int64(demoFiles*records), "record"), escape(input))
	if err := writeDemoData(input, records); err != nil {
		return &job.Failure{Class: job.Storage, Err: err}
	}
	urls, stop, err := startDemoHosts()
	if err != nil {
		return err
	}
	defer stop()
	o := &options{progress: "auto", spec: job.Spec{Input: []string{input}, Output: output, Hosts: urls, Join: "input"}}
	if err := o.spec.Validate(); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "started %d hosts in this process, and now: batchmill run --input %s --output %s --join input --host %s\n\n",
		demoHosts, shellQuote(input), shellQuote(output), strings.Join(urls, " --host "))
	if err := a.runJob(ctx, o, false); !expectedEnd(err) {
		return err
	}
	return a.showDemo(output)
}

// expectedEnd is the one that the demo's data leads to: done, with a reject.
func expectedEnd(err error) bool {
	var part *partly
	return errors.As(err, &part) && part.code == exitPartly
}

// clearDemo makes dir ready. It removes what an earlier demo left there, and
// touches nothing that is not the demo's.
func clearDemo(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usageError("choose another --dir", "--dir: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, demoMark)); err != nil && len(entries) > 0 {
		return usageError("choose another --dir, one that is empty or not there", "--dir %s is not empty and no demo's", dir)
	}
	for _, name := range []string{"input", "output"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return &job.Failure{Class: job.Storage, Err: err}
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return &job.Failure{Class: job.Storage, Err: err}
	}
	mark := []byte("batchmill demo clears input and output here\n")
	if err := os.WriteFile(filepath.Join(dir, demoMark), mark, 0o666); err != nil {
		return &job.Failure{Class: job.Storage, Err: err}
	}
	return nil
}

func startDemoHosts() (urls []string, stop func(), err error) {
	var servers []*localHost
	stop = func() {
		for _, s := range servers {
			s.close()
		}
	}
	for i := range demoHosts {
		model, err := reference.New(reference.Options{Seed: uint64(i), BadValue: demoPoison,
			Latency: 12 * time.Millisecond, Jitter: 8 * time.Millisecond})
		if err != nil {
			return nil, stop, err
		}
		s, err := startHost("127.0.0.1:0", model)
		if err != nil {
			stop()
			return nil, nil, err
		}
		servers, urls = append(servers, s), append(urls, s.url)
	}
	return urls, stop, nil
}

// showDemo shows what came out: the first joined records and the reject.
func (a *app) showDemo(output string) error {
	first := filepath.Join(output, "readings-1.csv")
	head, err := firstLines(first, 5)
	if err != nil {
		return &job.Failure{Class: job.Storage, Err: err}
	}
	fmt.Fprintf(a.stdout, "\nthe first joined records, from %s:\n", escape(first))
	for _, line := range head {
		fmt.Fprintf(a.stdout, "  %s\n", escape(line))
	}
	rejects := filepath.Join(output, "_rejects", fmt.Sprintf("readings-%d.csv.jsonl", demoBadFile))
	lines, err := firstLines(rejects, 1)
	if err != nil || len(lines) == 0 {
		return &job.Failure{Class: job.Internal, Err: errors.Join(errors.New("the reject was not written"), err)}
	}
	r, err := manifest.DecodeReject([]byte(lines[0]))
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "\nthe one reject, from %s:\n", escape(rejects))
	row(a.stdout, "record", "%s of %s", grouped(r.Record), escape(r.Object))
	row(a.stdout, "why", "%s, status %d: %s", escape(r.Reason), r.Status, escape(strings.TrimSpace(r.Message)))
	row(a.stdout, "data", "%s", escape(string(bytes.TrimSpace(r.Data))))
	fmt.Fprintf(a.stdout, "\na job with rejects ends with exit code %d; the demo put that record there itself, so it ends with 0\n", exitPartly)
	fmt.Fprintf(a.stdout, "next: batchmill verify %s\n", shellQuote(output))
	return nil
}

// firstLines reads up to n lines of a file, without their ends.
func firstLines(path string, n int) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	var lines []string
	for len(lines) < n {
		line, err := r.ReadString('\n')
		if line != "" {
			lines = append(lines, strings.TrimRight(line, "\r\n"))
		}
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return lines, nil
}
