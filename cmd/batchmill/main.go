// Command batchmill runs a model over a whole dataset. See batchmill --help.
//
// What the program knows of the world (arguments, environment, streams,
// signals) enters in main and travels in app, so that tests run it in their own
// process. Results go to stdout, everything else to stderr.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/internal/sink"
	"github.com/batchmill/batchmill/workers/process"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == process.GuardCommand {
		os.Exit(process.Guard(os.Args[2:]))
	}
	signals := make(chan os.Signal, 1)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		if !signal.Ignored(sig) { // nohup and background jobs of a shell ignore them on purpose
			signal.Notify(signals, sig)
		}
	}
	stderr := os.Stderr // which libraries see no more after Claim
	out := sink.New(stderr)
	end := out.Claim()
	a := &app{
		program:   os.Args[0],
		stdout:    os.Stdout,
		stderr:    out,
		lookupEnv: os.LookupEnv,
		width:     func() int { return terminalWidth(stderr) },
		signals:   signals,
		release:   func() { signal.Stop(signals) },
	}
	caught.SetLast(func(p *caught.Panic) {
		a.report(p)
		os.Exit(exitInternal)
	})
	code := a.run(context.Background(), os.Args[1:])
	end()
	os.Exit(code)
}

// terminalWidth is the number of columns of a terminal, 0 for what is none.
func terminalWidth(terminal *os.File) int {
	fd := int(terminal.Fd())
	if !term.IsTerminal(fd) || os.Getenv("TERM") == "dumb" {
		return 0
	}
	width, _, err := term.GetSize(fd)
	if err != nil || width <= 0 {
		return 80
	}
	return width
}
