package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/workers/reference"
)

// An ending is how a command ended: its exit code, and what it said to do.
type ending struct {
	code int
	hint string
}

// endOn runs a command line and returns how it ended.
func endOn(t *testing.T, args ...string) (ending, *console) {
	t.Helper()
	con := newConsole()
	e := ending{code: con.run(t.Context(), args)}
	_, e.hint, _ = strings.Cut(con.err.String(), "  hint: ")
	return e, con
}

// aFinishedJob is a job of two records, of which bad makes one a reject.
func aFinishedJob(t *testing.T, bad string) (runArgs []string, out string) {
	t.Helper()
	model, err := reference.New(reference.Options{BadValue: bad})
	if err != nil {
		t.Fatal(err)
	}
	host, err := startHost("127.0.0.1:0", model)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.close)
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.csv"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte("1,2\n3,poison\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runArgs = []string{"run", "--input", in, "--output", out, "--host", host.url, "--header", "no", "--max-rejects", "9"}
	if e, con := endOn(t, runArgs...); e.code != exitDone && e.code != exitPartly {
		t.Fatalf("exit code %d: %s", e.code, con.err.String())
	}
	return runArgs, out
}

// commandsOnAnOutput are the command lines of all commands that work on an output: what
// is said of its state has to be the same from each. A new command is among them
// without being named.
func commandsOnAnOutput(run []string, out string) map[string][]string {
	lines := map[string][]string{"run": run}
	for _, cmd := range newConsole().root().Commands() {
		if _, rest, ok := strings.Cut(cmd.Use, " "); ok && strings.HasPrefix(rest, "OUTPUT") {
			lines[cmd.Name()] = []string{cmd.Name(), out}
		}
	}
	return lines
}

// TestManifestFaults: a manifest that cannot be used ends every command in the same way.
func TestManifestFaults(t *testing.T) {
	const restore, newer = "restore the manifest, or redo everything with run --restart --overwrite\n", "use the batchmill that wrote it, or redo everything with run --restart --overwrite\n"
	cut := func(text []byte) string { return string(text[:len(text)/2]) }
	for name, c := range map[string]struct {
		of   func(text []byte) string
		want ending
	}{
		"empty":       {func([]byte) string { return "" }, ending{exitInput, restore}},
		"cut":         {cut, ending{exitInput, restore}},
		"zeros":       {func(text []byte) string { return string(make([]byte, len(text))) }, ending{exitInput, restore}},
		"more":        {func(text []byte) string { return string(text) + "{}" }, ending{exitInput, restore}},
		"no JSON":     {func([]byte) string { return "<html>" }, ending{exitInput, restore}},
		"a list":      {func([]byte) string { return "[1]" }, ending{exitInput, restore}},
		"foreign":     {func([]byte) string { return `{"name":"app","display":"standalone"}` }, ending{exitInput, restore}},
		"of strings":  {func([]byte) string { return `{"version":"1","objects":[]}` }, ending{exitInput, restore}},
		"odd objects": {func([]byte) string { return `{"version":1,"objects":{"a":1}}` }, ending{exitInput, restore}},
		"newer":       {func([]byte) string { return `{"version":2,"tool":"batchmill 9","objects":"s3://"}` }, ending{exitInput, newer}},
	} {
		for _, bad := range []string{"", "poison"} { // without rejects the log is gone
			run, out := aFinishedJob(t, bad)
			path := filepath.Join(out, "_manifest.json")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := commandsOnAnOutput(run, out)
			if len(lines) < 5 {
				t.Fatalf("only %d commands work on an output", len(lines))
			}
			for command, args := range lines {
				if err := os.WriteFile(path, []byte(c.of(text)), 0o600); err != nil {
					t.Fatal(err)
				}
				if got, con := endOn(t, args...); got != c.want {
					t.Errorf("%s manifest, rejects %q, %s: %+v, want %+v: %s", name, bad, command, got, c.want, con.err.String())
				}
			}
			if e, con := endOn(t, append(run, "--restart", "--overwrite")...); e.code != exitDone && e.code != exitPartly { // as the hint says
				t.Errorf("%s manifest, rejects %q: the hint does not help: %+v: %s", name, bad, e, con.err.String())
			}
		}
	}
}

