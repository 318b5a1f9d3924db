package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/batchmill/batchmill/benchmarks/corpus"
)

const module = "github.com/batchmill/batchmill/"

// A workload is one table of the report.
type workload struct {
	format  corpus.Format
	records int64
	batch   int
}

// A program does the join. Its output file's name depends on what it is told.
type program struct {
	name   string
	binary string
	// arguments gives the command line's rest, and the file that will hold the output.
	arguments func(j job) (args []string, output string)
}

// A job is one run of a program. out may be made a file or a folder.
type job struct {
	workload
	in, out, host string
	concurrency   int
}

const (
	floorName     = "floor"
	plainName     = "plain"
	batchmillName = "batchmill"
)

func simpleArguments(j job) ([]string, string) {
	return []string{
		"--format", string(j.format), "--input", j.in, "--output", j.out, "--host", j.host,
		"--batch", strconv.Itoa(j.batch), "--concurrency", strconv.Itoa(j.concurrency),
	}, j.out
}

func batchmillArguments(j job) ([]string, string) {
	args := []string{
		"run", "--input", j.in, "--output", j.out, "--host", j.host, "--join", "input",
		"--batch-records", strconv.Itoa(j.batch), "--concurrency", strconv.Itoa(j.concurrency), "--progress", "none",
	}
	if j.format == corpus.Parquet { // it sends JSON Lines otherwise, the others CSV
		args = append(args, "--content-type", "text/csv")
	}
	return args, filepath.Join(j.out, filepath.Base(j.in))
}

// tools are the binaries, built from the tree as it stands.
type tools struct {
	host     string
	corpus   string
	programs []program
}

// build compiles everything into dir. A batchmill that does not compile is
// reported and left out: the floor can be measured without it.
func build(ctx context.Context, dir string, plain bool, out io.Writer) (tools, error) {
	host, err := compile(ctx, dir, "cheaphost", "benchmarks/cmd/cheaphost")
	if err != nil {
		return tools{}, err
	}
	maker, err := compile(ctx, dir, "corpus", "benchmarks/cmd/corpus")
	if err != nil {
		return tools{}, err
	}
	binary, err := compile(ctx, dir, floorName, "benchmarks/cmd/floor")
	if err != nil {
		return tools{}, err
	}
	t := tools{host: host, corpus: maker, programs: []program{{floorName, binary, simpleArguments}}}
	if plain {
		if binary, err = compile(ctx, dir, plainName, "benchmarks/cmd/plain"); err != nil {
			return tools{}, err
		}
		t.programs = append(t.programs, program{plainName, binary, simpleArguments})
	}
	if binary, err = compile(ctx, dir, batchmillName, "cmd/batchmill"); err != nil {
		if ctx.Err() != nil {
			return tools{}, err
		}
		fmt.Fprintf(out, "batchmill does not build and is left out: %v\n\n", err)
		return t, nil
	}
	t.programs = append(t.programs, program{batchmillName, binary, batchmillArguments})
	return t, nil
}

// compile builds as `make build` does.
func compile(ctx context.Context, dir, name, pkg string) (string, error) {
	binary, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, module+pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	said, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, firstLines(said))
	}
	return binary, nil
}

// firstLines cuts what a failed command said to a size for a message.
func firstLines(said []byte) string {
	const most = 1000
	text := strings.TrimSpace(string(said))
	if len(text) > most {
		text = text[:most] + " ..."
	}
	return text
}

// A runningHost is the cheap host in its own process, so that its CPU time is
// not counted. It ends with this process at the latest.
type runningHost struct {
	url  string
	stop func()
}

func startHost(ctx context.Context, binary string) (*runningHost, error) {
	cmd := exec.CommandContext(ctx, binary)
	leash, err := cmd.StdinPipe() // the host ends when this closes
	if err != nil {
		return nil, err
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() {
		_ = leash.Close()
		_ = cmd.Wait() // its exit status says nothing: it was told to end
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		stop()
		return nil, errors.Join(errors.New("the cheap host did not print its URL"), err)
	}
	return &runningHost{url: strings.TrimSpace(line), stop: stop}, nil
}
