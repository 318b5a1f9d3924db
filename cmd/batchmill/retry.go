package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

const retryHelp = `Send the records that hosts rejected again, and no others, and rebuild the
outputs and rejects files of the objects that hold rejects. Records that could
not be sent at all stay rejects.

The job's settings come from its manifest, not from the defaults below. Flags
change what does not bind the job. The hosts are those of the manifest, unless
--host, --image or --command names others. Name them again if a host's URL has a
query: manifests do not keep queries. Images, commands, headers, tokens and
certificates are never taken from a manifest: give --image and its flags,
--command and the --host- flags again.

Relative inputs count from the directory of the first run, so run this command
there too. The manifest also records how S3 is reached; flags override it.

A manifest on S3 may come from somebody else, and so may one on disk unless the
file and its folder are yours and nobody else may write to them. Such a manifest
does not decide which hosts get records (--host is required), where S3 is, or
which files of this disk are read.`

// retryFlags are what may be said anew. The rest is the job's, and binds it.
var retryFlags = []string{"host", "command", "replicas", "image", "model", "env", "env-file", "network", "gpus",
	"container-memory", "container-cpus", "container-pids", "container-allow", "container-tmpfs", "input", "input-manifest", "follow-symlinks", "host-header",
	"host-bearer", "host-basic", "host-ca", "host-cert", "host-key", "host-server-name", "on-bad", "max-rejects",
	"batch-records", "batch-bytes", "target-latency", "concurrency", "max-concurrency", "no-keep-alive", "timeout",
	"attempts", "host-wait", "ready-timeout", "grace", "memory", "max-response", "resume-before-damage", "progress", "metrics", "s3-endpoint", "s3-path-style",
	"s3-anonymous", "s3-request-payer", "s3-sse", "s3-sse-kms-key-id", "s3-acl", "s3-tags"}

func (a *app) retryCommand() *cobra.Command {
	given := new(options)
	cmd := &cobra.Command{
		Use:     "retry-rejects OUTPUT [--host URL ...] [flags]",
		Short:   "send only the rejected records again, and rebuild the outputs",
		Long:    retryHelp,
		Example: "  batchmill retry-rejects out/ --host http://127.0.0.1:8080",
		Args:    oneOutput,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := a.retryOptions(cmd.Context(), outputAt(&given.spec, args[0]), cmd.Flags())
			if o == nil || err != nil {
				return err
			}
			return a.untilStopped(cmd, args, o, true)
		},
	}
	cmd.Flags().SortFlags = false
	given.flags().VisitAll(func(f *pflag.Flag) {
		if slices.Contains(retryFlags, f.Name) {
			cmd.Flags().AddFlag(f)
		}
	})
	return cmd
}

// retryOptions are the job's, as its manifest keeps them, under the flags. They
// are nil when there is nothing to retry, which it tells.
func (a *app) retryOptions(ctx context.Context, where *job.Spec, flags *pflag.FlagSet) (*options, error) {
	looked := *where
	looked.S3Anonymous = false // it is for inputs, and the output is about to be written
	out, done, err := peek(ctx, &looked)
	if err != nil {
		return nil, err
	}
	defer done()
	beforeDamage, _ := flags.GetBool("resume-before-damage")
	s, err := ledger.ReadStatus(ctx, out, beforeDamage)
	if err != nil {
		return nil, err
	}
	ok, err := a.retryable(where.Output, s)
	if err == nil && !ok && s.Rejected == 0 && s.Limit == 0 { // a limited job goes on from its log
		err = ledger.Clean(ctx, out, ledger.Cleaning{Forget: true, IfAny: true, Removed: func(_, _ string) {}})
	}
	if !ok || err != nil {
		return nil, err
	}
	m, _, err := readManifest(ctx, out, nil)
	if err != nil {
		return nil, err
	}
	o, err := recordedOptions(m, flags, othersWrote(ctx, out))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", out.URI(plan.ManifestName), err)
	}
	if err := samePlace(where.Output, o.spec.Output); err != nil {
		return nil, err
	}
	return o, inputsThere(&o.spec)
}

// retryable tells whether there is something to retry. That there is nothing
// is no error; a job that is not that far is one.
func (a *app) retryable(dir string, s *ledger.Status) (bool, error) {
	switch {
	case s.State == ledger.JobNone:
		return false, noJob(dir)
	case s.State == ledger.JobRunning:
		return false, &job.Failure{Class: job.Superseded, Err: fmt.Errorf("%s: another run of batchmill is at work there", dir),
			Hint: "wait for it"}
	case !s.Manifest || s.State == ledger.JobUnfinished && s.Objects.Rebuilt == 0 && !s.Settled:
		return false, usageError("run its command again first", "%s: the job there is not finished", dir)
	case s.Rejected > 0 && s.Logged.IsZero():
		return false, usageError("redo the job with --restart --overwrite", "%s: the log of the job there is gone, so its rejects cannot be retried alone", dir)
	case s.Retryable > 0 || s.State == ledger.JobUnfinished: // a retry that was cut short ends, even with nothing left to ask
		return true, nil
	}
	why := "the job has no rejects"
	if s.Rejected > 0 {
		why = fmt.Sprintf("none of the %s was made by a host", plural(s.Rejected, "reject"))
	}
	fmt.Fprintf(a.stdout, "nothing to retry: %s\n", why)
	return false, nil
}

