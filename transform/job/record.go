package job

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/batchmill/batchmill/workers/process"
)

// Version is the program's version, as manifests name it.
const Version = "0.1.0"

// Record is the spec as the manifest keeps it: the flags' names with
// underscores. Values of --host-header are names of variables and files, not
// their content; the query of a host's URL, the arguments of a command and the
// value of a variable may be secret, and are left out.
func (s *Spec) Record() (json.RawMessage, error) {
	c := *s
	c.Hosts = slices.Clone(s.Hosts)
	for i, h := range c.Hosts {
		if at := strings.IndexByte(h, '?'); at >= 0 {
			c.Hosts[i] = h[:at] + "?[redacted]"
		}
	}
	c.Env = slices.Clone(s.Env)
	for i, e := range c.Env {
		if name, _, ok := strings.Cut(e, "="); ok {
			c.Env[i] = name + "=[redacted]"
		}
	}
	if c.Command != "" {
		c.Command = process.Program(s.Command) + " [redacted]"
	}
	text, err := json.Marshal(&c)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	out := make(map[string]json.RawMessage, len(fields))
	for name, v := range fields {
		out[strings.ReplaceAll(name, "-", "_")] = v
	}
	return json.Marshal(out)
}
