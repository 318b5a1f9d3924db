package job

import (
	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/process"
)

// checkHosts checks who is to be asked. That the job has hosts at all is the caller's
// business: a plan can be looked at without hosts.
func (s *Spec) checkHosts() error {
	secure := false
	for _, h := range s.Hosts {
		a, err := workers.ParseAddress(h)
		if err != nil {
			return Usagef("", "%w", err)
		}
		secure = secure || a.Secure()
	}
	switch {
	case s.Image != "" && s.Command != "":
		return Usagef("leave out one of them", "--image and --command both say how to start hosts")
	case s.Replicas != 0 && s.Image == "" && s.Command == "":
		return Usagef("give the hosts to start with --image or --command", "--replicas %d: nothing is to be started", s.Replicas)
	}
	if s.Command != "" {
		if _, err := process.Split(s.Command); err != nil {
			return Usagef("", "--command: %w", err)
		}
	}
	return s.checkAccess(secure)
}

// checkAccess checks that the flags about reaching hosts have hosts to be about. Secure
// tells that a host is reached by TLS.
func (s *Spec) checkAccess(secure bool) error {
	if s.HostBearer != "" && s.HostBasic != "" {
		return Usagef("leave out one of them", "--host-bearer and --host-basic are both credentials")
	}
	started := s.Image != "" || s.Command != ""
	if (s.HostBearer != "" || s.HostBasic != "") && len(s.Hosts) == 0 && started {
		return Usagef("leave it out, or name the host with --host", "--host-bearer and --host-basic are for hosts that --host names: those that are started do not get them")
	}
	if len(s.HostHeader) > 0 && len(s.Hosts) == 0 && started {
		return Usagef("leave it out, or name the host with --host", "--host-header is for hosts that --host names: those that are started do not get it")
	}
	overTLS := s.HostCA != "" || s.HostCert != "" || s.HostKey != "" || s.HostTLSName != ""
	if overTLS && !secure && (started || len(s.Hosts) > 0) {
		return Usagef("write https:// in the URL, or leave them out", "--host-ca, --host-cert, --host-key and --host-server-name are about TLS, and no --host is https")
	}
	return nil
}

// checkImage refuses what only containers have where there are none, and hosts
// of two kinds.
func (s *Spec) checkImage() error {
	if s.Image != "" {
		if len(s.Hosts) > 0 {
			return Usagef("leave out one of them", "--image and --host both name the hosts")
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
		{"--container-tmpfs", len(s.ContainerTmpfs) > 0},
	} {
		if f.set {
			return Usagef("name the image with --image, or leave this out", "%s is for containers, and there is no --image", f.name)
		}
	}
	return nil
}
