package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
)

// maxShownPayload is how much of the first payload a dry run shows, in bytes.
const maxShownPayload = 2 << 10

// dryRun shows on stdout what a run would do. It sends and writes nothing, and
// makes no directory; headers are resolved, so that a missing secret is found.
func (a *app) dryRun(ctx context.Context, o *options) error {
	hosts, err := a.openFleet(ctx, &o.spec)
	if err != nil {
		return err
	}
	defer hosts.Close()
	progress := new(transform.Progress)
	stop := a.showProgress(progress, o.progress)
	p, err := preview(ctx, &o.spec, progress)
	stop()
	if err != nil {
		return err
	}
	writePlan(a.stdout, p, hosts.Names)
	writePayload(a.stdout, p)
	return nil
}

func preview(ctx context.Context, spec *job.Spec, progress *transform.Progress) (*transform.Preview, error) {
	plan, err := peekPlan(ctx, spec, progress)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	return transform.DryRun(ctx, plan)
}

func writePlan(w io.Writer, p *transform.Preview, hosts []string) {
	fmt.Fprintf(w, "plan: %s, %s; nothing is sent or written\n", plural(int64(p.Objects), "object"), size(float64(p.Bytes)))
	what := "each record with its answer (--join input)"
	if p.Join == "none" {
		what = "answers alone (--join none)"
	}
	row(w, "formats", "%s in, %s out: %s", p.InputFormat, p.OutputFormat, what)
	row(w, "to the host", "%s, answers as %s", escape(p.ContentType), escape(p.Accept))
	writeEncodings(w, p.Encodings)
	writeHeader(w, p.Header)
	if len(p.Names) > 0 {
		row(w, "columns", "%s", escape(strings.Join(p.Names, ", ")))
	}
	if len(hosts) == 0 {
		row(w, "hosts", "none named yet")
	}
	for _, h := range hosts {
		row(w, "host", "%s", escape(h))
	}
	for _, o := range p.First {
		row(w, "object", "%s (%s) -> %s", escape(o.URI), size(float64(o.Size)), escape(o.Output))
	}
	if more := p.Objects - len(p.First); more > 0 {
		row(w, "", "... and %s more", grouped(int64(more)))
	}
	writeSkipped(w, p.Skipped)
}

// writePayload shows the payload by lines, as far as it is text.
func writePayload(w io.Writer, p *transform.Preview) {
	if p.Records == 0 {
		fmt.Fprintln(w, "no record could be sent: the first batches are empty or hold rejects only")
		return
	}
	shown := clip(string(p.Payload), maxShownPayload)
	fmt.Fprintf(w, "first payload: %s, %s\n", plural(int64(p.Records), "record"), plural(int64(len(p.Payload)), "byte"))
	for line := range strings.Lines(shown) {
		fmt.Fprintf(w, "  %s\n", escape(strings.TrimSuffix(line, "\n")))
	}
	if cut := len(p.Payload) - len(shown); cut > 0 {
		fmt.Fprintf(w, "  ... and %s more\n", plural(int64(cut), "byte"))
	}
}
