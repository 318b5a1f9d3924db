package main

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/transform"
)

const runHelp = `Run a job: read every record of the input, ask the hosts, and write the answers.

The same command run again after a crash or an interruption goes on where it
ended; on S3 from any machine. A job file, in YAML or JSON, holds the same names
as the flags; flags override it, and its paths count from the current directory.`

const runExample = `  batchmill host &
  batchmill run --input data/ --output out/ --host http://127.0.0.1:8080 --join input

  # on S3, with region and credentials from the usual AWS environment
  batchmill run --input s3://bucket/data/ --output s3://bucket/scored/ --host http://127.0.0.1:8080

  # hosts started as containers, for as long as the job runs
  batchmill run --input data/ --output out/ --image my-model:1 --model model.tar.gz --replicas 4

  # the same from a file
  printf 'input: data/\noutput: out/\nhost: http://127.0.0.1:8080\njoin: input\n' > job.yaml
  batchmill run job.yaml`

func (a *app) runCommand() *cobra.Command {
	given := new(options)
	cmd := &cobra.Command{
		Use:     "run --input URI --output URI (--host URL ... | --image NAME | --command WORDS) [flags]\nbatchmill run JOBFILE [flags]",
		Short:   "run a model over a dataset",
		Long:    runHelp,
		Example: runExample,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError("inputs are named with --input; quote globs", "one job file at most, and got %q and %q", args[0], args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := readOptions(args, cmd.Flags(), given)
			if err != nil {
				return err
			}
			if o.dryRun {
				return a.dryRun(cmd.Context(), o)
			}
			return a.untilStopped(cmd, args, o, false)
		},
	}
	flags := given.flags()
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(flags)
	return cmd
}

// untilStopped runs the job. When its user ends it before, the error holds the
// command that goes on.
func (a *app) untilStopped(cmd *cobra.Command, args []string, o *options, retry bool) error {
	ctx := cmd.Context()
	err := a.runJob(ctx, o, retry)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		words := append([]string{a.program, cmd.Name()}, args...)
		err = &interruptedRun{err, continueCommand(words, cmd.Flags(), o.spec.Restart)}
	}
	return err
}

// interruptedRun is a job that its user ended, with the command that goes on.
type interruptedRun struct {
	err     error
	command string
}

func (e *interruptedRun) Error() string { return e.err.Error() }
func (e *interruptedRun) Unwrap() error { return e.err }

// readOptions lays the flags over the job file, when there is one.
func readOptions(args []string, flags *pflag.FlagSet, given *options) (*options, error) {
	o := given
	if len(args) > 0 {
		o = new(options)
		merged := o.flags()
		if err := loadJobFile(args[0], merged); err != nil {
			return nil, err
		}
		if err := override(merged, flags); err != nil {
			return nil, err
		}
	}
	if err := checkProgress(o); err != nil {
		return nil, err
	}
	return o, o.spec.Validate()
}

func checkProgress(o *options) error {
	if o.progress == "" {
		o.progress = "auto"
	}
	if !slices.Contains([]string{"auto", "json", "none"}, o.progress) {
		return usageError("", "--progress %q is not known; use auto, json or none", o.progress)
	}
	return nil
}

// runJob runs the job with progress, and tells its summary. With retry it asks
// about nothing but the rejects of an earlier run.
func (a *app) runJob(ctx context.Context, o *options, retry bool) error {
	spec := &o.spec
	if len(spec.Hosts) == 0 && spec.Image == "" && spec.Command == "" {
		return usageError("start one with batchmill host, or look at the plan with --dry-run",
			"no host; name at least one with --host http://..., or have one started with --image or --command")
	}
	hosts, err := a.openFleet(ctx, spec)
	if err != nil {
		return err
	}
	defer hosts.close()
	progress := new(transform.Progress)
	unserve, err := a.serveMetrics(o.metrics, progress)
	if err != nil {
		return err
	}
	defer unserve()
	stop := a.showProgress(progress, o.progress)
	result, err := a.planAndRun(ctx, spec, hosts, progress, retry)
	stop()
	if err != nil {
		return err
	}
	end := endOf(result)
	a.summarize(spec, result, progress.Snapshot(), end)
	return end
}

func (a *app) planAndRun(ctx context.Context, spec *transform.Spec, hosts *fleet, progress *transform.Progress, retry bool) (*transform.Result, error) {
	plan, err := openPlan(ctx, spec, progress)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	if retry {
		plan.RetryRejects()
	}
	a.prepare(ctx, hosts, plan)
	// The collector may let the heap grow to twice what is alive; not with a
	// full window. What is not in the window takes the rest.
	debug.SetMemoryLimit(int64(spec.Memory) + 64<<20)
	return transform.Run(ctx, plan, hosts.Fleet, progress)
}

// openPlan plans the job, then makes its output: whatever the configuration
// gets wrong is found before.
func openPlan(ctx context.Context, spec *transform.Spec, progress *transform.Progress) (*transform.Plan, error) {
	plan, err := peekPlan(ctx, spec, progress)
	if err != nil {
		return nil, err
	}
	if plan.Output, err = transform.MakeOutput(spec, plan.Output); err != nil {
		return nil, errors.Join(err, plan.Close())
	}
	return plan, nil
}

// peekPlan plans the job against what is there, and makes and writes nothing.
func peekPlan(ctx context.Context, spec *transform.Spec, progress *transform.Progress) (*transform.Plan, error) {
	inputs, err := transform.OpenInputs(ctx, spec)
	if err != nil {
		return nil, err
	}
	output, err := transform.PeekOutput(ctx, spec)
	if err != nil {
		return nil, err
	}
	return transform.NewPlan(ctx, *spec, inputs, output, progress)
}
