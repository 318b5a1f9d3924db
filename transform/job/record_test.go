package job

import (
	"strings"
	"testing"
)

// TestRecordKeepsNoSecrets: what may be secret on a command line is not in the manifest.
func TestRecordKeepsNoSecrets(t *testing.T) {
	s := Spec{Hosts: []string{"http://h/p?key=secret"}, Command: "python serve.py --key secret", Env: []string{"A=secret=b", "B", "C="}}
	text, err := s.Record()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"http://h/p?[redacted]"`, `"python [redacted]"`, `["A=[redacted]","B","C=[redacted]"]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
	if strings.Contains(string(text), "secret") || s.Env[0] != "A=secret=b" {
		t.Errorf("%s, %q", text, s.Env)
	}
}
