package container

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// makeNetwork makes the fleet's own network: nothing is routed out of it, and its
// containers do not reach each other either. Called with mu held.
func (f *Fleet) makeNetwork(ctx context.Context) error {
	ctx, cancel := f.finishing(ctx)
	defer cancel()
	_, err := f.engine.NetworkCreate(ctx, f.networkName(), client.NetworkCreateOptions{
		Driver: "bridge", Internal: true, Labels: f.labels(),
		Options: map[string]string{"com.docker.network.bridge.enable_icc": "false"},
	})
	if err != nil {
		return fmt.Errorf("--network %s: the container engine made none: %w", Internal, err)
	}
	return nil
}

func (f *Fleet) networkName() string { return "batchmill-" + f.token }

// removeNetwork removes it, by its name where it may have been made without our
// knowing. Called with mu held.
func (f *Fleet) removeNetwork(ctx context.Context) error {
	if f.o.Network != Internal {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.patience.remove)
	defer cancel()
	_, err := f.engine.NetworkRemove(ctx, f.networkName(), client.NetworkRemoveOptions{})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("network %s is left: %w", f.networkName(), err)
	}
	return nil
}

// The labels of all that is made.
const (
	labelMade  = "batchmill"
	labelOwner = "batchmill.owner"
	labelFor   = "batchmill.for"
	labelHost  = "batchmill.host"
)

func (f *Fleet) labels() map[string]string {
	labels := map[string]string{labelMade: "1", labelOwner: f.me.String()}
	if f.o.Owner != "" {
		labels[labelFor] = f.o.Owner
	}
	return labels
}

// Sweep removes what fleets of processes that have ended left: containers,
// networks, temporary directories. What belongs to a process that lives, or may
// live, stays. It does all it can; the error joins what went wrong.
func (f *Fleet) Sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	mine := make(client.Filters).Add("label", labelMade+"=1")
	containers, err := f.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: mine})
	if err != nil {
		return engineFault(ctx, f.engine, err)
	}
	var failed []error
	for _, c := range containers.Items {
		if f.orphan(c.Labels) {
			_, err := f.engine.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
			failed = append(failed, unlessGone(err))
		}
	}
	networks, err := f.engine.NetworkList(ctx, client.NetworkListOptions{Filters: mine})
	if err != nil {
		return errors.Join(append(failed, engineFault(ctx, f.engine, err))...)
	}
	for _, n := range networks.Items {
		if !f.orphan(n.Labels) {
			continue
		}
		_, err := f.engine.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		failed = append(failed, unlessGone(err))
	}
	return errors.Join(append(failed, sweepTemp(f.me, os.RemoveAll))...)
}

// unlessGone drops the error of a removal that somebody else did, or is about to.
func unlessGone(err error) error {
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}

// orphan tells by its labels whether something's owner has ended.
func (f *Fleet) orphan(labels map[string]string) bool {
	o, err := parseOwner(labels[labelOwner])
	return err == nil && o.gone(f.me)
}
