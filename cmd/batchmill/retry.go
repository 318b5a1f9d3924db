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

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/manifest"
)

const retryHelp = `Ask hosts again about the records that hosts rejected, and about no other, and
write the outputs and rejects files anew of the objects that hold them. Records
that could not be sent at all stay rejects.

The job's settings are those in its manifest, whatever the defaults named below;
flags may change what does not change the job. Hosts are the manifest's unless --host, --image or --command names others;
they must be named where a host's URL has a query, which manifests do not keep.
Images, commands, headers, tokens and certificates are never taken from a
manifest: give --image and what belongs to it, --command and the --host- flags
again. Relative inputs
count from the directory of the first run, so run this one there too. How to
reach S3 is recorded as well, and may be said anew. A manifest on S3 may be
somebody else's: it does not say who gets records (--host is needed), where S3
is (inputs are reached as OUTPUT is), or what is read from this disk.`

// retryFlags are what may be said anew. The rest is the job's, and binds it.
var retryFlags = []string{"host", "command", "replicas", "image", "model", "env", "env-file", "network", "gpus",
	"container-memory", "container-cpus", "container-pids", "container-allow", "input", "input-manifest", "host-header",
	"host-bearer", "host-basic", "host-ca", "host-cert", "host-key", "host-server-name", "on-bad", "max-rejects",
	"batch-records", "batch-bytes", "target-latency", "concurrency", "max-concurrency", "timeout",
	"attempts", "host-wait", "ready-timeout", "grace", "memory", "max-response", "progress", "metrics", "s3-endpoint", "s3-path-style"}

func (a *app) retryCommand() *cobra.Command {
	given := new(options)
	cmd := &cobra.Command{
		Use:     "retry-rejects OUTPUT [--host URL ...] [flags]",
		Short:   "ask again about the rejected records only, and rebuild the outputs",
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
func (a *app) retryOptions(ctx context.Context, where *transform.Spec, flags *pflag.FlagSet) (*options, error) {
	out, done, err := peek(ctx, where)
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := transform.ReadStatus(ctx, out)
	if err != nil {
		return nil, err
	}
	if ok, err := a.retryable(where.Output, s); !ok || err != nil {
		return nil, err
	}
	m, _, err := readManifest(ctx, out, nil)
	if err != nil {
		return nil, err
	}
	o, err := recordedOptions(m, flags, isS3(where.Output))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", out.URI(manifestName), err)
	}
	if err := samePlace(where.Output, o.spec.Output); err != nil {
		return nil, err
	}
	return o, inputsThere(&o.spec)
}

// retryable tells whether there is something to retry. That there is nothing
// is no error; a job that is not that far is one.
func (a *app) retryable(dir string, s *transform.Status) (bool, error) {
	switch {
	case s.State == transform.JobNone:
		return false, noJob(dir)
	case s.State == transform.JobRunning:
		return false, &transform.Failure{Class: transform.Superseded, Err: fmt.Errorf("%s: another run of batchmill is at work there", dir),
			Hint: "wait for it"}
	case !s.Manifest || s.State == transform.JobUnfinished && s.Objects.Rebuilt == 0:
		return false, usageError("run its command again first", "%s: the job there is not finished", dir)
	case s.Rejected > 0 && s.Logged.IsZero():
		return false, usageError("redo the job with --restart --overwrite", "%s: the log of the job there is gone, so its rejects cannot be asked about by themselves", dir)
	case s.Retryable > 0 || s.Objects.Rebuilt > 0:
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
// over it. Whoever can write to a bucket can write a manifest. So one from S3
// does not say where S3 is, who gets records, or what is read from this
// machine's disk. One on disk is trusted like the command line.
func recordedOptions(m *manifest.Manifest, flags *pflag.FlagSet, fromS3 bool) (*options, error) {
	o := &options{}
	merged := o.flags()
	if err := decodeConfig(m.Config, &o.spec); err != nil {
		return nil, usageError("use the batchmill that wrote it, or run the job's own command with --restart --overwrite", "config: %w", err)
	}
	s := &o.spec
	s.Restart, s.Overwrite = false, false
	if fromS3 {
		s.S3Endpoint, s.S3PathStyle = "", "" // the flags or the environment, as for the manifest
		if err := onlyByFlags(s, flags); err != nil {
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

// onlyByFlags refuses what a manifest on S3 would have to be believed.
func onlyByFlags(s *transform.Spec, flags *pflag.FlagSet) error {
	if !hostsNamed(flags) {
		return usageError("name the hosts with --host, or what to start with --image or --command", "a manifest on S3 does not say who gets records: others may have written it")
	}
	inputs := append(slices.Clone(s.Input), s.InputManifest)
	onDisk := slices.IndexFunc(inputs, func(in string) bool { return in != "" && !isS3(in) })
	if onDisk >= 0 && !flags.Changed("input") && !flags.Changed("input-manifest") {
		return usageError("name the inputs again with --input or --input-manifest",
			"a manifest on S3 does not say what is read from this disk (%s): others may have written it", inputs[onDisk])
	}
	return nil
}

// decodeConfig reads the configuration in a manifest, whose keys are the flags'
// names with underscores.
func decodeConfig(config json.RawMessage, s *transform.Spec) error {
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
	same, err := transform.SameOutput(output, recorded)
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
func inputsThere(s *transform.Spec) error {
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
