// Package sink is the one way to standard error: the program's messages, its
// progress, and whatever libraries write. Messages are scrubbed of secrets and of what
// a terminal would obey. What a library logs is counted and not shown: its text may
// quote records, answers or headers.
package sink

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// A Message is what the program has to tell: a notice, or an error with what goes with it.
type Message struct {
	Notice   string `json:"notice,omitempty"`
	Error    string `json:"error,omitempty"`
	Hint     string `json:"hint,omitempty"`
	Stack    string `json:"stack,omitempty"` // of an internal error
	ExitCode int    `json:"exit_code,omitempty"`
}

// A Sink writes whole messages, from any goroutine.
type Sink struct {
	mu     sync.Mutex
	w      io.Writer
	lead   func() string     // "" or nil: what stands before a message
	form   func(Message) any // not nil: a message is this, in a line of JSON
	logged places

	hiding  sync.Mutex
	secrets []func() []string
}

// New makes the sink before w.
func New(w io.Writer) *Sink { return &Sink{w: w} }

// Lead has what lead returns written before each message: what clears the line at
// which a terminal is.
func (s *Sink) Lead(lead func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lead = lead
}

// InJSON makes a line of JSON of each message from now on: what form returns.
func (s *Sink) InJSON(form func(Message) any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.form = form
}

// Hide takes what secrets returns out of all messages from now on.
func (s *Sink) Hide(secrets func() []string) {
	s.hiding.Lock()
	defer s.hiding.Unlock()
	s.secrets = append(s.secrets, secrets)
}

// Write writes p as it is. It is for what has no text of others in it: help, and the
// numbers of progress.
func (s *Sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// Tell writes a message. That standard error is closed is no matter of the program's.
func (s *Sink) Tell(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m = s.scrubbed(m)
	if s.form != nil {
		_ = json.NewEncoder(s.w).Encode(s.form(m))
		return
	}
	var b strings.Builder
	if s.lead != nil {
		b.WriteString(s.lead())
	}
	fmt.Fprintf(&b, "batchmill: %s\n", Escape(m.Notice+m.Error)) // one of the two
	if m.Hint != "" {
		fmt.Fprintf(&b, "  hint: %s\n", Escape(m.Hint))
	}
	for line := range strings.Lines(m.Stack) {
		fmt.Fprintf(&b, "    %s\n", Escape(strings.TrimSpace(line)))
	}
	_, _ = io.WriteString(s.w, b.String())
}

// shortest is the length of the shortest secret that is taken out, in bytes: shorter
// ones stand in too many words.
const shortest = 4

// Scrub takes the secrets out of a text that is shown by Write. What InJSON was given
// may call Scrub.
func (s *Sink) Scrub(text string) string { return s.scrubbed(Message{Notice: text}).Notice }

// scrubbed is m without secrets.
func (s *Sink) scrubbed(m Message) Message {
	s.hiding.Lock()
	hidden := slices.Clone(s.secrets)
	s.hiding.Unlock()
	var pairs []string
	for _, all := range hidden {
		for _, secret := range all() {
			if len(secret) >= shortest {
				pairs = append(pairs, secret)
			}
		}
	}
	if len(pairs) == 0 {
		return m
	}
	// The longest first: of two secrets, one may begin with the other.
	slices.SortFunc(pairs, func(a, b string) int { return len(b) - len(a) })
	var replace []string
	for _, secret := range pairs {
		replace = append(replace, secret, redacted)
		if quoted := Escape(secret); quoted != secret {
			replace = append(replace, quoted, redacted)
		}
	}
	r := strings.NewReplacer(replace...)
	for _, text := range []*string{&m.Notice, &m.Error, &m.Hint, &m.Stack} {
		*text = r.Replace(*text)
	}
	return m
}

const redacted = "[redacted]"
