package fleet

import (
	"strings"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
)

// access adds to o what the hosts that --host names are shown, and must show.
func (f *Fleet) access(spec *job.Spec, o workers.HTTPOptions) (workers.HTTPOptions, error) {
	headers, err := f.headers(spec.HostHeader)
	if err != nil {
		return o, err
	}
	credential, err := f.credential(spec)
	if err != nil {
		return o, err
	}
	if f.options.Hide != nil {
		f.options.Hide(func() []string { return workers.Secrets(headers, credential) })
	}
	config, err := workers.TLSOptions{CA: spec.HostCA, Cert: spec.HostCert, Key: spec.HostKey, ServerName: spec.HostTLSName}.Config(time.Now())
	if err != nil {
		return o, job.Usagef("", "%w", err)
	}
	o.Headers, o.Credential, o.TLS = headers, credential, config
	return o, nil
}

// credential is what the Authorization header says; nil without a credential.
func (f *Fleet) credential(spec *job.Spec) (*workers.Credential, error) {
	flag, source, hint, from := "--host-bearer", spec.HostBearer, "put the token alone into it", workers.Bearer
	if spec.HostBasic != "" {
		flag, source, hint, from = "--host-basic", spec.HostBasic, "put user:password into it", workers.Basic
	}
	if source == "" {
		return nil, nil
	}
	file, value, err := f.origin(flag, "", source)
	if err != nil {
		return nil, err
	}
	c, err := from(flag, file, value)
	if err != nil {
		return nil, job.Usagef(hint, "%w", err)
	}
	return c, nil
}

// warnOfPlainText warns that a credential can be read on its way, and tells whether it
// did. That is no error: many fleets stand in networks of their own.
func (f *Fleet) warnOfPlainText(spec *job.Spec, address workers.Address) bool {
	if spec.HostBearer == "" && spec.HostBasic == "" || address.Secure() || address.Near() {
		return false
	}
	f.options.Notice("warning: what the hosts are shown goes to " + address.String() +
		" without TLS: who can listen on that network can read it; use https if that is not only you")
	return true
}

// origin reads where a secret stands: @FILE, or $VARIABLE, whose value it
// returns. A secret itself would stand in the list of processes and in the
// shell's history, so a secret is refused. No error repeats a secret. The flag's value
// has lead in front of the source.
func (f *Fleet) origin(flag, lead, source string) (file, value string, err error) {
	kind, from := "", ""
	if source != "" {
		kind, from = source[:1], source[1:]
	}
	switch {
	case kind == "@" && from != "":
		return from, "", nil
	case kind == "$" && from != "":
		from = strings.TrimSuffix(strings.TrimPrefix(from, "{"), "}")
		value, ok := f.options.LookupEnv(from)
		if !ok {
			return "", "", job.Usagef("export it, or name another one", "%s: the environment has no variable %s", flag, from)
		}
		return "", value, nil
	}
	name := strings.Fields(flag)[0]
	return "", "", job.Usagef("write "+name+" "+lead+"@FILE, or "+name+" '"+lead+"$VARIABLE' in single quotes",
		"%s: its value stands on the command line, where other processes and the shell's history can see it", flag)
}

// headers resolves what --host-header names. No error repeats a value.
func (f *Fleet) headers(list []string) ([]workers.HeaderValue, error) {
	var headers []workers.HeaderValue
	for _, h := range list {
		name, source, ok := strings.Cut(h, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			return nil, job.Usagef("write NAME=@FILE or NAME=$VARIABLE", "--host-header: no name and source")
		}
		flag := "--host-header " + name
		file, value, err := f.origin(flag, name+"=", source)
		if err != nil {
			return nil, err
		}
		if file != "" {
			if value, err = workers.ReadSecret(file); err != nil {
				return nil, job.Usagef("put the header's value into that file", "%s: %w", flag, err)
			}
		}
		headers = append(headers, workers.HeaderValue{Name: name, Value: value})
	}
	return headers, nil
}
