package crashtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/manifest"
)

// killedCommand is a command to be killed at its system calls, and then run again.
type killedCommand struct {
	name    string
	args    []string // behind them stand the places, for run
	objects map[string]string
	before  []string // a run to its end that comes first; nil is none
	left    files    // what a killed run left beside that
	mended  bool     // the host answers all records by now
	cleans  bool     // outputs are not the command's business
}

// killedCommands are all that write into an output.
func killedCommands() []killedCommand {
	some, bad := jsonObjects(2, 20, 7), poisoned(2, 20)
	join := []string{"run", "--join", "input", "--batch-records", "5", "--concurrency", "2", "--max-rejects"}
	run := func(more ...string) []string { return append(slices.Clone(join), more...) }
	left := files{".batchmill-0123.tmp": []byte("half an out"), "sub/.batchmill-4567.tmp": []byte("half"), workDir + "spill/3": []byte("columns")}
	return []killedCommand{
		{name: "run", args: run("100%"), objects: some},
		{name: "run, nothing bad", args: run("0"), objects: jsonObjects(2, 20, 0)},
		{name: "run --overwrite", args: run("100%", "--overwrite"), objects: some, before: run("100%", "--answer-name", "earlier")},
		{name: "run --overwrite, by another policy", args: run("100%", "--overwrite", "--on-bad", "skip"), objects: some, before: run("100%")},
		{name: "run --restart", args: run("100%", "--restart"), objects: some, before: run("0")},
		{name: "run --restart, nothing there", args: run("0", "--restart"), objects: jsonObjects(3, 8, 0)},
		{name: "run --restart --overwrite", args: run("100%", "--restart", "--overwrite"), objects: some, before: run("100%")},
		{name: "retry-rejects", args: []string{"retry-rejects"}, objects: some, before: run("100%"), mended: true},
		{name: "retry-rejects, none left", args: []string{"retry-rejects"}, objects: bad, before: run("100%"), mended: true},
		{name: "retry-rejects, of held objects", args: []string{"retry-rejects"}, objects: bad, before: run("100%", "--on-bad", "fail"), mended: true},
		{name: "clean", args: []string{"clean"}, objects: some, before: run("0"), left: left, cleans: true},
		{name: "clean --forget-answers", args: []string{"clean", "--forget-answers"}, objects: some, before: run("100%"), left: left, cleans: true},
	}
}

// poisoned is [jsonObjects] whose bad records a mended host answers.
func poisoned(objects, records int) map[string]string {
	all := jsonObjects(objects, records, 7)
	for name, text := range all {
		all[name] = strings.ReplaceAll(text, ", broken\n", ", \"n\":1}\n")
	}
	return all
}

// commandBench is where a command is run again and again.
type commandBench struct {
	bench
	command killedCommand
	binary  string
	input   string
	url     string
	calls   int64 // of a command that nothing disturbs
	exit    int   // of that command
	again   int   // of the same command when that is done
}

func newCommandBench(t *testing.T, c killedCommand, binary string) *commandBench {
	t.Helper()
	dir := t.TempDir()
	b := &commandBench{command: c, binary: binary, input: filepath.Join(dir, "in"), bench: bench{host: newModel(0), out: filepath.Join(dir, "out")}}
	b.url = b.host.serve(t)
	(&crashJob{objects: c.objects}).place(t, dir, b.url)
	if err := os.Mkdir(b.out, 0o777); err != nil {
		t.Fatal(err)
	}
	if c.before != nil {
		if exit, said := b.run(t, c.before, 0); exit > 65 {
			t.Fatalf("%q ended with %d: %s", c.before, exit, said)
		}
	}
	if c.mended {
		b.host.mend()
	}
	b.bench.before = b.read(t)
	maps.Copy(b.bench.before, c.left)
	b.reset(t)
	tr := newTracer(t, dir, 0)
	said := ""
	if b.exit, said = tr.run(t, b.prepare(c.args)); b.exit != 0 && b.exit != 3 {
		t.Fatalf("%q ended with %d: %s", c.args, b.exit, said)
	}
	b.calls, b.want = tr.passed, b.read(t)
	if !c.cleans {
		var err error
		if b.wanted, err = decode(b.want[manifestName], new(manifest.Checker)); err != nil {
			t.Fatal(err)
		}
	}
	b.again, _ = b.run(t, c.args, 0)
	return b
}

