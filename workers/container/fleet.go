package container

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
)

// A Fleet is the containers of one job, and what the containers share. The methods may
// be called concurrently.
type Fleet struct {
	options  Options
	engine   *client.Client
	info     system.Info
	image    imageFacts
	gpus     gpus
	me       owner
	token    string // part of the names of all containers and networks
	hosts    []*Host
	patience patience

	mu          sync.Mutex
	keptHosts   int    // hosts that are in Keep now
	model       string // the directory to mount; "" before acquireShared, or without a model
	temp        string // the fleet's own temporary directory; "" before makeTemp
	sharedError error  // why makeShared failed
}

// Open finds the engine and the image, and checks the options against what the engine
// can do. Open starts and writes nothing; the caller closes the fleet. The error is an
// *EngineError, a *MissingImageError, that of ctx, or about an option.
func Open(ctx context.Context, o Options) (_ *Fleet, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	f := &Fleet{options: o, me: myself(), token: newToken(), patience: usualPatience}
	if f.gpus, err = parseGPUs(o.GPUs); err != nil {
		return nil, err
	}
	if directory, err := o.modelDirectory(); err != nil {
		return nil, err
	} else if directory == "" && o.Model != "" {
		if err := checkArchive(ctx, o.Model, checkedModelBytes); err != nil {
			return nil, err
		}
	}
	if f.engine, err = dial(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if f.image, f.info, err = askEngine(ctx, f.engine, o.Image); err != nil {
		return nil, err
	}
	if err := f.checkEngine(); err != nil {
		return nil, err
	}
	for i := range o.replicas() {
		h, err := newHost(f, i)
		if err != nil {
			return nil, err
		}
		f.hosts = append(f.hosts, h)
	}
	return f, nil
}

// newToken is a short text that no other fleet has.
func newToken() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x", b)
}

// checkEngine makes sure that the engine can do what the options ask for. A limit that
// the engine would ignore is an error.
func (f *Fleet) checkEngine() error {
	if f.info.OSType != "" && f.info.OSType != "linux" {
		return fmt.Errorf("--image: the container engine runs %s containers: switch it to Linux ones", f.info.OSType)
	}
	if f.options.internal() && !reachesAddresses(&f.info, runtime.GOOS) {
		return fmt.Errorf("--network %s: the containers' own addresses cannot be reached from here, for the engine runs in a machine or a network of its own: use --network %s, from where servers reach what the engine's machine reaches", Internal, Bridge)
	}
	for _, l := range []struct {
		has   bool
		what  string
		allow string
	}{
		{f.info.MemoryLimit, "memory", AllowUnlimitedMemory},
		{f.info.CPUCfsQuota || f.info.CgroupVersion == "2", "processor", AllowUnlimitedCPUs},
		{f.info.PidsLimit, "process", AllowUnlimitedPids},
	} {
		if !l.has && !f.options.allows(l.allow) {
			return fmt.Errorf("--image: the container engine sets no %s limits here: let it (cgroup v2 with delegation, where it is rootless), or go without by --container-allow %s", l.what, l.allow)
		}
	}
	if f.info.MemTotal <= 0 && f.options.Memory == 0 && !f.options.allows(AllowUnlimitedMemory) {
		return errors.New("--image: the container engine does not tell how much memory it has: set --container-memory")
	}
	if f.info.NCPU <= 0 && f.options.CPUs == 0 && !f.options.allows(AllowUnlimitedCPUs) {
		return errors.New("--image: the container engine does not tell how many processors it has: set --container-cpus")
	}
	if total := f.info.MemTotal; total > 0 && f.options.Memory > total {
		return fmt.Errorf("--container-memory is %d bytes, and the engine's machine has %d: lower it", f.options.Memory, total)
	}
	if n := f.info.NCPU; n > 0 && f.options.CPUs > float64(n) {
		return fmt.Errorf("--container-cpus is %v, and the engine's machine has %d: lower it", f.options.CPUs, n)
	}
	there, known := countGPUs(&f.info, gpusOfDriver)
	return f.gpus.check(f.options.replicas(), there, known)
}

// reachesAddresses tells whether a program on this machine can connect to a container's
// own address: not where the engine runs in a virtual machine or is rootless.
func reachesAddresses(engine *system.Info, goos string) bool {
	return goos == "linux" && engine.OperatingSystem != "Docker Desktop" && !slices.ContainsFunc(engine.SecurityOptions, func(o string) bool {
		return o == "name=rootless"
	})
}

// Image is Options.Image, and the digest of the image that had this name when the
// fleet was opened: the hash of the image's content and configuration.
func (f *Fleet) Image() (name, digest string) { return f.options.Image, f.image.digest }

// Hosts is the fleet's hosts, each of which starts with its Keep. The slice belongs to
// the fleet.
func (f *Fleet) Hosts() []*Host { return f.hosts }

// Close closes the connection to the engine and removes temporary files. Every Keep
// must have returned.
func (f *Fleet) Close() error {
	for _, h := range f.hosts {
		h.http.Close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.engine.Close()
	if f.temp == "" {
		return err
	}
	return errors.Join(err, os.RemoveAll(f.temp))
}

// acquireShared makes what the hosts share, for the first host. After a failure every
// host gets the same error, for a second try would fail, too. Each acquireShared
// without an error needs a releaseShared.
func (f *Fleet) acquireShared(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sharedError != nil {
		return f.sharedError
	}
	if f.keptHosts == 0 {
		err := f.makeShared(ctx)
		if err != nil {
			err = errors.Join(err, f.removeShared(ctx))
			if ctx.Err() == nil {
				f.sharedError = err
			}
			return err
		}
	}
	f.keptHosts++
	return nil
}

// releaseShared removes what the hosts share when no other host is in Keep.
func (f *Fleet) releaseShared(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keptHosts--; f.keptHosts > 0 {
		return nil
	}
	return f.removeShared(ctx)
}

func (f *Fleet) makeShared(ctx context.Context) (err error) {
	if f.model, err = f.options.modelDirectory(); err != nil {
		return err
	}
	if f.model == "" && f.options.Model != "" {
		if err := f.makeTemp(); err != nil {
			return err
		}
		f.model = filepath.Join(f.temp, "model")
		if err := unpackFile(ctx, f.options.Model, f.model); err != nil {
			return err
		}
	}
	if f.options.internal() {
		return f.makeNetwork(ctx)
	}
	return nil
}

// removeShared removes what makeShared made, within a bounded time.
func (f *Fleet) removeShared(ctx context.Context) error {
	err := f.removeNetwork(ctx)
	if f.temp != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(f.temp, "model")))
	}
	return err
}
