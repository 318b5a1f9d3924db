package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/workers"
)

// bindAccess binds how the hosts that --host names are reached.
func bindAccess(b *binder, s *transform.Spec) {
	b.title = "How the hosts of --host are reached"
	b.list(&s.HostHeader, "host-header", "NAME=@FILE\tor NAME=$VARIABLE: a header for every request to hosts of --host, read from a file or the environment; repeatable")
	b.text(&s.HostBearer, "host-bearer", "@FILE\tor $VARIABLE: a bearer token; a file is read again when it changes")
	b.text(&s.HostBasic, "host-basic", "@FILE\tor $VARIABLE: user:password for basic authentication")
	b.text(&s.HostCA, "host-ca", "FILE\tthe certificates, in PEM, of the only authorities that hosts of https may have theirs from (default: the system's)")
	b.text(&s.HostCert, "host-cert", "FILE\ta certificate to show to hosts that ask for one, in PEM")
	b.text(&s.HostKey, "host-key", "FILE\tthe key of that certificate, in PEM")
	b.text(&s.HostTLSName, "host-server-name", "NAME\tthe name that hosts' certificates must have (default: the one in the URL)")
}

// access adds to o what the hosts that --host names are shown, and must show.
func (a *app) access(spec *transform.Spec, o workers.HTTPOptions) (workers.HTTPOptions, error) {
	headers, err := a.headers(spec.HostHeader)
	if err != nil {
		return o, err
	}
	credential, err := a.credential(spec)
	if err != nil {
		return o, err
	}
	config, err := workers.TLSOptions{CA: spec.HostCA, Cert: spec.HostCert, Key: spec.HostKey, ServerName: spec.HostTLSName}.Config(time.Now())
	if err != nil {
		return o, usageError("", "%w", err)
	}
	o.Headers, o.Credential, o.TLS = headers, credential, config
	return o, nil
}

// credential is what the Authorization header says; nil without one.
func (a *app) credential(spec *transform.Spec) (*workers.Credential, error) {
	flag, source, hint, from := "--host-bearer", spec.HostBearer, "put the token alone into it", workers.Bearer
	if spec.HostBasic != "" {
		flag, source, hint, from = "--host-basic", spec.HostBasic, "put user:password into it", workers.Basic
	}
	if source == "" {
		return nil, nil
	}
	file, value, err := a.origin(flag, "", source)
	if err != nil {
		return nil, err
	}
	c, err := from(flag, file, value)
	if err != nil {
		return nil, usageError(hint, "%w", err)
	}
	return c, nil
}

// warnOfPlainText says once that a credential can be read on its way. It is no
// error: many fleets stand in networks of their own.
func (a *app) warnOfPlainText(spec *transform.Spec, address workers.Address) bool {
	if spec.HostBearer == "" && spec.HostBasic == "" || address.Secure() || address.Near() {
		return false
	}
	fmt.Fprintf(a.stderr, "batchmill: warning: what the hosts are shown goes to %s without TLS: who can listen on that network can read it; use https if that is not only you\n",
		escape(address.String()))
	return true
}

// origin reads where a secret stands: @FILE, or $VARIABLE, whose value it
// returns. A secret itself would stand in the list of processes and in the
// shell's history, so it is refused. No error repeats one. What is in front of it in the
// flag's value is lead.
func (a *app) origin(flag, lead, source string) (file, value string, err error) {
	kind, from := "", ""
	if source != "" {
		kind, from = source[:1], source[1:]
	}
	switch {
	case kind == "@" && from != "":
		return from, "", nil
	case kind == "$" && from != "":
		from = strings.TrimSuffix(strings.TrimPrefix(from, "{"), "}")
		value, ok := a.lookupEnv(from)
		if !ok {
			return "", "", usageError("export it, or name another one", "%s: the environment has no variable %s", flag, from)
		}
		return "", value, nil
	}
	name := strings.Fields(flag)[0]
	return "", "", usageError("write "+name+" "+lead+"@FILE, or "+name+" '"+lead+"$VARIABLE' in single quotes",
		"%s: its value stands on the command line, where other processes and the shell's history can see it", flag)
}