// prepare is a process of the command with its places.
func (b *commandBench) prepare(args []string) *exec.Cmd {
	args = slices.Clone(args)
	switch args[0] {
	case "run":
		args = append(args, "--progress", "none", "--input", b.input, "--output", b.out, "--host", b.url)
	case "retry-rejects":
		args = append(args, b.out, "--progress", "none")
	default:
		args = append(args, b.out)
	}
	cmd := exec.Command(b.binary, args...)
	cmd.Dir = filepath.Dir(b.out)
	return cmd
}

// run runs a command, which is killed at one of its calls unless that is 0.
func (b *commandBench) run(t *testing.T, args []string, at int64) (exit int, said string) {
	t.Helper()
	if at > 0 {
		tr := newTracer(t, filepath.Dir(b.out), at)
		exit, _ := tr.run(t, b.prepare(args))
		return exit, tr.where
	}
	text, err := b.prepare(args).CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if ended != nil {
		exit = ended.ExitCode()
	}
	return exit, string(text)
}

// reset makes the output directory what it is before the command.
func (b *commandBench) reset(t *testing.T) {
	t.Helper()
	b.bench.reset(t)
	if err := os.MkdirAll(b.out, 0o777); err != nil {
		t.Fatal(err)
	}
}

// TestKilledCommands: whenever a command is killed, the same command ends as if nothing
// had been, whatever it is. Readers see only whole outputs in between.
func TestKilledCommands(t *testing.T) {
	binary := build(t)
	for _, c := range killedCommands() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newCommandBench(t, c, binary)
			step := stride(b.calls, shortPoints)
			tried, survived := 0, 0
			for at, alive := 1+step/2, true; alive; at += step {
				b.reset(t)
				exit, where := b.run(t, c.args, at)
				if alive = exit == -1; !alive {
					break
				}
				tried++
				if err := b.survives(t); err != nil {
					t.Errorf("killed before call %d of about %d, %s: %v", at, b.calls, where, err)
				} else {
					survived++
				}
			}
			results.add(t, c.name, "killed at a system call", tried, survived)
			if tried < shortPoints-2 {
				t.Errorf("only %d calls were tried", tried)
			}
		})
	}
}

// survives looks at what a killed command left, and runs the same command again. It ends
// as it does when nothing disturbs it; or, where the killed command had done all but end, as it does a second time.
func (b *commandBench) survives(t *testing.T) error {
	t.Helper()
	if !b.command.cleans {
		if err := b.halfDone(t.Context()); err != nil {
			return err
		}
	}
	done := b.done(t.Context())
	switch exit, said := b.run(t, b.command.args, 0); {
	case exit != b.exit && (done != nil || exit != b.again):
		return fmt.Errorf("the same command again ended with %d, not %d: %s", exit, b.exit, said)
	case exit != b.exit:
		return b.done(t.Context())
	}
	if b.command.cleans {
		return b.cleaned()
	}
	return b.complete(t.Context())
}

// done says what of the command's work is missing, working state aside.
func (b *commandBench) done(ctx context.Context) error {
	found, err := readFiles(b.out)
	if err != nil || b.command.cleans {
		return errors.Join(err, b.cleaned())
	}
	if _, ok := found[successName]; !ok && b.want[successName] != nil {
		return errors.New("no mark of success")
	}
	for _, name := range b.want.outputs() {
		if err := same(name, found[name], b.want); err != nil {
			return err
		}
	}
	return errors.Join(verify(ctx, found), b.sameCounts(found))
}

// cleaned says what is there that should not be, or the other way round.
func (b *commandBench) cleaned() error {
	found, err := readFiles(b.out)
	if err != nil {
		return err
	}
	for name := range found {
		if _, ok := b.want[name]; !ok {
			return fmt.Errorf("left behind: %s", name)
		}
	}
	for name := range b.want {
		if err := same(name, found[name], b.want); err != nil {
			return err
		}
	}
	return nil
}
