// Command ran runs go test, says how it went as that does, and counts what was
// run: packages, tests, benchmarks, and what tests say of themselves with
// [testing.T.Attr], such as seeds=1000. The counts of one tier of the tests go to
// one file, and are told together at its end.
//
//	ran -to FILE go test ./...     appends what ran to FILE
//	ran -sum FILE -tier NAME       tells what FILE holds
//
// A line of the file is a number and what was counted. The line "N began" is when
// the tier began, in seconds since 1970.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"
)

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		os.Exit(max(failed.ExitCode(), 1)) // it is -1 where a signal ended go test
	case err != nil:
		fmt.Fprintln(os.Stderr, "ran:", err)
		os.Exit(2)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("ran", flag.ContinueOnError)
	flags.SetOutput(stderr)
	to := flags.String("to", "", "append the counts to this `file`")
	sum := flags.String("sum", "", "tell the counts of this `file`")
	tier := flags.String("tier", "", "the `name` of what the file is about")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *sum != "" {
		return tell(stdout, *sum, *tier, time.Now())
	}
	command := flags.Args()
	at := slices.Index(command, "test")
	if *to == "" || at < 1 {
		return errors.New("give -to FILE and a go test command, or -sum FILE")
	}
	file, err := os.OpenFile(*to, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	counts, err := test(slices.Insert(command, at+1, "-json"), stdout, stderr)
	if slices.Contains(command, "-race") {
		counts = counts.with(" with the race detector")
	}
	return errors.Join(err, counts.write(file), file.Close())
}

// test runs a go test command that prints JSON.
func test(command []string, stdout, stderr io.Writer) (counts, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := newReader(stdout)
	err = r.read(out)
	return r.counts, errors.Join(err, cmd.Wait())
}