// numbers are the flags of a command whose values are numbers, sizes or times.
func numbers(cmd *cobra.Command) (names []string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value, _, _ := strings.Cut(f.Usage, "\t")
		if slices.Contains([]string{"N", "SIZE", "TIME", "auto|N", "N|N%", "SHARE"}, value) {
			names = append(names, f.Name)
		}
	})
	return names
}

// zeroIsFine are the flags of which 0 says something, by command and name.
var zeroIsFine = map[string]bool{
	"run max-rejects": true, "retry-rejects max-rejects": true,
}

// TestNumbersThatNobodyMeans: a number that cannot be meant is wrong usage, for every flag
// of every command, and never an internal error. Only host, which would serve, is left out.
func TestNumbersThatNobodyMeans(t *testing.T) {
	run, out := aFinishedJob(t, "poison")
	seen := 0
	for _, cmd := range newConsole().root().Commands() {
		for _, name := range numbers(cmd) {
			if cmd.Name() == "host" {
				continue
			}
			seen++
			for _, value := range []string{"0", "-1", "-9223372036854775808", "99999999999999999999", "50TiB", "1e300", "NaN", "x", ""} {
				if value == "0" && zeroIsFine[cmd.Name()+" "+name] {
					continue
				}
				args := []string{cmd.Name(), "--" + name + "=" + value}
				switch {
				case cmd.Name() == "run":
					args = append(slices.Clone(run), "--dry-run", args[1])
				case strings.Contains(cmd.Use, "OUTPUT"):
					args = append(args, out)
				}
				if e, con := endOn(t, args...); e.code != exitUsage {
					t.Errorf("%s --%s=%s: exit code %d: %s", cmd.Name(), name, value, e.code, con.err.String())
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d flags with numbers were found", seen)
	}
}

// TestPortsThatAreNone: a port that cannot be reached is wrong usage wherever a flag names one.
func TestPortsThatAreNone(t *testing.T) {
	run, out := aFinishedJob(t, "")
	for _, port := range []string{"65536", "70000", "99999999999999999999", "-1"} {
		for _, args := range [][]string{
			append(slices.Clone(run), "--host", "http://127.0.0.1:"+port),
			append(slices.Clone(run), "--host", "http://127.0.0.1:"+port+"/score"),
			append(slices.Clone(run), "--host", "dns+http://localhost:"+port),
			append(slices.Clone(run), "--s3-endpoint", "http://127.0.0.1:"+port),
			append(slices.Clone(run), "--metrics", "127.0.0.1:"+port),
			{"status", out, "--s3-endpoint", "https://localhost:" + port},
			{"host", "--listen", "127.0.0.1:" + port},
		} {
			if e, con := endOn(t, args...); e.code != exitUsage {
				t.Errorf("%q: exit code %d: %s", args, e.code, con.err.String())
			}
		}
	}
}

// TestHintsAreTrue: what goes wrong is named, with what mends it.
func TestHintsAreTrue(t *testing.T) {
	run, _ := aFinishedJob(t, "")
	host := run[slices.Index(run, "--host")+1]
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	linked := func(name string) string {
		out := filepath.Join(dir, "linked"+name)
		for _, err := range []error{os.MkdirAll(out, 0o700), os.Symlink(t.TempDir(), filepath.Join(out, name))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	in := write("plain.csv", "1,2\n")
	wide := write("wide.csv", strings.Repeat("1,", 65534)+"1\n")
	renamed := write("renamed.csv", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
	for name, c := range map[string]struct {
		args []string
		code int
		say  string
	}{
		"columns":            {[]string{"--input", wide, "--output", filepath.Join(dir, "w"), "--header", "no", "--join", "input", "--output-format", "parquet", "--max-record", "1MiB"}, exitUsage, "at most 65534 columns"},
		"columns, dry":       {[]string{"--input", wide, "--output", filepath.Join(dir, "w"), "--header", "no", "--join", "input", "--output-format", "parquet", "--dry-run"}, exitUsage, "--join none"},
		"renamed":            {[]string{"--input", renamed, "--output", filepath.Join(dir, "r"), "--header", "no"}, exitInput, "ends in .gz"},
		"linked rejects":     {[]string{"--input", in, "--output", linked("_rejects"), "--header", "no"}, exitUsage, "put a folder or nothing there"},
		"linked state":       {[]string{"--input", in, "--output", linked("_batchmill"), "--header", "no"}, exitUsage, "leads out of its folder"},
		"memory of no house": {[]string{"--input", in, "--output", filepath.Join(dir, "m"), "--header", "no", "--memory", "50TiB"}, exitUsage, "at most 1TiB"},
	} {
		e, con := endOn(t, append([]string{"run", "--host", host}, c.args...)...)
		if said := con.err.String() + con.out.String(); e.code != c.code || !strings.Contains(said, c.say) {
			t.Errorf("%s: exit code %d, want %d, and %q in: %s", name, e.code, c.code, c.say, said)
		}
	}
}

// Whatever a command that was told --progress json has to say is a line of JSON, be the
// rest of the command line right or wrong.
func TestMessagesInJSON(t *testing.T) {
	run, out := aFinishedJob(t, "poison")
	yaml := filepath.Join(t.TempDir(), "job.yaml")
	if err := os.WriteFile(yaml, []byte("progress: json\nmetrics: 127.0.0.1:0\nattempts: 3\njoin: what\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"fine":       append(slices.Clone(run), "--overwrite", "--metrics", "127.0.0.1:0", "--progress", "json"),
		"refused":    append(slices.Clone(run), "--progress=json", "--memory", "1"),
		"bad flag":   append(slices.Clone(run), "--progress", "json", "--nonsense"),
		"bad before": append([]string{"run", "--nonsense", "--progress", "json"}, run[1:]...),
		"no input":   {"run", "--progress", "json", "--input", "nowhere", "--output", "x", "--host", "http://127.0.0.1:1"},
		"a job file": {"run", yaml, "--input", "nowhere", "--output", "x"},
		"retry":      {"retry-rejects", out, "--progress", "json", "--max-rejects", "0"},
	} {
		e, con := endOn(t, args...)
		var last map[string]any
		for line := range strings.Lines(con.err.String()) {
			last = map[string]any{}
			if err := json.Unmarshal([]byte(line), &last); err != nil {
				t.Errorf("%s: no JSON: %q", name, line)
			}
			for _, key := range []string{"time", "records", "eta_seconds"} {
				if _, ok := last[key]; !ok {
					t.Errorf("%s: no %s in %q", name, key, line)
				}
			}
		}
		if told := e.code != exitDone && e.code != exitPartly; told && (last["exit_code"] != float64(e.code) || last["error"] == nil) {
			t.Errorf("%s: exit code %d, and the last line is %v", name, e.code, last)
		}
	}
}

// TestPanicIsReported: a panic ends a command with 1, says where to report it, and holds no data.
func TestPanicIsReported(t *testing.T) {
	run, _ := aFinishedJob(t, "")
	for _, progress := range []string{"json", "none"} {
		con := newConsole()
		con.lookupEnv = func(name string) (string, bool) {
			if name == "SECRET" {
				panic("canary")
			}
			return "", false
		}
		code := con.run(t.Context(), append(slices.Clone(run), "--overwrite", "--host-bearer", "$SECRET", "--progress", progress))
		said := con.err.String()
		if code != exitInternal || strings.Contains(said, "canary") || !strings.Contains(said, issues) || !strings.Contains(said, "faults_test.go") {
			t.Errorf("exit code %d: %s", code, said)
		}
		if progress == "json" && !json.Valid([]byte(said)) {
			t.Errorf("no JSON: %s", said)
		}
	}
}
