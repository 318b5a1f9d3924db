package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/internal/sink"
	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
)

// usageError is a failure of the command line, with what to do about it.
func usageError(hint, format string, args ...any) error {
	return &job.Failure{Class: job.Usage, Err: fmt.Errorf(format, args...), Hint: hint}
}

// stopped is the end by a signal. err keeps what else went wrong meanwhile.
func stopped(sig *signalError, err error) error {
	f := &job.Failure{Class: job.Interrupted, Err: sig}
	var resumable *interruptedRun
	if errors.As(err, &resumable) {
		f.Err = fmt.Errorf("%w; what was answered until then is kept", sig)
		if errors.Is(err, errHung) {
			f.Err = fmt.Errorf("%w; %w; what was logged until then is kept", sig, errHung)
		}
		f.Hint = "to continue: " + resumable.command
		if strings.Contains(resumable.command, redacted) {
			f.Hint = "to continue, with what is " + redacted + " put back: " + resumable.command
		}
	}
	return f
}

// issues is where faults of batchmill are reported.
const issues = "https://github.com/batchmill/batchmill/issues"

// report tells the user what went wrong: what and where, then what to do next.
func (a *app) report(err error) {
	var part *partly
	if err == nil || errors.As(err, &part) {
		return
	}
	m := sink.Message{Error: strings.Join(distinct(messages(err)), "; "), Hint: transform.HintOf(err), ExitCode: exitCode(err)}
	if m.ExitCode == exitInternal {
		m.Hint = "this should not happen; please report it at " + issues + " with the command and this message"
	}
	var p *caught.Panic
	if errors.As(err, &p) {
		m.Stack = string(p.Stack)
	}
	a.stderr.Tell(m)
}

// messages are the texts of what err joins. What wraps errors in a text of its
// own is one message.
func messages(err error) []string {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil && inner.Error() == err.Error() {
			return messages(inner)
		}
	case interface{ Unwrap() []error }:
		joined := e.Unwrap()
		if plain := errors.Join(joined...); plain != nil && plain.Error() == err.Error() {
			var all []string
			for _, one := range joined {
				all = append(all, messages(one)...)
			}
			return all
		}
	}
	return []string{err.Error()}
}

// distinct leaves out what others say too: stages that a run shares fail alike.
func distinct(messages []string) []string {
	var kept []string
	for i, m := range messages {
		said := false
		for j, other := range messages {
			said = said || strings.Contains(other, m) && (other != m || j < i)
		}
		if !said {
			kept = append(kept, m)
		}
	}
	return kept
}

// escape makes text from inputs, hosts and file names safe for a terminal.
func escape(s string) string { return sink.Escape(s) }

// clip is s, cut to at most n bytes at the beginning of a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	hint := "batchmill --help lists the commands"
	if n := nearest(name, names); n != "" {
		hint = "did you mean " + n + "? " + hint
	}
	return usageError(hint, "no command is called %q", name)
}

// flagError puts an error of the flag parser into our words.
func flagError(cmd *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		invalid *pflag.InvalidValueError
		missing *pflag.ValueRequiredError
	)
	list := fmt.Sprintf("%s --help lists the flags", cmd.CommandPath())
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if n := nearest(name, flagNames(cmd.Flags())); n != "" {
			list = "did you mean --" + n + "? " + list
		}
		if len(name) == 1 {
			return usageError(list, "unknown flag -%s", name)
		}
		return usageError(list, "unknown flag --%s", name)
	case errors.As(err, &invalid):
		return usageError("", "--%s: %w", invalid.GetFlag().Name, plainly(invalid.Unwrap(), invalid.GetValue()))
	case errors.As(err, &missing):
		return usageError(list, "--%s needs a value", missing.GetSpecifiedName())
	}
	return usageError(list, "%w", err)
}

// plainly rewords what strconv says about a value.
func plainly(err error, value string) error {
	var number *strconv.NumError
	if !errors.As(err, &number) {
		return err
	}
	if number.Func == "ParseBool" {
		return fmt.Errorf("%q is neither true nor false", value)
	}
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%q is too large a number", value)
	}
	return fmt.Errorf("%q is not a number", value)
}

func flagNames(flags *pflag.FlagSet) []string {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// nearest is the name that was probably meant, or "" when none is near.
func nearest(s string, names []string) string {
	best, least := "", 1+(len(s)+2)/3
	for _, name := range names {
		if d := distance(s, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance counts the bytes to insert, remove or replace to get from a to b.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a) // nobody means that
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
