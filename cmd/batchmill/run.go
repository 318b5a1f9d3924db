package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/fleet"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
)

const runHelp = `Run a job: read every record of the input, send it to a host, and write the
answers.

After a crash or an interruption, run the same command again. It continues where
the job stopped; on S3, from any machine. A job file in YAML or JSON has the same
names as the flags. Flags override the file, and its paths are relative to the
current directory.`

const runExample = `  batchmill host &
  batchmill run --input data/ --output out/ --host http://127.0.0.1:8080 --join input

  # on S3, with region and credentials from the usual AWS environment
  batchmill run --input s3://bucket/data/ --output s3://bucket/scored/ --host http://127.0.0.1:8080

  # start the hosts as containers, for the time of the job
  batchmill run --input data/ --output out/ --image my-model:1 --model model.tar.gz --replicas 4

  # the first job, from a file
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
				return usageError(quotePatterns, "one job file at most, and got %q and %q", args[0], args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o, file, err := readOptions(args, cmd.Flags(), given)
			if o != nil && o.progress == "json" { // a job file may say so
				a.tellInJSON(new(transform.Progress))
			}
			switch {
			case err != nil:
			case o.dryRun:
				err = a.dryRun(cmd.Context(), o)
			default:
				err = a.untilStopped(cmd, args, o, false)
			}
			return file.locate(err, cmd.Flags())
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
	err := withinGrace(ctx, &o.spec, func() error { return a.runJob(ctx, o, retry) })
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

// quotePatterns is the hint where a shell may have put names in the place of a pattern.
const quotePatterns = "quote a pattern, as in --input '*.csv', so that the shell leaves it alone; repeat --input for several inputs"

// readOptions lays the flags over the job file, when there is one.
func readOptions(args []string, flags *pflag.FlagSet, given *options) (o *options, file *jobFile, err error) {
	o = given
	if len(args) > 0 {
		o = new(options)
		merged := o.flags()
		if file, err = loadJobFile(args[0], merged); err != nil {
			return nil, nil, noJobFile(err, flags)
		}
		if err := override(merged, flags); err != nil {
			return nil, file, err
		}
	}
	if err := checkProgress(o); err != nil {
		return nil, file, err
	}
	fitMemory(&o.spec)
	return o, file, o.spec.Validate()
}

// noJobFile is why a job file cannot be read. With --input on the same command line, the
// file may be an input that the shell has found for a pattern.
func noJobFile(err error, flags *pflag.FlagSet) error {
	var failure *job.Failure
	if flags.Changed("input") && errors.As(err, &failure) {
		return &job.Failure{Class: failure.Class, Err: failure.Err, Hint: quotePatterns}
	}
	return err
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
	defer hosts.Close()
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

func (a *app) planAndRun(ctx context.Context, spec *job.Spec, hosts *fleet.Fleet, progress *transform.Progress, retry bool) (*transform.Result, error) {
	plan, err := openPlan(ctx, spec, progress)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	plan.RetryRejects, plan.Notice = retry, a.notice
	hosts.Prepare(ctx, plan)
	limitCollector(spec.Memory)
	return transform.Run(ctx, plan, hosts.Fleet, progress)
}

// openPlan plans the job, then makes its output: whatever the configuration
// gets wrong is found before.
func openPlan(ctx context.Context, spec *job.Spec, progress *transform.Progress) (*plan.Plan, error) {
	p, err := peekPlan(ctx, spec, progress)
	if err != nil {
		return nil, err
	}
	if p.Output, err = plan.MakeOutput(spec, p.Output); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// peekPlan plans the job against what is there, and makes and writes nothing.
func peekPlan(ctx context.Context, spec *job.Spec, progress *transform.Progress) (*plan.Plan, error) {
	inputs, err := plan.OpenInputs(ctx, spec)
	if err != nil {
		return nil, err
	}
	output, err := plan.PeekOutput(ctx, spec)
	if err != nil {
		return nil, err
	}
	return plan.New(ctx, *spec, inputs, output, progress.Found)
}
