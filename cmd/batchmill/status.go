package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
)

func (a *app) statusCommand() *cobra.Command {
	asJSON, where := false, new(job.Spec)
	cmd := &cobra.Command{
		Use:   "status OUTPUT [flags]",
		Short: "show the progress of a running, crashed or finished job",
		Long: `Show the progress of the job in OUTPUT, and what to do next. status reads the
job's log and manifest, locks and writes nothing, and can be used while the job
runs. If OUTPUT holds no job, the exit code is 64.`,
		Example: "  batchmill status out/\n  batchmill status s3://bucket/scored/ --json | jq -r .state",
		Args:    oneOutput,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.status(cmd.Context(), outputAt(where, args[0]), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.Flags().AddFlagSet(s3Flags(where))
	return cmd
}

// oneOutput wants the output, and nothing else.
func oneOutput(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError(fmt.Sprintf("write batchmill %s OUTPUT", cmd.Name()), "%s takes one output, and got %d", cmd.Name(), len(args))
	}
	return nil
}

func (a *app) status(ctx context.Context, where *job.Spec, asJSON bool) error {
	s, err := readStatus(ctx, where)
	if err != nil {
		return err
	}
	switch {
	case asJSON:
		if err := json.NewEncoder(a.stdout).Encode(s); err != nil {
			return err
		}
	case s.State != ledger.JobNone:
		writeStatus(a.stdout, s)
	}
	if s.State == ledger.JobNone {
		return noJob(where.Output)
	}
	return nil
}

func noJob(dir string) error {
	return usageError("name the output as --output did", "%s: no job of batchmill is known there", dir)
}

func readStatus(ctx context.Context, where *job.Spec) (*ledger.Status, error) {
	out, done, err := peek(ctx, where)
	if err != nil {
		return nil, err
	}
	defer done()
	return ledger.ReadStatus(ctx, out, false)
}

func writeStatus(w io.Writer, s *ledger.Status) {
	fmt.Fprintf(w, "%s: %s\n", s.State, escape(folder(s.Output)))
	if s.JobID != "" {
		row(w, "job", "%s, begun %s", escape(s.JobID), s.Started.Local().Format(time.DateTime))
	}
	row(w, "objects", "%s", objectsLine(s.Objects))
	records := fmt.Sprintf("%s answered, %s", grouped(s.Answered), plural(s.Rejected, "reject"))
	if s.Retryable > 0 {
		records += fmt.Sprintf(", %s of them by hosts", grouped(s.Retryable))
	}
	row(w, "records", "%s", records)
	writeLimit(w, s.Limit)
	switch {
	case s.State == ledger.JobFinished:
		row(w, "finished", "%s", s.Finished.Local().Format(time.DateTime))
	case !s.Logged.IsZero():
		row(w, "last logged", "%s", s.Logged.Local().Format(time.DateTime))
	}
	row(w, "manifest", "%s, _SUCCESS %s", written(s.Manifest), written(s.Success))
	for i, next := range s.Next {
		row(w, map[bool]string{true: "next"}[i == 0], "%s", next)
	}
}

func written(is bool) string {
	if is {
		return "written"
	}
	return "not written"
}

// objectsLine names the counts that are not zero.
func objectsLine(c ledger.ObjectCounts) string {
	line := grouped(c.Total)
	sep := ": "
	for _, n := range []struct {
		n    int64
		what string
	}{{c.Published, "published"}, {c.Held, "held"}, {c.Failed, "failed"}, {c.Begun, "begun"}, {c.Untouched, "untouched"}, {c.Rebuilt, "being rebuilt"}} {
		if n.n > 0 {
			line += sep + grouped(n.n) + " " + n.what
			sep = ", "
		}
	}
	return line
}
