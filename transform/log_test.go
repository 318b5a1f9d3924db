package transform

import (
	"errors"
	"testing"
)

// TestBrokenLogStaysBroken: a seal that waited for a commit that failed does not
// try again, and does not make the log whole.
func TestBrokenLogStaysBroken(t *testing.T) {
	out := &tireless{}
	l := newLogWriter(out, 0)
	l.broken = errRefused
	if err := l.write(nil); !errors.Is(err, errRefused) || out.writes > 0 {
		t.Errorf("error %v after %d writes", err, out.writes)
	}
	if err := l.seal(); !errors.Is(err, errRefused) {
		t.Errorf("sealed: %v", err)
	}
}

var errRefused = errors.New("refused")

// tireless counts what is tried.
type tireless struct{ writes int }

func (r *tireless) Write(b []byte) (int, error) { r.writes++; return len(b), nil }
func (r *tireless) Sync() error                 { return nil }
func (r *tireless) Truncate(int64) error        { return nil }
func (r *tireless) Close() error                { return nil }
