// Package container starts hosts as containers, the way SageMaker starts them,
// and keeps the containers running until the job is over. The package works with
// any engine on this machine that has the Docker API.
//
// [Open] finds the engine and the image, and starts nothing. [Host.Keep] starts the
// container of a host, always from the image's digest: a tag that moves meanwhile
// changes nothing. A container gets as little as servers need; further rights are
// named one by one ([Options].Allow). All containers, networks and folders bear the
// name of their owner, a process, so that [Fleet.Sweep] can remove what a killed
// process left, and nothing else.
package container

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/hostlog"
)

// The networks that containers can be in.
const (
	// Internal is a network of the fleet's own, without a route outside. Hosts are
	// reached by their containers' addresses.
	Internal = "internal"
	// Bridge is the engine's own network, from which containers reach what this machine
	// reaches; the port is published on 127.0.0.1.
	Bridge = "bridge"
)

// The restrictions of a container, by the names that lift them.
const (
	AllowCapabilities    = "capabilities"     // the engine's default capabilities, not none
	AllowNewPrivileges   = "new-privileges"   // setuid programs may gain privileges
	AllowWritableRoot    = "writable-root"    // files of the image can be changed, in the container
	AllowUnlimitedMemory = "unlimited-memory" // all memory of the machine
	AllowUnlimitedCPUs   = "unlimited-cpus"   // all processors of the machine
	AllowUnlimitedPids   = "unlimited-pids"   // as many processes and threads as the machine has
)

// Restrictions lists the names that Options.Allow may hold.
func Restrictions() []string {
	return []string{AllowCapabilities, AllowNewPrivileges, AllowWritableRoot, AllowUnlimitedMemory, AllowUnlimitedCPUs, AllowUnlimitedPids}
}

// DefaultPids is the most processes and threads that a container has by default.
const DefaultPids = 4096

// The least memory in bytes and the least processors that the engine takes, and the
// most hosts of a fleet.
const (
	leastMemory = 16 << 20
	leastCPUs   = 0.01
	mostHosts   = 1024
)

// Options describe the containers of one job. Image is needed.
type Options struct {
	// Image is the name by which the engine knows the image, or the image's ID.
	Image string
	// Replicas is the number of containers at a time; 0 is one.
	Replicas int
	// Model is a directory, or a .tar.gz that is unpacked, which each container
	// finds read-only at /opt/ml/model; "" is no model.
	Model string
	// Env is the container's variables as NAME=VALUE. Of a name that stands twice the
	// last value wins. Values are never printed.
	Env []string
	// Network is Internal or Bridge; "" is Internal.
	Network string
	// GPUs is "" for no GPU, "all", a number, or "per-replica=N".
	GPUs string
	// Memory (in bytes), CPUs and Pids bound each container. 0 is the default: an equal
	// share of the machine's memory and processors, and DefaultPids.
	Memory int64
	CPUs   float64
	Pids   int64
	// Allow names the restrictions that are lifted; see Restrictions.
	Allow []string
	// Tmpfs are directories, as absolute paths, that a container can write to, in memory.
	Tmpfs []string
	// Logs keeps what the containers print. Needed; the caller closes Logs after the
	// fleet.
	Logs *hostlog.Dir `json:"-"`
	// Owner is a label of all containers and networks, for people: the job, for example.
	Owner string
	// Notice gets a line about each container that ended, and is called from several
	// goroutines; nil for no notices.
	Notice func(string) `json:"-"`
	// HTTP describes the hosts. HTTP.URL, HTTP.Dial and HTTP.Name are ignored.
	HTTP workers.HTTPOptions
}

// Validate names the flag of the option that is wrong, and the fix. Validate looks for
// the model on the disk, and does not ask the engine.
func (o *Options) Validate() error {
	switch {
	case o.Image == "":
		return errors.New("--image: no name")
	case o.Logs == nil:
		return errors.New("no place for logs")
	case o.Replicas < 0 || o.Replicas > mostHosts:
		return fmt.Errorf("--replicas is %d: give a number from 1 to %d", o.Replicas, mostHosts)
	case !slices.Contains([]string{"", Bridge, Internal}, o.Network):
		return fmt.Errorf("--network %q is not known: use %s or %s", o.Network, Internal, Bridge)
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
	if err := o.checkTmpfs(); err != nil {
		return err
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

// checkTmpfs refuses what is no directory below the root, and the model's own.
func (o *Options) checkTmpfs() error {
	for _, p := range o.Tmpfs {
		switch {
		case !path.IsAbs(p) || path.Clean(p) != p || p == "/" || strings.ContainsAny(p, ":,\x00"):
			return fmt.Errorf("--container-tmpfs %q: give the absolute path of a folder in the container, such as /var/cache/model", p)
		case p == modelTarget && o.Model != "":
			return fmt.Errorf("--container-tmpfs %s is where --model goes: leave one out", p)
		}
	}
	return nil
}

// checkTogether refuses a limit that is both lifted and set.
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

func (o *Options) internal() bool { return o.Network != Bridge }

func (o *Options) replicas() int { return max(1, o.Replicas) }

// checkModel makes sure that the model exists and can be mounted.
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

// modelDirectory is the whole path of a model that is a directory, else "".
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
