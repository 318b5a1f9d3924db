package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
)

// A manifest gives back the settings that bind its job; flags give the others,
// and secrets never come from a manifest.
func TestRecordedOptions(t *testing.T) {
	const job = `"input":["in.csv"],"output":"out","join":"input","batch_records":7,"max_record":"1MiB","max_rejects":"5%","timeout":"2s","restart":true,"overwrite":true`
	for _, c := range []struct {
		name, config string
		args         []string
		wrong        string // what the error says; empty for none
	}{
		{"as it was", `{` + job + `,"host":["http://a"]}`, nil, ""},
		{"other hosts", `{` + job + `,"host":["http://b?[redacted]"]}`, []string{"--host", "http://a"}, ""},
		{"other settings", `{` + job + `,"host":["http://a"],"host_header":["X=$OLD"]}`, []string{"--host-header", "X=$NEW", "--timeout", "3s"}, ""},
		{"started hosts get no headers", `{` + job + `,"host":["http://a"],"host_header":["X=$OLD"]}`, []string{"--command", "sh"}, ""},
		{"hosts not kept", `{` + job + `,"host":["http://a","http://b?[redacted]"]}`, nil, "query"},
		{"headers not taken", `{` + job + `,"host":["http://a"],"host_header":["X=$OLD"]}`, nil, "headers"},
		{"an image is said again", `{` + job + `,"host":null,"image":"m","model":"/etc","env":["TOKEN"]}`, nil, "image m"},
		{"from a newer batchmill", `{` + job + `,"host":["http://a"],"rounding":"up"}`, nil, "rounding"},
		{"no configuration", `[]`, nil, "config"},
		{"a wrong type", `{"limit":"many"}`, nil, "limit"},
		{"nothing in it", `{}`, nil, "--input"},
	} {
		flags := new(options).flags()
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		o, err := recordedOptions(&manifest.Manifest{Config: json.RawMessage(c.config)}, flags, nil)
		if c.wrong != "" {
			if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		s := o.spec
		if s.Restart || s.Overwrite || s.Join != "input" || s.BatchRecords != 7 || s.MaxRecord != 1<<20 || s.MaxRejects.Percent != 5 || len(s.Hosts) > 0 && s.Hosts[0] != "http://a" {
			t.Errorf("%s: %+v", c.name, s)
		}
		for _, h := range s.HostHeader {
			if strings.Contains(h, "OLD") {
				t.Errorf("%s: a header from the manifest", c.name)
			}
		}
		if want := map[bool]string{true: "3s", false: "2s"}[len(c.args) == 4]; s.Timeout.String() != want {
			t.Errorf("%s: timeout %s, want %s", c.name, s.Timeout, want)
		}
	}
}

// errShared is a doubt about who wrote a manifest.
var errShared = errors.New("all can write to it")

// A manifest on S3 may be anybody's: it leads neither requests that are signed
// nor records elsewhere. One on disk says where its inputs are.
func TestRecordedEndpoint(t *testing.T) {
	const recorded = `{"input":["s3://bucket/in"],"output":"out","host":["http://a"],"s3_endpoint":"http://recorded:9000","s3_path_style":"no"}`
	for _, c := range []struct {
		name            string
		config          string
		args            []string
		doubt           error
		endpoint, style string
	}{
		{"on disk", recorded, nil, nil, "http://recorded:9000", "no"},
		{"on disk, said anew", recorded, []string{"--s3-endpoint", "http://new", "--s3-path-style", "yes"}, nil, "http://new", "yes"},
		{"on S3", recorded, []string{"--host", "http://b"}, errShared, "", "auto"},
		{"on S3, said anew", recorded, []string{"--host", "http://b", "--s3-endpoint", "http://new"}, errShared, "http://new", "auto"},
		{"on S3, wrong and not used", strings.Replace(recorded, "http://recorded", "ftp://", 1), []string{"--host", "http://b"}, errShared, "", "auto"},
	} {
		flags := new(options).flags()
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		o, err := recordedOptions(&manifest.Manifest{Config: json.RawMessage(c.config)}, flags, c.doubt)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if o.spec.S3Endpoint != c.endpoint || o.spec.S3PathStyle != c.style {
			t.Errorf("%s: %q, %q", c.name, o.spec.S3Endpoint, o.spec.S3PathStyle)
		}
	}
}

// Who can write to a bucket must not choose who gets records, or which files of
// this machine are read.
func TestRecordedPlacesOnS3(t *testing.T) {
	for _, c := range []struct {
		inputs string
		args   []string
		refuse string
	}{
		{`"s3://bucket/in"`, nil, "who gets records"},
		{`"s3://bucket/in"`, []string{"--host", "http://b"}, ""},
		{`"s3://bucket/in", "/etc/passwd"`, []string{"--host", "http://b"}, "/etc/passwd"},
		{`"in"`, []string{"--host", "http://b", "--input", "in"}, ""},
	} {
		flags := new(options).flags()
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		m := &manifest.Manifest{Config: json.RawMessage(`{"input":[` + c.inputs + `],"output":"s3://bucket/out","host":["http://a"]}`)}
		o, err := recordedOptions(m, flags, errShared)
		switch {
		case c.refuse == "" && (err != nil || o.spec.Hosts[0] != "http://b"):
			t.Errorf("%s with %q: %v", c.inputs, c.args, err)
		case c.refuse != "" && (err == nil || !strings.Contains(err.Error(), c.refuse)):
			t.Errorf("%s with %q: %v", c.inputs, c.args, err)
		}
	}
}

// What retry-rejects can be told is no part of what binds a job, and has the
// names of run's flags.
func TestRetryFlagsBindNothing(t *testing.T) {
	all := new(options).flags()
	for _, name := range retryFlags {
		if all.Lookup(name) == nil {
			t.Errorf("run has no --%s", name)
		}
	}
	// The inputs bind it, and are compared object by object: they can only be named again.
	for _, name := range []string{"output", "join", "limit", "max-record", "header", "restart", "overwrite", "dry-run"} {
		for _, f := range retryFlags {
			if f == name {
				t.Errorf("--%s can be changed by retry-rejects", name)
			}
		}
	}
}

func TestStateDecidesWhetherToRetry(t *testing.T) {
	finished := ledger.Status{State: ledger.JobFinished, Manifest: true}
	lost := finished
	lost.Rejected, lost.Retryable = 2, 0
	torn := finished
	torn.State, torn.Objects.Rebuilt = ledger.JobUnfinished, 1
	for _, c := range []struct {
		name string
		s    ledger.Status
		ok   bool
		code int
	}{
		{"none", ledger.Status{State: ledger.JobNone}, false, exitUsage},
		{"running", ledger.Status{State: ledger.JobRunning, Manifest: true}, false, exitAgain},
		{"unfinished", ledger.Status{State: ledger.JobUnfinished}, false, exitUsage},
		{"no rejects", finished, false, exitDone},
		{"log gone", lost, false, exitUsage},
		{"a retry that crashed behind its last answer", torn, true, exitDone},
	} {
		ok, err := newConsole().retryable("out", &c.s)
		if ok != c.ok || exitCode(err) != c.code {
			t.Errorf("%s: %v, %v", c.name, ok, err)
		}
	}
}

// A manifest may come from anywhere: it must not crash the program.
func FuzzRecordedOptions(f *testing.F) {
	for _, s := range []string{`{}`, `{"input":["a"],"output":"b"}`, `{"max_rejects":"1e999%"}`, `{"memory":"1e18TiB"}`, `{"max-rejects":null}`, `nul`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, config string) {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		if _, err := recordedOptions(&manifest.Manifest{Config: json.RawMessage(config)}, flags, []error{nil, errShared}[len(config)%2]); err != nil && exitCode(err) != exitUsage {
			t.Fatalf("%q: %v", config, err)
		}
	})
}
