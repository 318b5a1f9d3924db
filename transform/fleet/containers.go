package fleet

import (
	"context"
	"errors"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/container"
)

// addContainers adds the hosts that --image names. The engine and the image are
// found, and nothing is started.
func (f *Fleet) addContainers(ctx context.Context, spec *job.Spec, o workers.HTTPOptions) error {
	options, err := f.containerOptions(spec)
	if err != nil {
		return job.Usagef("", "%w", err)
	}
	options.HTTP, options.Logs = o, f.logs
	containers, err := container.Open(ctx, options)
	if err != nil {
		return containerFailure(err)
	}
	f.containers = containers
	f.closers = append(f.closers, func() {
		if err := containers.Close(); err != nil {
			options.Notice(err.Error())
		}
	})
	for _, h := range containers.Hosts() {
		f.add(h, func() {}) // the containers are closed together
	}
	return nil
}

// containerOptions are what spec says about containers.
func (f *Fleet) containerOptions(spec *job.Spec) (container.Options, error) {
	contract := container.Contract{MaxPayload: int64(spec.BatchBytes), SingleRecord: spec.BatchRecords == 1, MaxConcurrent: int(spec.Concurrency)}
	env := contract.Env()
	for _, name := range spec.EnvFile {
		more, err := container.EnvFile(name, f.options.LookupEnv)
		if err != nil {
			return container.Options{}, err
		}
		env = append(env, more...)
	}
	for _, e := range spec.Env {
		e, err := container.Variable(e, f.options.LookupEnv)
		if err != nil {
			return container.Options{}, err
		}
		env = append(env, e)
	}
	return container.Options{Image: spec.Image, Replicas: spec.Replicas, Model: spec.Model, Env: env, Network: spec.Network, GPUs: spec.GPUs,
		Memory: int64(spec.ContainerMemory), CPUs: spec.ContainerCPUs, Pids: int64(spec.ContainerPids), Allow: spec.ContainerAllow, Tmpfs: spec.ContainerTmpfs,
		Owner: spec.Output, Notice: f.options.Notice}, nil
}

// containerFailure gives an error from before the start its class.
func containerFailure(err error) error {
	var away *container.EngineError
	var missing *container.MissingImageError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &away):
		return &job.Failure{Class: job.NoHosts, Err: err, Hint: away.Hint()}
	case errors.As(err, &missing):
		return job.Usagef(missing.Hint(), "%w", err)
	}
	return job.Usagef("", "%w", err)
}