// recordedOptions reads what a manifest says about its job, and lays the flags
// over it. A manifest with a doubt about who wrote it does not say where S3 is, who
// gets records, or what is read from this machine's disk. Without a doubt a manifest
// is trusted like the command line.
func recordedOptions(m *manifest.Manifest, flags *pflag.FlagSet, doubt error) (*options, error) {
	o := &options{}
	merged := o.flags()
	if err := decodeConfig(m.Config, &o.spec); err != nil {
		return nil, usageError("use the batchmill that wrote it, or run the job's own command with --restart --overwrite", "config: %w", err)
	}
	s := &o.spec
	s.Restart, s.Overwrite, s.BeforeDamage = false, false, false
	if doubt != nil {
		s.S3Endpoint, s.S3PathStyle, s.S3Anonymous, s.S3Payer = "", "", false, "" // the flags or the environment, as for the manifest
		s.S3SSE, s.S3KMSKey, s.S3ACL, s.S3Tags = "", "", "", ""
		s.FollowSymlinks = false
		if err := onlyByFlags(s, flags, doubt); err != nil {
			return nil, err
		}
	}
	if err := hostsAnew(s, flags); err != nil {
		return nil, err
	}
	if err := override(merged, flags); err != nil {
		return nil, err
	}
	if err := checkProgress(o); err != nil {
		return nil, err
	}
	return o, s.Validate()
}

// othersWrote says why somebody else than this user may have written the manifest
// in out; nil where nobody else can have.
func othersWrote(ctx context.Context, out store.Store) error {
	if g, ok := out.(store.Guarded); ok {
		return g.SoleWriter(ctx, plan.ManifestName)
	}
	return errors.New("on S3 it has no owner")
}

// onlyByFlags refuses what a manifest that others may have written would have to be
// believed.
func onlyByFlags(s *job.Spec, flags *pflag.FlagSet, doubt error) error {
	if !hostsNamed(flags) {
		return usageError("name the hosts with --host, or start them with --image or --command",
			"the manifest does not say who gets records, for others may have written it (%w)", doubt)
	}
	inputs := append(slices.Clone(s.Input), s.InputManifest)
	onDisk := slices.IndexFunc(inputs, func(in string) bool { return in != "" && !isS3(in) })
	if onDisk >= 0 && !flags.Changed("input") && !flags.Changed("input-manifest") {
		return usageError("name the inputs again with --input or --input-manifest",
			"the manifest does not say what is read from this disk (%s), for others may have written it (%w)", inputs[onDisk], doubt)
	}
	return nil
}

// decodeConfig reads the configuration in a manifest, whose keys are the flags'
// names with underscores.
func decodeConfig(config json.RawMessage, s *job.Spec) error {
	var recorded map[string]json.RawMessage
	if err := json.Unmarshal(config, &recorded); err != nil {
		return err
	}
	fields := make(map[string]json.RawMessage, len(recorded))
	for name, v := range recorded {
		fields[strings.ReplaceAll(name, "_", "-")] = v
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields() // a setting that is not understood may change outputs
	return dec.Decode(s)
}

// samePlace makes sure that output is where the job put it: a manifest whose
// outputs have two names for one place could not be verified.
func samePlace(output, recorded string) error {
	same, err := plan.SameOutput(output, recorded)
	switch {
	case err != nil:
		return usageError("name the output as --output did", "retry-rejects: %w", err)
	case !same && (isS3(output) || isS3(recorded)):
		return usageError("name the output as it was named there", "%s: its job was run with --output %s", output, recorded)
	case !same:
		return usageError("run this in the directory of the first run, with the output where it was",
			"%s: its job was run with --output %s, which is not that directory from here", output, recorded)
	}
	return nil
}

// inputsThere makes sure that the inputs on disk are found from here.
func inputsThere(s *job.Spec) error {
	for _, in := range s.Input {
		if err := inputThere("--input", in); err != nil {
			return err
		}
	}
	if s.InputManifest == "" {
		return nil
	}
	return inputThere("--input-manifest", s.InputManifest)
}

func inputThere(flag, in string) error {
	if isS3(in) {
		return nil
	}
	if _, err := os.Stat(in); !errors.Is(err, fs.ErrNotExist) {
		return nil // what else is wrong, opening it will tell
	}
	if matches, err := filepath.Glob(in); err == nil && len(matches) > 0 {
		return nil
	}
	hint := "put it back"
	if !filepath.IsAbs(in) {
		hint = "relative paths count from the directory of the first run: run this there"
	}
	return usageError(hint, "%s %s of the job is not there", flag, in)
}
