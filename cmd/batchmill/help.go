package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// groupOf is the annotation that says under which title help shows a flag.
const groupOf = "group"

// help writes a command's help: what it is for, how it is called, its flags by
// group, an example, and the exit codes, which every help text holds.
func (a *app) help(w io.Writer, cmd *cobra.Command) {
	about := cmd.Long
	if about == "" {
		about = cmd.Short
	}
	fmt.Fprintf(w, "%s\n\nUsage:\n", strings.TrimSpace(about))
	if cmd.HasParent() {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(cmd.UseLine(), "\n", "\n  "))
	} else {
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				fmt.Fprintf(w, "  batchmill %-14s %s\n", c.Name(), c.Short)
			}
		}
		fmt.Fprintf(w, "\nRun batchmill COMMAND --help for its flags.\n")
	}
	for _, group := range groupFlags(cmd.Flags()) {
		fmt.Fprintf(w, "\n%s:\n", group.title)
		for _, f := range group.flags {
			writeFlag(w, f)
		}
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExample:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	fmt.Fprintf(w, "\n%s", exitHelp)
}

// Columns of help: where a flag's text begins, and where it ends.
const (
	textFrom = 30
	textTo   = 100
)

// writeFlag writes a flag, what its value is called, and its text in lines. The
// value's name stands in the usage before a tab.
func writeFlag(w io.Writer, f *pflag.Flag) {
	value, text, ok := strings.Cut(f.Usage, "\t")
	if !ok {
		value, text = "", f.Usage
	}
	if !slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue) {
		text += " (default " + f.DefValue + ")"
	}
	head := strings.TrimSpace("--" + f.Name + " " + value)
	line := fmt.Sprintf("  %-*s", textFrom-4, head)
	if len(line) > textFrom-2 {
		fmt.Fprintln(w, line)
		line = strings.Repeat(" ", textFrom-2)
	}
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > textTo {
			fmt.Fprintln(w, line)
			line = strings.Repeat(" ", textFrom-2)
		}
		line += " " + word
	}
	fmt.Fprintln(w, line)
}

type flagGroup struct {
	title string
	flags []*pflag.Flag
}

// groupFlags keeps groups and flags in the order of their definition.
func groupFlags(flags *pflag.FlagSet) []flagGroup {
	var groups []flagGroup
	at := map[string]int{}
	flags.VisitAll(func(f *pflag.Flag) {
		title := "Flags"
		if t := f.Annotations[groupOf]; len(t) > 0 {
			title = t[0]
		}
		if f.Name == "help" || f.Hidden {
			return
		}
		i, ok := at[title]
		if !ok {
			i = len(groups)
			at[title] = i
			groups = append(groups, flagGroup{title: title})
		}
		groups[i].flags = append(groups[i].flags, f)
	})
	return groups
}
