package transform

// checkImage refuses what only containers have where there are none, and hosts
// of two kinds.
func (s *Spec) checkImage() error {
	if s.Image != "" {
		if len(s.Hosts) > 0 {
			return usage("leave out one of them", "--image and --host both say who is asked")
		}
		return nil
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"--model", s.Model != ""}, {"--env", len(s.Env) > 0}, {"--env-file", len(s.EnvFile) > 0}, {"--network", s.Network != ""},
		{"--gpus", s.GPUs != ""}, {"--container-memory", s.ContainerMemory != 0}, {"--container-cpus", s.ContainerCPUs != 0},
		{"--container-pids", s.ContainerPids != 0}, {"--container-allow", len(s.ContainerAllow) > 0},
	} {
		if f.set {
			return usage("name the image with --image, or leave this out", "%s is for containers, and there is no --image", f.name)
		}
	}
	return nil
}
