package sink

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/batchmill/batchmill/internal/caught"
)

// mostPlaces is how many places of libraries are named.
const mostPlaces = 5

// mostSaid is how many lines that come by os.Stderr are shown.
const mostSaid = 20

// places are places in libraries, with the number of messages that each has logged.
type places map[string]int64

// total is the number of all messages.
func (p places) total() (n int64) {
	for _, one := range p {
		n += one
	}
	return n
}

func (p places) String() string {
	names := slices.SortedFunc(maps.Keys(p), func(a, b string) int { return cmp.Or(cmp.Compare(p[b], p[a]), cmp.Compare(a, b)) })
	var list []string
	for _, name := range names[:min(len(names), mostPlaces)] {
		list = append(list, fmt.Sprintf("%s (%d)", name, p[name]))
	}
	if more := len(names) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("and %d more places", more))
	}
	return strings.Join(list, ", ")
}

// Logged is how many messages libraries have logged so far.
func (s *Sink) Logged() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logged.total()
}

// libraries is the standard logger's writer.
type libraries struct{ s *Sink }

// Write counts one message, at its place in a source: a line that begins with the
// path of a source file, as log.Llongfile has it.
func (l libraries) Write(p []byte) (int, error) {
	place := "a library"
	if path, rest, ok := bytes.Cut(p, []byte(".go:")); ok {
		line, _, _ := bytes.Cut(rest, []byte(":"))
		name := path[1+bytes.LastIndexByte(path[:1+max(0, bytes.LastIndexByte(path, '/')-1)], '/'):]
		place = fmt.Sprintf("%s.go:%s", name, line)
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.s.logged == nil {
		l.s.logged = places{}
	}
	l.s.logged[place]++
	return len(p), nil
}

// Claim takes what libraries write from now on: to the standard logger, which is also
// what slog, servers of net/http and the AWS SDK log to, and to os.Stderr, which is also
// what programs write to that libraries start. The lines of the latter are shown, the first 20,
// for a program may ask for a password there. End tells how much was logged; what is
// written after it is lost, for a library may log until the process is gone.
func (s *Sink) Claim() (end func()) {
	log.SetFlags(log.Llongfile)
	log.SetOutput(libraries{s})
	ended := make(chan struct{})
	r, w, err := os.Pipe()
	if err == nil {
		os.Stderr = w
		caught.Start(func() {
			defer close(ended)
			s.relay(r)
		})
	}
	return func() {
		if err == nil {
			_ = w.Close()
			select {
			case <-ended:
			case <-time.After(time.Second): // a program that was started holds it
			}
			_ = r.Close()
			<-ended
		}
		s.tellLogged()
	}
}

// tellLogged says how much libraries have logged, and where.
func (s *Sink) tellLogged() {
	s.mu.Lock()
	n, where := s.logged.total(), s.logged.String()
	s.mu.Unlock()
	if n > 0 {
		s.Tell(Message{Notice: fmt.Sprintf("messages of libraries, not shown because they may quote data: %d, from %s", n, where)})
	}
}

// question is for how long a text may lack the end of its line before it counts as a question.
const question = 200 * time.Millisecond

// mostLine is how long a line may become before it is told in parts, in bytes.
const mostLine = 64 << 10

// relay tells the lines that come by r, to its end.
func (s *Sink) relay(r *os.File) {
	said, line, buf := 0, []byte(nil), make([]byte, 4<<10)
	say := func(text []byte) {
		if said++; said > mostSaid {
			_, _ = libraries{s}.Write(nil)
			return
		}
		s.Tell(Message{Notice: "a library or a program that it started says: " + string(bytes.TrimSpace(text))})
	}
	for {
		wait := time.Time{}
		if len(line) > 0 {
			wait = time.Now().Add(question)
		}
		_ = r.SetReadDeadline(wait) // where there are none, a question is told late
		n, err := r.Read(buf)
		line = append(line, buf[:n]...)
		for {
			text, rest, ok := bytes.Cut(line, []byte("\n"))
			if !ok {
				break
			}
			say(text)
			line = rest
		}
		if len(line) > mostLine || len(line) > 0 && err != nil {
			say(line)
			line = nil
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}
