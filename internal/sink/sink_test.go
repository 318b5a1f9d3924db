package sink

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const canary = "canary-5e1d0c"

// writers are the ways in which a library writes to standard error. Shown tells that
// its text is shown, scrubbed.
var writers = map[string]struct {
	write func(t *testing.T)
	shown bool
}{
	"log":         {write: func(*testing.T) { log.Printf("Unsolicited response starting with %q", canary) }},
	"log.Default": {write: func(*testing.T) { log.Default().Print(canary) }},
	"slog":        {write: func(*testing.T) { slog.Error("failed", "body", canary) }},
	"slog.With":   {write: func(*testing.T) { slog.Default().With("token", canary).Warn(canary) }},
	"own logger":  {write: func(*testing.T) { log.New(os.Stderr, "SDK ", log.LstdFlags).Print(canary) }, shown: true},
	"os.Stderr":   {write: func(*testing.T) { fmt.Fprintln(os.Stderr, "token", canary) }, shown: true},
	"no line end": {write: func(*testing.T) { fmt.Fprint(os.Stderr, "token "+canary) }, shown: true},
	"program": {write: func(t *testing.T) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSays$")
		cmd.Env = append(os.Environ(), "SINK_SAYS="+canary)
		cmd.Stderr = os.Stderr // as the AWS SDK has it for credential_process
		_ = cmd.Run()
	}, shown: true},
	"server": {write: func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(canary) })}
		defer s.Close()
		go s.Serve(l)
		if resp, err := http.Get("http://" + l.Addr().String()); err == nil {
			resp.Body.Close()
		}
	}},
}

// claim is s.Claim for the time of a test.
func claim(t *testing.T, s *Sink) (end func()) {
	stderr, flags := os.Stderr, log.Flags()
	t.Cleanup(func() {
		os.Stderr = stderr
		log.SetOutput(stderr)
		log.SetFlags(flags)
	})
	return s.Claim()
}

// TestSays is the program that a library starts.
func TestSays(t *testing.T) {
	if text := os.Getenv("SINK_SAYS"); text != "" {
		fmt.Fprintln(os.Stderr, text)
		os.Exit(0)
	}
}

// TestFormMayScrub: what makes lines of JSON may scrub texts of its own.
func TestFormMayScrub(t *testing.T) {
	var out bytes.Buffer
	s := New(&out)
	s.Hide(func() []string { return []string{canary} })
	s.InJSON(func(m Message) any { return s.Scrub("a "+canary) + m.Notice })
	s.Tell(Message{Notice: " and a notice"})
	if got := out.String(); got != "\"a [redacted] and a notice\"\n" {
		t.Errorf("%q", got)
	}
}

func TestLibrariesAreScrubbedAndCounted(t *testing.T) {
	for name, w := range writers {
		for _, inJSON := range []bool{false, true} {
			var out bytes.Buffer
			s := New(&out)
			s.Hide(func() []string { return []string{canary} })
			if inJSON {
				s.InJSON(func(m Message) any { return m })
			}
			end := claim(t, s)
			w.write(t)
			end()
			told := out.Len()
			if w.write(t); out.Len() != told {
				t.Errorf("%s: after the end: %q", name, out.String()[told:])
			}
			got := out.String()
			if strings.Contains(got, canary) || got == "" {
				t.Errorf("%s: %q", name, got)
			}
			if shown := strings.Contains(got, redacted); shown != w.shown || (s.Logged() > 0) == w.shown {
				t.Errorf("%s: shown %t, counted %d, in %q", name, shown, s.Logged(), got)
			}
			for line := range strings.Lines(got) {
				if inJSON && !json.Valid([]byte(line)) {
					t.Errorf("%s: no JSON: %q", name, line)
				}
				if !inJSON && !strings.HasPrefix(line, "batchmill: ") {
					t.Errorf("%s: %q", name, line)
				}
			}
		}
	}
}

// Text that no secret is known of is not shown either, wherever in a message it stands.
func TestLoggedTextIsNotShown(t *testing.T) {
	var out bytes.Buffer
	s := New(&out)
	end := claim(t, s)
	for range 3 {
		log.Printf("/a/b.go:7: %s", canary)
	}
	log.Print("\n", canary, "\n")
	end()
	got := regexp.MustCompile(`go:\d+`).ReplaceAllString(out.String(), "go:N")
	want := "batchmill: messages of libraries, not shown because they may quote data: 4, from sink/sink_test.go:N (3), sink/sink_test.go:N (1)\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestOnlySoMuchIsSaid(t *testing.T) {
	var out bytes.Buffer
	s := New(&out)
	end := claim(t, s)
	fmt.Fprint(os.Stderr, strings.Repeat("again\n", 10_000))
	end()
	if lines := strings.Count(out.String(), "\n"); lines != mostSaid+1 || s.Logged() != 10_000-mostSaid {
		t.Errorf("%d lines, %d counted", lines, s.Logged())
	}
}

func TestMessages(t *testing.T) {
	secrets := []string{"abc", "abcdef", "abcdefgh", "line\nend", ""}
	m := Message{Error: "x abcdefgh abcdef abc line\nend \x1b[2J", Hint: `say "abcdef" line\nend`, Stack: "a(abcdef)\n\tb.go:1\n", ExitCode: 1}
	var plain, lines bytes.Buffer
	for _, c := range []struct {
		to     io.Writer
		inJSON bool
	}{{&plain, false}, {&lines, true}} {
		s := New(c.to)
		s.Hide(func() []string { return secrets })
		s.Lead(func() string { return "\r" })
		if c.inJSON {
			s.InJSON(func(m Message) any { return m })
		}
		s.Tell(m)
	}
	if want := "\rbatchmill: x [redacted] [redacted] abc [redacted] \\x1b[2J\n  hint: say \"[redacted]\" [redacted]\n    a([redacted])\n    b.go:1\n"; plain.String() != want {
		t.Errorf("got  %q\nwant %q", plain.String(), want)
	}
	if want := `{"error":"x [redacted] [redacted] abc [redacted] \u001b[2J","hint":"say \"[redacted]\" [redacted]","stack":"a([redacted])\n\tb.go:1\n","exit_code":1}` + "\n"; lines.String() != want {
		t.Errorf("got  %q\nwant %q", lines.String(), want)
	}
}
