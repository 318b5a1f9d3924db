package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
)

// maxNamed is how many objects that were not published a summary names.
const maxNamed = 10

// summarize tells on stdout how a job ended, to be read in five seconds.
func (a *app) summarize(spec *job.Spec, r *transform.Result, s transform.Snapshot, end error) {
	m := r.Manifest
	if r.AlreadyDone {
		fmt.Fprintf(a.stdout, "nothing to do: this job ended at %s: %s from %s\n",
			m.Finished.Local().Format(time.DateTime), plural(m.Totals.In, "record"), plural(r.Objects.All(), "object"))
	} else {
		writeSpeed(a.stdout, r, s)
	}
	writeCounts(a.stdout, m)
	writeLimit(a.stdout, m.Limit)
	writeSkipped(a.stdout, m.Skipped)
	writeEncodings(a.stdout, r.Encodings)
	writeHeader(a.stdout, m.Header)
	if !r.AlreadyDone {
		writeHosts(a.stdout, r, s)
	}
	writeReasons(a.stdout, m)
	writePlaces(a.stdout, spec.Output, m)
	writeUnpublished(a.stdout, r)
	writeEnd(a.stdout, r, end)
}

// row is a line of the summary: what, and what about it.
func row(w io.Writer, what, format string, args ...any) {
	fmt.Fprintf(w, "  %-11s "+format+"\n", append([]any{what}, args...)...)
}

// speed writes a job's records per second.
func speed(perSecond float64) string {
	if perSecond < 99.95 {
		return rate(perSecond)
	}
	return grouped(int64(perSecond))
}

// writeSpeed counts what this run asked about: neither what the log answered,
// nor objects that an earlier run had settled.
func writeSpeed(w io.Writer, r *transform.Result, s transform.Snapshot) {
	m := r.Manifest
	asked := s.Records - m.Totals.Resumed
	line := fmt.Sprintf("done in %s: %s from %s (%s)", span(time.Duration(m.Totals.Seconds*float64(time.Second))),
		plural(m.Totals.In, "record"), plural(r.Objects.All(), "object"), size(float64(r.InputBytes)))
	if m.Totals.Seconds > 0 && asked > 0 && requested(m) > 0 {
		line += fmt.Sprintf(", %s records/s", speed(float64(asked)/m.Totals.Seconds))
	}
	fmt.Fprintln(w, line)
	if m.Totals.Resumed > 0 {
		row(w, "resumed", "%s answered from the log", plural(m.Totals.Resumed, "record"))
	}
}

func writeCounts(w io.Writer, m *manifest.Manifest) {
	t := m.Totals
	row(w, "answers", "%s   rejects %s   written %s   retries %s", grouped(t.Answered), grouped(t.Rejected), grouped(t.Out), grouped(t.Retries))
	if t.Blank > 0 {
		row(w, "blank lines", "%s, which are no records", grouped(t.Blank))
	}
	if t.SkippedLines > 0 {
		row(w, "skipped", "%s of comments or before the header, which are no records", plural(t.SkippedLines, "line"))
	}
}

// writeLimit says of a job that --limit ended that there is no _SUCCESS, and how to go on.
func writeLimit(w io.Writer, limit int64) {
	if limit > 0 {
		row(w, "limit", "the first %s of the job, without _SUCCESS; a larger --limit, or none, goes on", plural(limit, "record"))
	}
}

// whySkipped says of files that were not read why, behind their number.
var whySkipped = map[string]string{
	manifest.HiddenName:       `whose names begin with "_" or "."`,
	manifest.UnknownExtension: "whose extensions are not known (--input-format reads them)",
}

// mostSkippedNamed is how many files of a kind a plan or a summary names.
const mostSkippedNamed = 3

// writeSkipped tells which files at the inputs are none of the job's.
func writeSkipped(w io.Writer, all []manifest.Skipped) {
	for i := range all {
		s := &all[i]
		named := s.Sample[:min(len(s.Sample), mostSkippedNamed)]
		list := escape(strings.Join(named, ", "))
		if more := s.Count - int64(len(named)); more > 0 {
			list += fmt.Sprintf(" and %s more", grouped(more))
		}
		row(w, "not read", "%s %s: %s", plural(s.Count, "file"), whySkipped[s.Reason], list)
	}
}

func writeEncodings(w io.Writer, told []string) {
	for _, text := range told {
		row(w, "encoding", "%s", text)
	}
}

// writeHeader tells what --header auto decided, and why.
func writeHeader(w io.Writer, h *manifest.Header) {
	if h == nil || h.Why == "" {
		return
	}
	found := "no"
	if h.Present {
		found = "yes"
	}
	row(w, "header", "%s, by the first records: %s", found, escape(h.Why))
}

// writeReasons tells of each reason how many records it cost, and shows one of these.
func writeReasons(w io.Writer, m *manifest.Manifest) {
	byCount := slices.Clone(m.Totals.Reasons)
	slices.SortStableFunc(byCount, func(a, b manifest.Reason) int { return cmp.Compare(b.Count, a.Count) })
	for i := range byCount {
		r := &byCount[i]
		what := ""
		if i == 0 {
			what = "rejected"
		}
		row(w, what, "%s %s, as %s", grouped(r.Count), escape(r.Reason), escape(r.Sample.String()))
	}
}

