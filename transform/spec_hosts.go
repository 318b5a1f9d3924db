package transform

import (
	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/process"
)

// checkHosts checks who is to be asked. That somebody is, is the caller's business:
// a plan can be looked at without.
func (s *Spec) checkHosts() error {
	for _, h := range s.Hosts {
		if _, err := workers.ParseAddress(h); err != nil {
			return usage("", "%w", err)
		}
	}
	switch {
	case s.Image != "" && s.Command != "":
		return usage("leave out one of them", "--image and --command both say how to start hosts")
	case s.Replicas != 0 && s.Image == "" && s.Command == "":
		return usage("say what to start with --image or --command", "--replicas %d: nothing is to be started", s.Replicas)
	}
	if s.Command != "" {
		if _, err := process.Split(s.Command); err != nil {
			return usage("", "--command: %w", err)
		}
	}
	return s.checkAccess()
}

// checkAccess checks whom the flags are about that say how hosts are reached.
func (s *Spec) checkAccess() error {
	if s.HostBearer != "" && s.HostBasic != "" {
		return usage("leave out one of them", "--host-bearer and --host-basic both say who is asking")
	}
	started := s.Image != "" || s.Command != ""
	if (s.HostBearer != "" || s.HostBasic != "") && len(s.Hosts) == 0 && started {
		return usage("leave it out, or name the host with --host", "--host-bearer and --host-basic are for hosts that --host names: those that are started do not get them")
	}
	if len(s.HostHeader) > 0 && len(s.Hosts) == 0 && started {
		return usage("leave it out, or name the host with --host", "--host-header is for hosts that --host names: those that are started do not get it")
	}
	secure := false
	for _, h := range s.Hosts {
		a, err := workers.ParseAddress(h)
		if err != nil {
			return err
		}
		secure = secure || a.Secure()
	}
	overTLS := s.HostCA != "" || s.HostCert != "" || s.HostKey != "" || s.HostTLSName != ""
	if overTLS && !secure && (started || len(s.Hosts) > 0) {
		return usage("write https:// in the URL, or leave them out", "--host-ca, --host-cert, --host-key and --host-server-name are about TLS, and no --host is https")
	}
	return nil
}
