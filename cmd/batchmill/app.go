package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/batchmill/batchmill/transform"
)

// app is the program and all that it knows of the world.
type app struct {
	program        string // as it was called
	stdout, stderr io.Writer
	lookupEnv      func(string) (string, bool)
	width          func() int       // columns of the terminal at stderr; 0 without one
	signals        <-chan os.Signal // nil when there are none
	release        func()           // gives signals back to the system: the next one kills
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
	go func() {
		defer close(watched)
		select {
		case sig := <-a.signals:
			a.release()
			cancel(&signalError{sig})
		case <-ended:
		}
	}()
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	close(ended)
	<-watched
	// The cause of ctx, which names the signal, and not its bare error.
	var stop *signalError
	if errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &stop) && transform.ClassOf(err) != transform.Storage {
		err = stopped(stop, err)
	}
	code := exitCode(err)
	a.report(err)
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:               "batchmill",
		Short:             "run a model over a whole dataset",
		Long:              rootHelp,
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

const rootHelp = `batchmill streams CSV, JSON Lines and Parquet from disk or S3, cuts them into
batches, sends them to inference hosts over HTTP, and puts the answers back
beside the records they belong to, in order, with a manifest that proves that
nothing was lost.`

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "batchmill %s\n", transform.Version)
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
