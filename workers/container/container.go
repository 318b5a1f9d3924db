// Package container starts hosts as containers, the way SageMaker starts them,
// and keeps them running until the job is over. It speaks to any engine that
// has the Docker API on this machine.
//
// [Open] finds the engine and the image, and starts nothing. The fleet's hosts
// ([Host]) are started by their Keep, one container each, always from the
// image's digest: a tag that moves meanwhile changes nothing. A container gets as
// little as servers need; what it may have beyond that is named one by one
// ([Options].Allow). All that is started bears labels that name its owner, so
// that [Fleet.Sweep] can remove what a killed process left, and nothing else.
package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/hostlog"
)

// Networks that containers can be in.
const (
	// Bridge is the engine's own network; the port is published on 127.0.0.1.
	Bridge = "bridge"
	// Internal is a network of the fleet's own, without a way out. Hosts are
	// reached by their containers' addresses.
	Internal = "internal"
)

// The restrictions of a container, by the names that lift them.
const (
	AllowCapabilities    = "capabilities"     // the engine's default capabilities, not none
	AllowNewPrivileges   = "new-privileges"   // setuid programs may gain privileges
	AllowWritableRoot    = "writable-root"    // files of the image can be changed, in the container
	AllowUnlimitedMemory = "unlimited-memory" // all of the machine's
	AllowUnlimitedCPUs   = "unlimited-cpus"   // all of the machine's
	AllowUnlimitedPids   = "unlimited-pids"   // as many processes and threads as the machine has
)

// Restrictions lists what Options.Allow may hold.
func Restrictions() []string {
	return []string{AllowCapabilities, AllowNewPrivileges, AllowWritableRoot, AllowUnlimitedMemory, AllowUnlimitedCPUs, AllowUnlimitedPids}
}

// DefaultPids is how many processes and threads a container may have.
const DefaultPids = 4096

// Limits of what the engine takes.
const (
	leastMemory = 16 << 20
	leastCPUs   = 0.01
	mostHosts   = 1024
)

// Options describe the containers of one job. Image is needed.
type Options struct {
	// Image is the image's name, as the engine knows it, or its ID.
	Image string
	// Replicas is how many containers there are; 0 is one.
	Replicas int
	// Model is a directory, or a .tar.gz that is unpacked, that stands
	// read-only at /opt/ml/model in each container; "" is none.
	Model string
	// Env are variables as NAME=VALUE. The last of a name wins, over those of
	// the contract too. Values are never printed.
	Env []string
	// Network is Bridge or Internal; "" is Bridge.
	Network string
	// GPUs is "" for none, "all", a number, or "per-replica=N".
	GPUs string
	// Memory (bytes), CPUs and Pids bound each container. 0 is the default: of
	// memory and processors an equal share of the engine's, DefaultPids.
	Memory int64
	CPUs   float64
	Pids   int64
	// Allow are the restrictions that are lifted; see Restrictions.
	Allow []string
	// Logs is where what containers print is kept. The caller's own, who closes it
	// after the fleet. Needed.
	Logs *hostlog.Dir `json:"-"`
	// Owner is shown in a label of all that is started: what it belongs to.
	Owner string
	// Notice is told, in one line, what happened to a container that ended. It
	// is called from several goroutines. May be nil.
	Notice func(string) `json:"-"`
	// HTTP is what all hosts have in common. URL, Dial and Name are not used.
	HTTP workers.HTTPOptions
}

// Validate names the option that is wrong, by its flag, and the fix. It looks
// at the disk for the model, and does not ask the engine.
func (o *Options) Validate() error {
	switch {
	case o.Image == "":
		return errors.New("--image: no name")
	case o.Logs == nil:
		return errors.New("no place for logs")
	case o.Replicas < 0 || o.Replicas > mostHosts:
		return fmt.Errorf("--replicas is %d: give a number from 1 to %d", o.Replicas, mostHosts)
	case !slices.Contains([]string{"", Bridge, Internal}, o.Network):
		return fmt.Errorf("--network %q is not known: use %s or %s", o.Network, Bridge, Internal)
	case o.Memory < 0 || o.Memory > 0 && o.Memory < leastMemory:
		return fmt.Errorf("--container-memory is %d bytes: give at least %d", o.Memory, leastMemory)
	case o.CPUs < 0 || o.CPUs > 0 && o.CPUs < leastCPUs || o.CPUs > 1<<20 || o.CPUs != o.CPUs:
		return fmt.Errorf("--container-cpus is %v: give a number from %v on", o.CPUs, leastCPUs)
	case o.Pids < 0:
		return fmt.Errorf("--container-pids is %d: give at least 1", o.Pids)
	}
	if _, err := reference.ParseAnyReference(o.Image); err != nil {
		return fmt.Errorf("--image %q is no image's name: %w", o.Image, err)
	}
	for _, a := range o.Allow {
		if !slices.Contains(Restrictions(), a) {
			return fmt.Errorf("--container-allow %q is not known: use %s", a, strings.Join(Restrictions(), ", "))
		}
	}
	for _, e := range o.Env {
		if err := checkVariable(e); err != nil {
			return err
		}
	}
	if err := o.checkTogether(); err != nil {
		return err
	}
	if _, err := parseGPUs(o.GPUs); err != nil {
		return err
	}
	return o.checkModel()
}

// checkTogether refuses a limit that is lifted and set.
func (o *Options) checkTogether() error {
	for _, l := range []struct {
		allow, flag string
		set         bool
	}{
		{AllowUnlimitedMemory, "--container-memory", o.Memory > 0},
		{AllowUnlimitedCPUs, "--container-cpus", o.CPUs > 0},
		{AllowUnlimitedPids, "--container-pids", o.Pids > 0},
	} {
		if l.set && o.allows(l.allow) {
			return fmt.Errorf("%s and --container-allow %s contradict each other: leave one out", l.flag, l.allow)
		}
	}
	return nil
}

func (o *Options) allows(restriction string) bool { return slices.Contains(o.Allow, restriction) }

func (o *Options) replicas() int { return max(1, o.Replicas) }

// checkModel makes sure that the model is there, and is what can be mounted.
func (o *Options) checkModel() error {
	if o.Model == "" {
		return nil
	}
	info, err := os.Stat(o.Model)
	switch {
	case err != nil:
		return fmt.Errorf("--model: %w: name a directory or a .tar.gz", err)
	case info.IsDir():
		return nil
	case !info.Mode().IsRegular() || !isArchive(o.Model):
		return fmt.Errorf("--model %s is neither a directory nor a .tar.gz", o.Model)
	}
	f, err := os.Open(o.Model)
	if err != nil {
		return fmt.Errorf("--model: %w: it has to be readable", err)
	}
	return f.Close()
}

// modelDirectory is the model's path if that needs no unpacking, else "".
func (o *Options) modelDirectory() (string, error) {
	if o.Model == "" {
		return "", nil
	}
	if info, err := os.Stat(o.Model); err == nil && !info.IsDir() {
		return "", nil
	}
	return filepath.Abs(o.Model)
}

func isArchive(name string) bool {
	return strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz")
}
