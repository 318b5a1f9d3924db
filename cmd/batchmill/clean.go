package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchmill/batchmill/transform"
)

const cleanHelp = `Remove what a run left in OUTPUT that was killed: temporary files on disk,
unfinished uploads on S3 (they cost money until somebody ends them), and columns
of Parquet that were set aside. Outputs, rejects and the manifest stay, and so
do the answers in the log: the job can still be resumed.

With --forget-answers the log goes too. Then nothing of the job can be resumed,
and retry-rejects finds nothing to begin with.

It does not run beside a run that is at work (75). On S3, where there are no
locks, it goes by the age of the log; --force stops a run that seems to be
alive, which then ends with 75.`

func (a *app) cleanCommand() *cobra.Command {
	where := new(transform.Spec)
	c := transform.Cleaning{}
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
	cmd.Flags().BoolVar(&c.Forget, "forget-answers", false, "remove the log of answers too: nothing can be resumed or retried then")
	cmd.Flags().BoolVar(&c.Force, "force", false, "on S3: stop a run that seems to be at work")
	cmd.Flags().AddFlagSet(s3Flags(where))
	return cmd
}

func (a *app) clean(ctx context.Context, where *transform.Spec, c transform.Cleaning) error {
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
	err = transform.Clean(ctx, out, c)
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
