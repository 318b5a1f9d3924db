package container

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/system"
)

// gpus is the value of --gpus. The zero value is no GPU.
type gpus struct {
	count      int // GPUs of all replicas together; -1 is all GPUs
	perReplica int
}

// mostGPUs is more GPUs than any machine has.
const mostGPUs = 1 << 10

func parseGPUs(s string) (gpus, error) {
	wrong := fmt.Errorf("--gpus %q is not known: use all, a number, or per-replica=1", s)
	if s == "" || s == "all" {
		return gpus{count: map[string]int{"all": -1}[s]}, nil
	}
	text, own := strings.CutPrefix(s, "per-replica=")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > mostGPUs {
		return gpus{}, wrong
	}
	if own {
		return gpus{perReplica: n}, nil
	}
	return gpus{count: n}, nil
}

// requests is the device requests of replica i, counted from 0.
func (g gpus) requests(i int) []container.DeviceRequest {
	r := container.DeviceRequest{Capabilities: [][]string{{"gpu"}}}
	switch {
	case g.perReplica > 0:
		for id := i * g.perReplica; id < (i+1)*g.perReplica; id++ {
			r.DeviceIDs = append(r.DeviceIDs, strconv.Itoa(id))
		}
	case g.count != 0:
		r.Count = g.count
	default:
		return nil
	}
	return []container.DeviceRequest{r}
}

// check compares the GPUs that are asked for with there, the machine's GPUs, if known.
func (g gpus) check(replicas, there int, known bool) error {
	want := max(g.count, g.perReplica*replicas)
	switch {
	case !known || want <= there:
		return nil
	case g.perReplica > 0:
		return fmt.Errorf("--gpus per-replica=%d with %d replicas takes %d GPUs, and there are %d: lower --replicas, or let replicas share with --gpus all",
			g.perReplica, replicas, want, there)
	}
	return fmt.Errorf("--gpus %d: there are %d: lower it, or use all", want, there)
}

// gpusOfDriver is where NVIDIA's driver shows a folder for each GPU.
const gpusOfDriver = "/proc/driver/nvidia/gpus"

// countGPUs counts the machine's GPUs as the engine or NVIDIA's driver shows them. Where
// neither shows GPUs the number is not known: the driver may be another one.
func countGPUs(info *system.Info, driver string) (n int, known bool) {
	for _, r := range info.GenericResources {
		if r.NamedResourceSpec != nil && strings.Contains(strings.ToUpper(r.NamedResourceSpec.Kind), "GPU") {
			n, known = n+1, true
		}
		if d := r.DiscreteResourceSpec; d != nil && strings.Contains(strings.ToUpper(d.Kind), "GPU") {
			n, known = n+int(d.Value), true
		}
	}
	if known {
		return n, true
	}
	if folders, err := os.ReadDir(driver); err == nil {
		return len(folders), true
	}
	return 0, false
}