// requested counts the requests of this run; totals may hold those of earlier ones.
func requested(m *manifest.Manifest) (n int64) {
	for i := range m.Hosts {
		n += m.Hosts[i].Requests
	}
	return n
}

func writeHosts(w io.Writer, r *transform.Result, s transform.Snapshot) {
	if requested(r.Manifest) == 0 {
		return
	}
	l := r.Latency
	row(w, "hosts", "%d of %d up   p50 %s  p95 %s  p99 %s", s.HostsUp, s.Hosts, latency(l.P50), latency(l.P95), latency(l.P99))
	if r.Slowest != "" && r.Manifest.Totals.Seconds >= 1 { // shorter jobs are held back by nothing
		row(w, "held back", "by %s", r.Slowest)
	}
	if s := r.Manifest.Settled; s != nil {
		row(w, "batches", "of %s at most, in the end", plural(int64(s.BatchRecords), "record"))
	}
	writeHostTable(w, r.Manifest.Hosts)
}

// mostHostRows is how many hosts a summary tells of: the busiest ones.
const mostHostRows = 16

// writeHostTable tells of each host what it did, and how many requests at once
// it got in the end.
func writeHostTable(w io.Writer, hosts []manifest.Host) {
	busiest := slices.Clone(hosts)
	slices.SortStableFunc(busiest, func(a, b manifest.Host) int { return cmp.Compare(b.Requests, a.Requests) })
	shown := busiest[:min(len(busiest), mostHostRows)]
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "  \trequests\trecords/s\tp50\tp99\tretries\tejected\tat once\t  host\n")
	for i := range shown {
		h := &shown[i]
		fmt.Fprintf(t, "  \t%s\t%s\t%s\t%s\t%s\t%s\t%d\t  %s\n", grouped(h.Requests), rate(h.Rate), latency(ms(h.P50)), latency(ms(h.P99)),
			grouped(h.Retries), grouped(h.Ejections), h.Limit, escape(h.URL))
	}
	_ = t.Flush() // as with all of a summary, who has closed stdout wants none
	if more := len(busiest) - len(shown); more > 0 {
		row(w, "", "... and %s more; the manifest has them all", plural(int64(more), "host"))
	}
	for i := range shown {
		writeHostTrouble(w, &shown[i])
	}
}

// writeHostTrouble tells what a host failed, and why it was dropped.
func writeHostTrouble(w io.Writer, h *manifest.Host) {
	var causes []string
	for _, f := range h.Failures {
		causes = append(causes, fmt.Sprintf("%s %s (%s)", grouped(f.Count), f.Cause, escape(f.Sample)))
	}
	if len(causes) > 0 {
		row(w, "failures", "%s at %s", strings.Join(causes, ", "), escape(h.URL))
	}
	if h.Dropped != "" {
		row(w, "dropped", "%s: %s", escape(h.URL), escape(h.Dropped))
	}
}

// ms is a time given in milliseconds.
func ms(v float64) time.Duration { return time.Duration(v * float64(time.Millisecond)) }

func writePlaces(w io.Writer, output string, m *manifest.Manifest) {
	row(w, "outputs", "%s", escape(folder(output)))
	if m.Totals.Rejected > 0 {
		row(w, "rejects", "%s", escape(folder(inFolder(output, "_rejects"))))
	}
	row(w, "manifest", "%s", escape(inFolder(output, plan.ManifestName)))
}

func writeUnpublished(w io.Writer, r *transform.Result) {
	named := r.Unpublished[:min(len(r.Unpublished), maxNamed)]
	for i := range named {
		o := &named[i]
		why := o.Error
		if why == "" && o.Status == manifest.Held {
			why = plural(o.Rejected, "reject")
		}
		row(w, string(o.Status), "%s: %s", escape(o.Input.URI), escape(why))
	}
	if more := r.Objects.Held + r.Objects.Failed - int64(len(named)); more > 0 {
		row(w, "", "... and %s more; the manifest names them all", grouped(more))
	}
}

// writeEnd says why the exit code is not 0 although the job ran to its end.
func writeEnd(w io.Writer, r *transform.Result, end error) {
	var part *partly
	if !errors.As(end, &part) {
		return
	}
	why := ""
	if r.Manifest.Totals.Unanswered() {
		why = "not one record was answered (see the rejects)"
		if requested(r.Manifest) > 0 {
			why = "not one record was answered (see the rejects; batchmill retry-rejects asks hosts again)"
		}
	}
	for _, n := range []struct {
		n    int64
		text string
	}{{r.Manifest.Totals.Rejected, "record without an answer"}, {r.Objects.Held, "object held"}, {r.Objects.Failed, "object failed"}} {
		if n.n == 0 {
			continue
		}
		if why != "" {
			why += ", "
		}
		why += counted(n.n, n.text)
	}
	row(w, "exit code", "%d: %s", part.code, why)
}

// counted writes a number with a phrase whose first word is the noun.
func counted(n int64, phrase string) string {
	for i := range phrase {
		if phrase[i] == ' ' && n != 1 {
			return grouped(n) + " " + phrase[:i] + "s" + phrase[i:]
		}
	}
	return grouped(n) + " " + phrase
}
