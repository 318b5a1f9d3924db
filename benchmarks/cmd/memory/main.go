// Command memory runs batchmill on jobs that take much memory if anything in it does, and
// prints for each the most memory that the process had resident, and the bound that
// docs/design.md promises: twice --memory plus 64 MiB. It exits with 1 above the bound.
//
// The hosts and the makers of inputs are processes of their own.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/batchmill/batchmill/benchmarks/peak"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

type settings struct {
	dir    string
	mill   string
	rows   string
	memory int // 0: all
	quick  bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // the second signal kills
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "memory:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("memory", flag.ContinueOnError)
	flags.StringVar(&s.dir, "dir", ".cache/memory", "`folder` for inputs, which are kept, and outputs")
	flags.StringVar(&s.mill, "batchmill", "bin/batchmill", "the `program` that is measured")
	flags.StringVar(&s.rows, "rows", "", "only the cases whose name holds this `text`")
	flags.IntVar(&s.memory, "memory", 0, "only this --memory, in `MiB`")
	flags.BoolVar(&s.quick, "quick", false, "only the cases that make check runs, with the smallest --memory")
	host := flags.String("host", "", "be the host of this `name`")
	input := flags.String("input", "", "make the input of this `name`, in the file that follows")
	switch err := flags.Parse(args); {
	case err != nil:
		return err
	case hosts[*host] != nil:
		return serve(hosts[*host])
	case inputs[*input] != nil:
		return makeInput(*input, flags.Arg(0))
	case *host != "" || *input != "" || flags.NArg() > 0:
		return errors.New("unknown host, input or argument; see --help")
	}
	return s.measure(ctx, out)
}

func (s settings) measure(ctx context.Context, out io.Writer) error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	over := 0
	fmt.Fprintf(out, "%-30s %10s %10s %10s %7s\n", "case", "--memory", "peak", "bound", "ratio")
	for _, c := range cases {
		for _, memory := range memories {
			if !strings.Contains(c.name, s.rows) || s.memory != 0 && s.memory != memory || s.quick && (!isQuick(c) || memory != memories[0]) {
				continue
			}
			taken, err := s.once(ctx, c, memory)
			if err != nil {
				return fmt.Errorf("%s, --memory %dMiB: %w", c.name, memory, err)
			}
			bound, note := int64(2*memory+64)<<20, ""
			if taken > bound {
				over, note = over+1, "  ABOVE"
			}
			fmt.Fprintf(out, "%-30s %6d MiB %6d MiB %6d MiB %7.2f%s\n", c.name, memory, taken>>20, bound>>20, float64(taken)/float64(bound), note)
		}
	}
	if over > 0 {
		return fmt.Errorf("%d cases took more than twice --memory plus 64 MiB", over)
	}
	return nil
}

// once runs a case, and returns the peak of the process.
func (s settings) once(ctx context.Context, c testCase, memory int) (peakBytes int64, err error) {
	in, err := s.inputFile(ctx, c, memory)
	if err != nil {
		return 0, err
	}
	url, stop, err := startHost(ctx, c.host)
	if err != nil {
		return 0, err
	}
	defer stop()
	work, err := os.MkdirTemp(s.dir, "out-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	from, to, env := in, filepath.Join(work, "out"), os.Environ()
	args := []string{}
	if c.s3 {
		server, err := s3test.Run(work)
		if err != nil {
			return 0, err
		}
		defer func() { _ = server.Stop() }() // its folder goes in any case
		bucket := filepath.Join(work, "root", server.Bucket)
		if err := os.Link(in, filepath.Join(bucket, filepath.Base(in))); err != nil {
			return 0, err
		}
		from, to = "s3://"+server.Bucket+"/"+filepath.Base(in), "s3://"+server.Bucket+"/out"
		env, args = server.Env(), append(args, "--s3-endpoint", server.Endpoint)
	}
	args = append(append([]string{"run", "--input", from, "--output", to, "--host", url, "--join", "input", "--progress", "none",
		"--max-rejects", "100%", "--memory", fmt.Sprintf("%dMiB", memory)}, args...), c.flags...)
	cmd := exec.CommandContext(ctx, s.mill, args...)
	cmd.Env = env
	var said bytes.Buffer
	cmd.Stderr = &said
	err = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); err != nil && code != 3 { // 3: done, with rejects
		return 0, fmt.Errorf("%w: %.2000s", err, said.Bytes())
	}
	return peak.Of(cmd.ProcessState)
}

// inputFile makes a case's input where it is not there yet.
func (s settings) inputFile(ctx context.Context, c testCase, memory int) (string, error) {
	name := c.input
	if strings.Contains(name, "%d") {
		name = fmt.Sprintf(name, pages[memory])
	}
	file := filepath.Join(s.dir, name)
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if said, err := exec.CommandContext(ctx, self, "-input", name, file+".new").CombinedOutput(); err != nil {
		return "", fmt.Errorf("make %s: %w: %.1000s", name, err, said)
	}
	return file, os.Rename(file+".new", file)
}

// startHost starts a host in a process of its own, which ends with this process at the latest.
func startHost(ctx context.Context, name string) (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-host", name)
	leash, err := cmd.StdinPipe() // the host ends when this closes
	if err != nil {
		return "", nil, err
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = leash.Close()
		_ = cmd.Wait() // its exit status says nothing: it was told to end
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the host did not print its URL: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}
