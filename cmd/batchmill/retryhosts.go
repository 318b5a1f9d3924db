package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/transform/job"
)

// hostsNamed tells whether the flags say who is asked. Then they say all of it.
func hostsNamed(flags *pflag.FlagSet) bool {
	return flags.Changed("host") || flags.Changed("image") || flags.Changed("command")
}

// hostsAnew takes out of a job's recorded settings what only the command line
// may say: what is run, and what is secret. It refuses to go on without it where
// the job needed it.
func hostsAnew(s *job.Spec, flags *pflag.FlagSet) error {
	named := hostsNamed(flags)
	switch {
	case !named && slices.ContainsFunc(s.Hosts, func(h string) bool { return strings.Contains(h, "[redacted]") }):
		return usageError("name the hosts again with --host", "the query of a host's URL is not kept there")
	case !named && s.Command != "":
		return usageError("give --command again", "the job's hosts were started with a command, and only the command line says what is run")
	case !named && s.Image != "":
		return usageError("give --image again, with all its flags", "the job's hosts were started from the image %s, and only the command line says what may run here, and what it may see", s.Image)
	case len(s.HostHeader) > 0 && (!named || flags.Changed("host")) && !flags.Changed("host-header"):
		return usageError("give --host-header again; secrets go only where the command line says", "the job sent its own headers to its hosts")
	}
	s.HostHeader = nil
	for _, r := range []struct {
		flag  string
		field *string
	}{
		{"host-bearer", &s.HostBearer}, {"host-basic", &s.HostBasic}, {"host-ca", &s.HostCA},
		{"host-cert", &s.HostCert}, {"host-key", &s.HostKey}, {"host-server-name", &s.HostTLSName},
	} {
		if *r.field != "" && !named && !flags.Changed(r.flag) {
			return usageError("give --"+r.flag+" again, or name other hosts with --host", "the job reached its hosts with --%s; secrets go only where the command line says", r.flag)
		}
		*r.field = ""
	}
	withoutContainers(s)
	if named {
		s.Hosts, s.Image, s.Command, s.Replicas = nil, "", "", 0
	}
	return nil
}

// withoutContainers forgets what a manifest says about containers, but for the image.
func withoutContainers(s *job.Spec) {
	s.Model, s.Env, s.EnvFile, s.Network, s.GPUs = "", nil, nil, "", ""
	s.ContainerMemory, s.ContainerCPUs, s.ContainerPids, s.ContainerAllow, s.ContainerTmpfs = 0, 0, 0, nil, nil
}
