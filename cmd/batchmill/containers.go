package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/container"
)

// addContainers adds the hosts that --image has started. It finds the engine and
// the image, and starts nothing.
func (a *app) addContainers(ctx context.Context, f *fleet, spec *transform.Spec, o workers.HTTPOptions) error {
	options, err := a.containerOptions(spec)
	if err != nil {
		return usageError("", "%w", err)
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
		f.add(h, func() {}) // they are closed together
	}
	return nil
}

// containerOptions are what spec says about containers.
func (a *app) containerOptions(spec *transform.Spec) (container.Options, error) {
	contract := container.Contract{MaxPayload: int64(spec.BatchBytes), SingleRecord: spec.BatchRecords == 1, MaxConcurrent: int(spec.Concurrency)}
	env := contract.Env()
	for _, name := range spec.EnvFile {
		more, err := container.EnvFile(name, a.lookupEnv)
		if err != nil {
			return container.Options{}, err
		}
		env = append(env, more...)
	}
	for _, e := range spec.Env {
		e, err := container.Variable(e, a.lookupEnv)
		if err != nil {
			return container.Options{}, err
		}
		env = append(env, e)
	}
	o := container.Options{Image: spec.Image, Replicas: spec.Replicas, Model: spec.Model, Env: env, Network: spec.Network, GPUs: spec.GPUs,
		Memory: int64(spec.ContainerMemory), CPUs: spec.ContainerCPUs, Pids: int64(spec.ContainerPids), Allow: spec.ContainerAllow,
		Owner: spec.Output, Notice: a.notice()}
	return o, nil
}

// notice tells on stderr what happens beside the job. It may be called at any
// time, from any goroutine; its text may come from a container.
func (a *app) notice() func(string) {
	var mu sync.Mutex
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		clear := ""
		if a.width() > 0 {
			clear = clearLine
		}
		_, _ = io.WriteString(a.stderr, fmt.Sprintf("%sbatchmill: %s\n", clear, escape(text)))
	}
}

// containerFailure gives an error from before the start its class.
func containerFailure(err error) error {
	var away *container.EngineError
	var missing *container.MissingImageError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &away):
		return &transform.Failure{Class: transform.NoHosts, Err: err, Hint: away.Hint()}
	case errors.As(err, &missing):
		return usageError(missing.Hint(), "%w", err)
	}
	return usageError("", "%w", err)
}

// prepare makes ready for a run of plan, with which nothing has begun yet: it
// binds the plan to the image, and removes what runs that were killed left.
func (a *app) prepare(ctx context.Context, f *fleet, plan *transform.Plan) {
	if f.containers == nil {
		return
	}
	plan.SetImage(f.containers.Image())
	if err := f.containers.Sweep(ctx); err != nil && ctx.Err() == nil {
		a.notice()("what an earlier run left could not be removed: " + err.Error())
	}
}
