package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/internal/sink"
	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
)

// app is the program and all that it knows of the world.
type app struct {
	program   string // as it was called
	stdout    io.Writer
	stderr    *sink.Sink
	lookupEnv func(string) (string, bool)
	width     func() int       // columns of the terminal at stderr; 0 without one
	signals   <-chan os.Signal // nil when there are none
	release   func()           // gives signals back to the system: the next one kills
}

// signalError is why a context ended: the user or the system asked for it.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string {
	if e.signal == syscall.SIGTERM {
		return "stopped by SIGTERM"
	}
	return "stopped by SIGINT"
}

// run runs one command line to its end and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	watched := make(chan struct{})
	caught.Start(func() {
		defer close(watched)
		select {
		case sig := <-a.signals:
			a.release()
			cancel(&signalError{sig})
		case <-ended:
		}
	})
	a.prepareStderr(args)
	root := a.root()
	root.SetArgs(args)
	err := caught.Err(func() error { return root.ExecuteContext(ctx) })
	close(ended)
	<-watched
	// The cause of ctx, which names the signal, and not its bare error.
	var stop *signalError
	if errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &stop) && transform.ClassOf(err) != job.Storage {
		err = stopped(stop, err)
	}
	a.report(err)
	return exitCode(err)
}

// prepareStderr says what no message may hold, and in which form messages are, before
// there can be one.
func (a *app) prepareStderr(args []string) {
	a.stderr.Lead(func() string {
		if a.width() > 0 {
			return clearLine
		}
		return ""
	})
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		a.lookupSecret(name)
	}
	if asksForJSON(args) {
		a.tellInJSON(new(transform.Progress))
	}
}

// lookupSecret is lookupEnv for a value that no message may hold.
func (a *app) lookupSecret(name string) (string, bool) {
	value, ok := a.lookupEnv(name)
	a.stderr.Hide(func() []string { return []string{value} })
	return value, ok
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:               "batchmill",
		Short:             "run a model over a whole dataset",
		Long:              rootHelp,
		Version:           job.Version, // which makes --version
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			a.help(a.stderr, cmd)
			return usageError("", "no command given")
		},
	}
	root.SetVersionTemplate("batchmill {{.Version}}\n")
	root.Args = cobra.ArbitraryArgs // RunE names the unknown one itself
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { a.help(a.stdout, cmd) })
	root.AddCommand(a.runCommand(), a.statusCommand(), a.retryCommand(), a.verifyCommand(), a.cleanCommand(), a.hostCommand(), a.demoCommand(), a.versionCommand())
	for _, cmd := range root.Commands() {
		cmd.Flags().SortFlags = false
		cmd.DisableFlagsInUseLine = true
	}
	return root
}

const rootHelp = `batchmill runs a model over a whole dataset. It streams CSV, JSON Lines and
Parquet from disk or S3, cuts the records into batches, sends the batches to
inference hosts over HTTP, and writes each answer beside its record, in input
order. A manifest proves that no record was lost.`

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "batchmill %s\n", job.Version)
			return err
		},
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError("leave it out", "batchmill %s takes no argument, and got %q", cmd.Name(), args[0])
	}
	return nil
}
