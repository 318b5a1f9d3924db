package container

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// modelTarget is the directory in which servers find their model.
const modelTarget = "/opt/ml/model"

var servedPort = network.MustParsePort(port + "/tcp")

// request is the container that the engine is asked to create for replica i.
func (f *Fleet) request(i int, name string) client.ContainerCreateOptions {
	labels := f.labels()
	labels[labelHost] = strconv.Itoa(i + 1)
	c := &container.Config{
		Image:        f.image.digest,
		Cmd:          []string{"serve"},
		Env:          f.options.Env,
		Labels:       labels,
		ExposedPorts: network.PortSet{servedPort: {}},
		// batchmill pings the server; the image's own check would cost processor time.
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	h := &container.HostConfig{
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		ReadonlyRootfs: !f.options.allows(AllowWritableRoot),
		Init:           ptr(true),
		LogConfig:      container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "2"}},
		Resources:      f.resources(),
	}
	h.DeviceRequests = f.gpus.requests(i)
	h.ShmSize = f.shmSize(h.Memory)
	if !f.options.allows(AllowCapabilities) {
		h.CapDrop = []string{"ALL"}
	}
	if !f.options.allows(AllowNewPrivileges) {
		h.SecurityOpt = []string{"no-new-privileges"}
	}
	h.Tmpfs = tmpfs(h.Memory, f.options.Tmpfs)
	if h.ReadonlyRootfs {
		h.Tmpfs = readOnlyTmpfs(h.Memory, slices.Concat(f.image.volumes, f.options.Tmpfs))
	}
	if f.model != "" {
		delete(h.Tmpfs, modelTarget)
		h.Mounts = []mount.Mount{{Type: mount.TypeBind, Source: f.model, Target: modelTarget, ReadOnly: true}}
	}
	f.connect(h)
	return client.ContainerCreateOptions{Name: name, Config: c, HostConfig: h}
}

func ptr[T any](v T) *T { return &v }

// connect makes the container's port reachable from this machine only. In a network of
// the fleet's own no name outside can be looked up, and a try ends within a second.
func (f *Fleet) connect(h *container.HostConfig) {
	if f.options.internal() {
		h.NetworkMode = container.NetworkMode(f.networkName())
		h.DNS, h.DNSOptions = []netip.Addr{noResolver}, []string{"timeout:1", "attempts:1"}
		return
	}
	h.NetworkMode = "bridge"
	h.PortBindings = network.PortMap{servedPort: {{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1})}}} // any free port
}

// resources is the limits of a container.
func (f *Fleet) resources() container.Resources {
	var r container.Resources
	if !f.options.allows(AllowUnlimitedMemory) {
		r.Memory = f.memory()
		if f.info.SwapLimit {
			r.MemorySwap = r.Memory // the container gets no swap
		}
	}
	if !f.options.allows(AllowUnlimitedCPUs) {
		r.NanoCPUs = int64(f.cpus() * 1e9)
	}
	if !f.options.allows(AllowUnlimitedPids) {
		r.PidsLimit = ptr(cmp.Or(f.options.Pids, DefaultPids))
	}
	return r
}

// memory is the bytes of memory that a container may have: by default a share of seven
// eighths of the machine's memory, so that the containers leave an eighth to batchmill.
func (f *Fleet) memory() int64 {
	if f.options.Memory > 0 {
		return f.options.Memory
	}
	return max(leastMemory, f.info.MemTotal/8*7/int64(f.options.replicas()))
}

// cpus is how many processors' time a container may have.
func (f *Fleet) cpus() float64 {
	if f.options.CPUs > 0 {
		return f.options.CPUs
	}
	return max(leastCPUs, float64(f.info.NCPU)/float64(f.options.replicas()))
}

// shmSize is the size of /dev/shm, in bytes, through which servers of many processes
// pass tensors. The bytes in /dev/shm count as the container's memory.
func (f *Fleet) shmSize(memory int64) int64 {
	if memory == 0 {
		memory = f.info.MemTotal / int64(f.options.replicas())
	}
	return max(64<<20, memory/2)
}

// readOnlyTmpfs is the directories in memory that a container with a read-only root
// can write to: those given, /tmp and /run. The image's volumes must be among those given:
// the engine would put each volume on this machine's disk, without a bound.
func readOnlyTmpfs(memory int64, paths []string) map[string]string {
	list := tmpfs(memory, append(paths, "/tmp"))
	list["/run"] = strings.NewReplacer("rw,exec", "rw,noexec", "mode=1777", "mode=755").Replace(list["/tmp"])
	return list
}

// tmpfs is directories in memory; their bytes count as the container's memory. Programs
// there can be executed: servers in Java, among others, unpack libraries into /tmp.
func tmpfs(memory int64, paths []string) map[string]string {
	options := "rw,exec,nosuid,nodev,mode=1777"
	if memory > 0 {
		options += fmt.Sprintf(",size=%d", memory)
	}
	list := map[string]string{}
	for _, p := range paths {
		list[p] = options
	}
	return list
}
