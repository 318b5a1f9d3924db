package container

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// modelTarget is where servers find their model.
const modelTarget = "/opt/ml/model"

var servedPort = network.MustParsePort(port + "/tcp")

// request is what the engine is told to create for replica i.
func (f *Fleet) request(i int, name string) client.ContainerCreateOptions {
	labels := f.labels()
	labels[labelHost] = strconv.Itoa(i + 1)
	c := &container.Config{
		Image:        f.image.digest,
		Cmd:          []string{"serve"},
		Env:          f.o.Env,
		Labels:       labels,
		ExposedPorts: network.PortSet{servedPort: {}},
		// Ours is the ping; the image's own would cost it processor time.
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	h := &container.HostConfig{
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		ReadonlyRootfs: !f.o.allows(AllowWritableRoot),
		Init:           ptr(true),
		LogConfig:      container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "2"}},
		Resources:      f.resources(),
	}
	h.DeviceRequests = f.gpus.requests(i)
	h.ShmSize = f.shared(h.Memory)
	if !f.o.allows(AllowCapabilities) {
		h.CapDrop = []string{"ALL"}
	}
	if !f.o.allows(AllowNewPrivileges) {
		h.SecurityOpt = []string{"no-new-privileges"}
	}
	if h.ReadonlyRootfs {
		h.Tmpfs = temporary(h.Memory, f.image.volumes)
	}
	if f.model != "" {
		delete(h.Tmpfs, modelTarget)
		h.Mounts = []mount.Mount{{Type: mount.TypeBind, Source: f.model, Target: modelTarget, ReadOnly: true}}
	}
	f.connect(h)
	return client.ContainerCreateOptions{Name: name, Config: c, HostConfig: h}
}

func ptr[T any](v T) *T { return &v }

// connect puts the container where its port can be reached, from this machine only.
func (f *Fleet) connect(h *container.HostConfig) {
	if f.o.Network == Internal {
		h.NetworkMode = container.NetworkMode(f.networkName())
		return
	}
	h.NetworkMode = "bridge"
	h.PortBindings = network.PortMap{servedPort: {{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1})}}} // any free port
}

// resources are the container's limits.
func (f *Fleet) resources() container.Resources {
	var r container.Resources
	if !f.o.allows(AllowUnlimitedMemory) {
		r.Memory = f.memory()
		if f.info.SwapLimit {
			r.MemorySwap = r.Memory // no swap on top
		}
	}
	if !f.o.allows(AllowUnlimitedCPUs) {
		r.NanoCPUs = int64(f.cpus() * 1e9)
	}
	if !f.o.allows(AllowUnlimitedPids) {
		pids := f.o.Pids
		if pids == 0 {
			pids = DefaultPids
		}
		r.PidsLimit = &pids
	}
	return r
}

// memory is what a container may have: by default a share of seven eighths of
// the machine's, so that the containers together leave some to batchmill.
func (f *Fleet) memory() int64 {
	if f.o.Memory > 0 {
		return f.o.Memory
	}
	return max(leastMemory, f.info.MemTotal/8*7/int64(f.o.replicas()))
}

// cpus is how many processors' time a container may have.
func (f *Fleet) cpus() float64 {
	if f.o.CPUs > 0 {
		return f.o.CPUs
	}
	return max(leastCPUs, float64(f.info.NCPU)/float64(f.o.replicas()))
}

// shared is the size of /dev/shm, in bytes: servers of many processes pass tensors
// through it. What is in it counts as the container's memory.
func (f *Fleet) shared(memory int64) int64 {
	if memory == 0 {
		memory = f.info.MemTotal / int64(f.o.replicas())
	}
	return max(64<<20, memory/2)
}

// temporary are the directories that can be written to where the root cannot.
// What is in them counts as memory. /tmp may hold programs: servers in Java, and
// not only they, unpack libraries there. The image's volumes are among them: the
// engine would put each on this machine's disk, without a bound.
func temporary(memory int64, volumes []string) map[string]string {
	size := ""
	if memory > 0 {
		size = fmt.Sprintf(",size=%d", memory)
	}
	list := map[string]string{}
	for _, v := range volumes {
		list[v] = "rw,exec,nosuid,nodev,mode=1777" + size
	}
	list["/tmp"] = "rw,exec,nosuid,nodev,mode=1777" + size
	list["/run"] = "rw,noexec,nosuid,nodev,mode=755" + size
	return list
}
