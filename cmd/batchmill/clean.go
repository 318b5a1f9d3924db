package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
)

const cleanHelp = `Remove what a killed run left in OUTPUT: temporary files on disk, unfinished
uploads on S3 (S3 charges for them until they are aborted), and spilled Parquet
columns. Outputs, rejects, the manifest and the answer log stay, so the job can
still be resumed.

With --forget-answers the answer log is removed too. The job can then neither be
resumed nor have its rejects retried, and a job with --limit not go on.

clean refuses to work beside an active run (75). On S3, where there are no locks,
it judges by the age of the log. --force stops a run that seems to be active;
that run then ends with 75.`

func (a *app) cleanCommand() *cobra.Command {
	where := new(job.Spec)
	c := ledger.Cleaning{}
	cmd := &cobra.Command{
		Use:     "clean OUTPUT [flags]",
		Short:   "remove what a killed run left",
		Long:    cleanHelp,
		Example: "  batchmill clean out/\n  batchmill clean s3://bucket/scored/",
		Args:    oneOutput,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.clean(cmd.Context(), outputAt(where, args[0]), c)
		},
	}
	cmd.Flags().BoolVar(&c.Forget, "forget-answers", false, "also remove the answer log; the job can then not be resumed or retried")
	cmd.Flags().BoolVar(&c.Force, "force", false, "on S3: stop a run that seems to be active")
	cmd.Flags().AddFlagSet(s3Flags(where))
	return cmd
}

func (a *app) clean(ctx context.Context, where *job.Spec, c ledger.Cleaning) error {
	out, done, err := peek(ctx, where)
	if err != nil {
		return err
	}
	defer done()
	var kinds []string
	counts := map[string]int64{}
	c.Removed = func(what, uri string) {
		if counts[what]++; counts[what] == 1 {
			kinds = append(kinds, what)
		}
		fmt.Fprintf(a.stdout, "  %-17s  %s\n", what, escape(uri))
	}
	err = ledger.Clean(ctx, out, c)
	switch {
	case len(kinds) > 0: // also before an error
		for i, kind := range kinds {
			kinds[i] = plural(counts[kind], kind)
		}
		fmt.Fprintf(a.stdout, "removed: %s\n", strings.Join(kinds, ", "))
	case err == nil:
		fmt.Fprintln(a.stdout, "nothing to remove")
	}
	return err
}
