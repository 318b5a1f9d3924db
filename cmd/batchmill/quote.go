package main

import (
	"net/url"
	"strings"

	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers/process"
)

// continueCommand is the command line that goes on with an interrupted job, to
// be pasted into a shell. It never forgets the answer log: --restart is left
// out, and taken back where the job file holds it. What may be secret is not
// shown: a URL's query, the value of a variable, the arguments of a command.
// Then [redacted] stands for it, and it has to be put back.
//
// words are the program, the command, and its arguments, a job file among them.
func continueCommand(words []string, flags *pflag.FlagSet, restart bool) string {
	fromFile := len(words) > 2
	restartGiven := false
	flags.Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			switch {
			case f.Name == "restart":
				restartGiven = true
			case f.Name == "host" || f.Name == "env" || f.Name == "command":
				words = append(words, "--"+f.Name, withoutSecrets(f.Name, v))
			case f.Value.Type() == "bool" && v == "true":
				words = append(words, "--"+f.Name)
			case f.Value.Type() == "bool" || strings.HasPrefix(v, "-"):
				words = append(words, "--"+f.Name+"="+v)
			default:
				words = append(words, "--"+f.Name, v)
			}
		}
	})
	if fromFile && (restart || restartGiven) {
		words = append(words, "--restart=false") // the file may ask for it
	}
	for i, w := range words {
		words[i] = shellQuote(w)
	}
	return strings.Join(words, " ")
}

// redacted stands for what is not shown.
const redacted = "[redacted]"

// withoutSecrets is the value of a flag as a manifest has it, too.
func withoutSecrets(flag, value string) string {
	switch flag {
	case "host":
		return withoutQuery(value)
	case "env":
		if name, _, ok := strings.Cut(value, "="); ok {
			return name + "=" + redacted
		}
	case "command":
		return process.Program(value) + " " + redacted
	}
	return value
}

// checkRedacted refuses a command that was printed to continue and in which what
// is not shown was not put back.
func checkRedacted(s *job.Spec) error {
	for flag, values := range map[string][]string{"host": s.Hosts, "env": s.Env, "command": {s.Command}} {
		for _, v := range values {
			if strings.HasSuffix(v, redacted) && withoutSecrets(flag, v) == v {
				return usageError("put back what is not shown there", "--%s %s: %s stands for what was not to be printed", flag, v, redacted)
			}
		}
	}
	return nil
}

func withoutQuery(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.RawQuery == "" {
		return raw
	}
	u.RawQuery = ""
	return u.String() + "?" + redacted
}

// shellQuote writes a word so that a POSIX shell reads it back as it is. What a
// terminal could not show is written in the $'...' form, which shells also read.
func shellQuote(word string) string {
	if escape(word) != word {
		return "$'" + strings.ReplaceAll(escapeBackslashes(word), "'", `\'`) + "'"
	}
	safe := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !safe(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// escapeBackslashes writes every byte that is not plain ASCII as \xNN.
func escapeBackslashes(word string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(word) {
		switch c := word[i]; {
		case c == '\\':
			b.WriteString(`\\`)
		case c < ' ' || c >= 0x7f:
			b.WriteString(`\x` + string(digits[c>>4]) + string(digits[c&15]))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
