package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/internal/sink"
	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/workers"
)

// How often progress is shown.
const (
	redrawEvery = 200 * time.Millisecond
	lineEvery   = 10 * time.Second
	jsonEvery   = time.Second
)

// A display shows progress. Its methods are called by one goroutine at a time.
type display interface {
	show(transform.Snapshot)
	// end is the last call: it shows what must not be missed, and cleans up.
	end(transform.Snapshot)
}

// showProgress shows p on stderr until the function it returns is called; when
// that returns, nothing is being written any more.
func (a *app) showProgress(p *transform.Progress, mode string) (stop func()) {
	look := func() transform.Snapshot { return a.snapshot(p) }
	switch width := a.width(); {
	case mode == "none":
		return func() {}
	case mode == "json":
		a.tellInJSON(p)
		return watch(look, jsonLines{json.NewEncoder(a.stderr)}, jsonEvery)
	case width > 0:
		return watch(look, &liveLine{w: a.stderr, width: a.width}, redrawEvery)
	}
	return watch(look, textLines{a.stderr}, lineEvery)
}

// snapshot is p as it may be shown: what came of a try to reach a host is scrubbed.
func (a *app) snapshot(p *transform.Progress) transform.Snapshot {
	s := p.Snapshot()
	if s.Waiting != nil {
		s.Waiting.Reason = a.stderr.Scrub(s.Waiting.Reason)
	}
	return s
}

// watch shows what look sees every so often.
func watch(look func() transform.Snapshot, d display, every time.Duration) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	caught.Start(func() {
		defer close(done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				d.show(look())
			case <-quit:
				d.end(look())
				return
			}
		}
	})
	return func() { close(quit); <-done }
}

// jsonLines writes the snapshot as it is: its keys are a contract.
type jsonLines struct{ enc *json.Encoder }

func (j jsonLines) show(s transform.Snapshot) { _ = j.enc.Encode(s) }
func (j jsonLines) end(s transform.Snapshot)  { j.show(s) }

// tellInJSON makes messages lines of --progress json: a snapshot of p, with the
// message's own keys.
func (a *app) tellInJSON(p *transform.Progress) {
	a.stderr.InJSON(func(m sink.Message) any {
		return struct {
			transform.Snapshot
			sink.Message
		}{a.snapshot(p), m}
	})
}

// asksForJSON tells whether a command line has --progress json. Its messages are lines of
// JSON even if the rest of the line is wrong.
func asksForJSON(args []string) bool {
	for i, arg := range args {
		if arg == "--" {
			return false
		}
		if arg == "--progress=json" || arg == "--progress" && i+1 < len(args) && args[i+1] == "json" {
			return true
		}
	}
	return false
}

// textLines writes a line now and then, for logs.
type textLines struct{ w io.Writer }

func (t textLines) show(s transform.Snapshot) { fmt.Fprintln(t.w, status(s)) }
func (t textLines) end(transform.Snapshot)    {} // the summary follows

// liveLine redraws one line of a terminal. The width is asked each time, since
// windows change theirs.
type liveLine struct {
	w     io.Writer
	width func() int
}

// clearLine goes to the line's beginning and clears it.
const clearLine = "\r\x1b[K"

func (l *liveLine) show(s transform.Snapshot) {
	width := l.width()
	line := status(s)
	if room := width - 1 - len(line) - 1; room >= 12 && s.TotalBytes > 0 {
		line = bar(s, min(room, 30)) + " " + line
	}
	// One column stays free: a full line would wrap on some terminals.
	_, _ = io.WriteString(l.w, clearLine+clip(line, max(0, width-1)))
}

func (l *liveLine) end(transform.Snapshot) { _, _ = io.WriteString(l.w, clearLine) }

// bar draws the share of the input that is settled in n columns.
func bar(s transform.Snapshot, n int) string {
	inner := n - 2
	full := int(min(1, float64(s.Bytes)/float64(s.TotalBytes)) * float64(inner))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", inner-full) + "]"
}

// status is a snapshot in one line of ASCII, the most important first.
func status(s transform.Snapshot) string {
	switch {
	case s.Hosts > 0:
	case s.Listed > 0 && s.TotalBytes == 0:
		return fmt.Sprintf("looking at the inputs: %s objects so far", grouped(s.Listed))
	case s.Listed > 0:
		return fmt.Sprintf("starting: %s of input, %s", plural(s.Listed, "object"), size(float64(s.TotalBytes)))
	default:
		return "starting"
	}
	var b strings.Builder
	if s.TotalBytes > 0 {
		fmt.Fprintf(&b, "%3.0f%%  ", 100*min(1, float64(s.Bytes)/float64(s.TotalBytes)))
	}
	switch w := s.Standstill; {
	case w != nil && w.Until.Sub(s.Time) >= time.Second:
		fmt.Fprintf(&b, "no host can be asked: %s  ", resting(w))
	case s.HostsUp == 0 && s.Records == 0:
		fmt.Fprintf(&b, "waiting for a host to be ready (0 of %d)%s", s.Hosts, waiting(s.Waiting))
		return b.String()
	}
	fmt.Fprintf(&b, "%s records  %s/s  %s/s", count(float64(s.Records)), rate(s.RecordsPerSecond), size(s.BytesPerSecond))
	if t := left(s.ETASeconds); t != "" {
		fmt.Fprintf(&b, "  %s left", t)
	}
	fmt.Fprintf(&b, "  in flight %d  retries %s  rejects %s  hosts %d/%d",
		s.InFlight, count(float64(s.Retries)), count(float64(s.Rejects)), s.HostsUp, s.Hosts)
	return b.String()
}

// waiting says since when a host is waited for, how long still, and why.
func waiting(w *workers.Waiting) string {
	if w == nil {
		return ""
	}
	text := fmt.Sprintf(" since %s, --ready-timeout ends at %s", w.Since.Local().Format(time.TimeOnly), w.GivesUp.Local().Format(time.TimeOnly))
	if w.Host != "" {
		text += fmt.Sprintf("; %s: %s", escape(w.Host), escape(w.Reason))
	}
	return text
}

// resting says who rests until when, and when the job gives up.
func resting(w *workers.Standstill) string {
	others := ""
	if w.Hosts > 1 {
		others = fmt.Sprintf(" and %s longer", plural(int64(w.Hosts-1), "other"))
	}
	return fmt.Sprintf("%s rests until %s%s, --host-wait ends at %s",
		w.Host, w.Until.Local().Format(time.TimeOnly), others, w.GivesUp.Local().Format(time.TimeOnly))
}
