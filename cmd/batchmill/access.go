package main

import (
	"github.com/batchmill/batchmill/transform/job"
)

// bindAccess binds how the hosts that --host names are reached.
func bindAccess(b *binder, s *job.Spec) {
	b.title = "Access to the hosts of --host"
	b.list(&s.HostHeader, "host-header", "NAME=@FILE\tor NAME=$VARIABLE: a header for every request to the hosts of --host, its value from a file or the environment; repeatable")
	b.text(&s.HostBearer, "host-bearer", "@FILE\tor $VARIABLE: a bearer token; a changed file is read again")
	b.text(&s.HostBasic, "host-basic", "@FILE\tor $VARIABLE: user:password for basic authentication")
	b.text(&s.HostCA, "host-ca", "FILE\tcertificates of the only authorities trusted for https hosts, in PEM (default: the system's)")
	b.text(&s.HostCert, "host-cert", "FILE\ta client certificate, in PEM")
	b.text(&s.HostKey, "host-key", "FILE\tthe key of the client certificate, in PEM")
	b.text(&s.HostTLSName, "host-server-name", "NAME\tthe name that the hosts' certificates must have (default: the one in the URL)")
}
