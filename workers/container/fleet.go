package container

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
)

// A Fleet is the containers of one job, and what they share. Its methods may
// be called concurrently.
type Fleet struct {
	o        Options
	engine   *client.Client
	info     system.Info
	image    imageFacts
	gpus     gpus
	me       owner
	token    string // in the names of all that is made
	hosts    []*Host
	patience patience

	mu     sync.Mutex
	users  int    // hosts that are kept now
	model  string // the directory to mount, once there; "" none
	temp   string // the fleet's own directory, once there
	failed error  // why what all share could not be made
}

// Open finds the engine, the image and the limits, and checks the options
// against them. It starts and writes nothing; close the fleet all the same. The
// error is an *EngineError or a *MissingImageError, ctx's, or about an option.
func Open(ctx context.Context, o Options) (_ *Fleet, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	f := &Fleet{o: o, me: myself(), token: newToken(), patience: usualPatience}
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
	if f.image, f.info, err = ask(ctx, f.engine, o.Image); err != nil {
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

// newToken is short, and no other fleet's.
func newToken() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x", b)
}

// checkEngine makes sure that the engine can do what is asked of it. A limit
// that it would ignore is no limit.
func (f *Fleet) checkEngine() error {
	if f.info.OSType != "" && f.info.OSType != "linux" {
		return fmt.Errorf("--image: the container engine runs %s containers: switch it to Linux ones", f.info.OSType)
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
		if !l.has && !f.o.allows(l.allow) {
			return fmt.Errorf("--image: the container engine sets no %s limits here: let it (cgroup v2 with delegation, where it is rootless), or go without by --container-allow %s", l.what, l.allow)
		}
	}
	if f.info.MemTotal <= 0 && f.o.Memory == 0 && !f.o.allows(AllowUnlimitedMemory) {
		return errors.New("--image: the container engine does not tell how much memory it has: set --container-memory")
	}
	if f.info.NCPU <= 0 && f.o.CPUs == 0 && !f.o.allows(AllowUnlimitedCPUs) {
		return errors.New("--image: the container engine does not tell how many processors it has: set --container-cpus")
	}
	if total := f.info.MemTotal; total > 0 && f.o.Memory > total {
		return fmt.Errorf("--container-memory is %d bytes, and the engine's machine has %d: lower it", f.o.Memory, total)
	}
	if n := f.info.NCPU; n > 0 && f.o.CPUs > float64(n) {
		return fmt.Errorf("--container-cpus is %v, and the engine's machine has %d: lower it", f.o.CPUs, n)
	}
	there, known := countGPUs(&f.info, gpusOfDriver)
	return f.gpus.check(f.o.replicas(), there, known)
}

// Image is the name that Options gave, and the digest that it stood for when the
// fleet was opened: the hash of the image's content and configuration.
func (f *Fleet) Image() (name, digest string) { return f.o.Image, f.image.digest }

// Hosts are the fleet's hosts, which start when they are kept. The slice is the
// fleet's own.
func (f *Fleet) Hosts() []*Host { return f.hosts }

// Close lets go of the engine and removes temporary files. No host may be kept any more.
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

// join makes what the hosts share, for the first of them. What failed once
// fails for all: nothing of it mends itself. Each join without an error needs a leave.
func (f *Fleet) join(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed != nil {
		return f.failed
	}
	if f.users == 0 {
		err := f.makeShared(ctx)
		if err != nil {
			err = errors.Join(err, f.removeShared(ctx))
			if ctx.Err() == nil {
				f.failed = err
			}
			return err
		}
	}
	f.users++
	return nil
}

// leave removes what the hosts share once no host is kept any more.
func (f *Fleet) leave(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users--; f.users > 0 {
		return nil
	}
	return f.removeShared(ctx)
}

func (f *Fleet) makeShared(ctx context.Context) (err error) {
	if f.model, err = f.o.modelDirectory(); err != nil {
		return err
	}
	if f.model == "" && f.o.Model != "" {
		if err := f.makeTemp(); err != nil {
			return err
		}
		f.model = filepath.Join(f.temp, "model")
		if err := unpackFile(ctx, f.o.Model, f.model); err != nil {
			return err
		}
	}
	if f.o.Network == Internal {
		return f.makeNetwork(ctx)
	}
	return nil
}

// removeShared removes what makeShared made. It takes a bounded time.
func (f *Fleet) removeShared(ctx context.Context) error {
	err := f.removeNetwork(ctx)
	if f.temp != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(f.temp, "model")))
	}
	return err
}
