package container

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
)

// routelessAPI is the first version of the engine's API whose internal networks have no
// default route.
const routelessAPI = "1.44"

// noResolver is an address for documentation (RFC 5737), where nobody answers. Engines
// before 26 forward questions from an internal network to a resolver on this machine's
// loopback (CVE-2024-29018), but not to another address.
var noResolver = netip.AddrFrom4([4]byte{192, 0, 2, 1})

// makeNetwork makes the fleet's own network, which has no route outside, and whose
// containers do not reach each other. makeNetwork says once what stays open. Called
// with mu held.
func (f *Fleet) makeNetwork(ctx context.Context) error {
	ctx, cancel := f.finishing(ctx)
	defer cancel()
	var failed error
	for range 3 { // another network may take the subnet between two requests
		at, err := f.createNetwork(ctx, network.IPAMConfig{})
		if err == nil && versions.LessThan(f.engine.ClientVersion(), routelessAPI) {
			at, err = f.withoutRoute(ctx, at)
		}
		if err == nil {
			f.saysOpen(at.Gateway)
			return nil
		}
		failed = err
		_, _ = f.engine.NetworkRemove(ctx, f.networkName(), client.NetworkRemoveOptions{}) // removeNetwork says what is left
	}
	return fmt.Errorf("--network %s: the container engine made none: %w: --network %s does without", Internal, failed, Bridge)
}

// createNetwork makes the network with addresses as given, else with those that the
// engine picks, and returns them.
func (f *Fleet) createNetwork(ctx context.Context, given network.IPAMConfig) (at network.IPAMConfig, err error) {
	o := client.NetworkCreateOptions{
		Driver: "bridge", Internal: true, Labels: f.labels(), EnableIPv6: ptr(false),
		Options: map[string]string{"com.docker.network.bridge.enable_icc": "false"},
	}
	if given.Subnet.IsValid() {
		o.IPAM = &network.IPAM{Config: []network.IPAMConfig{given}}
	}
	if _, err := f.engine.NetworkCreate(ctx, f.networkName(), o); err != nil || given.Subnet.IsValid() {
		return given, err
	}
	made, err := f.engine.NetworkInspect(ctx, f.networkName(), client.NetworkInspectOptions{})
	if err != nil {
		return at, err
	}
	for _, at := range made.Network.IPAM.Config {
		if at.Subnet.Addr().Is4() {
			return at, nil
		}
	}
	return at, fmt.Errorf("the engine does not tell the subnet of %s", f.networkName())
}

// withoutRoute makes the network once more, with a default route to an address that no
// container gets. Older engines route to the bridge, and so to every address of this
// machine, where some clouds and their agents answer as the metadata service.
func (f *Fleet) withoutRoute(ctx context.Context, at network.IPAMConfig) (network.IPAMConfig, error) {
	if _, err := f.engine.NetworkRemove(ctx, f.networkName(), client.NetworkRemoveOptions{}); err != nil {
		return at, err
	}
	at.AuxAddress = map[string]netip.Addr{"DefaultGatewayIPv4": lastOf(at.Subnet)}
	return f.createNetwork(ctx, at)
}

// lastOf is the last address of an IPv4 subnet that a machine can have.
func lastOf(subnet netip.Prefix) netip.Addr {
	first := subnet.Masked().Addr().As4()
	last := binary.BigEndian.Uint32(first[:]) | (1<<(32-subnet.Bits()) - 1)
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, last-1)))
}

// saysOpen tells what containers reach all the same: batchmill connects to them from
// the bridge's address, and what listens on all addresses listens there too.
func (f *Fleet) saysOpen(bridge netip.Addr) {
	if f.options.Notice != nil && bridge.IsValid() {
		f.options.Notice(fmt.Sprintf("containers have no route outside; they still reach what listens on all addresses of this machine, at %v (docs/containers.md, Networks)", bridge))
	}
}

func (f *Fleet) networkName() string { return "batchmill-" + f.token }

// removeNetwork removes the network by its name, for the network may exist even though
// makeNetwork failed. Called with mu held.
func (f *Fleet) removeNetwork(ctx context.Context) error {
	if !f.options.internal() {
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

// The labels of all containers and networks.
const (
	labelMade  = "batchmill"
	labelOwner = "batchmill.owner"
	labelFor   = "batchmill.for"
	labelHost  = "batchmill.host"
)

func (f *Fleet) labels() map[string]string {
	labels := map[string]string{labelMade: "1", labelOwner: f.me.String()}
	if f.options.Owner != "" {
		labels[labelFor] = f.options.Owner
	}
	return labels
}

// Sweep removes the containers, networks and temporary directories of fleets whose
// process has ended. Those of a process that lives, or may live, stay. A failure does
// not stop the sweep; the error joins all failures.
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
			failed = append(failed, ignoreGone(err))
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
		failed = append(failed, ignoreGone(err))
	}
	return errors.Join(append(failed, sweepTemp(f.me, os.RemoveAll))...)
}

// ignoreGone is err, or nil where another process removes the same thing.
func ignoreGone(err error) error {
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}

// orphan tells whether the owner that labels name has ended.
func (f *Fleet) orphan(labels map[string]string) bool {
	o, err := parseOwner(labels[labelOwner])
	return err == nil && o.ended(f.me)
}
