package workers

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// HostReason says what is wrong with one host.
type HostReason struct{ Host, Reason string }

// An UnavailableError says that no host was available for longer than the job may
// wait; exit code 69.
type UnavailableError struct {
	Since      time.Time
	Waited     time.Duration
	NeverReady bool // no host was ready; else hosts were ready and gave no good answer
	Hosts      []HostReason
}

func (e *UnavailableError) Error() string {
	what, flag := "no host has given a good answer", "--host-wait"
	if e.NeverReady {
		what, flag = "no host was ready", "--ready-timeout"
	}
	return fmt.Sprintf("%s for %v, since %s: %s: look at the hosts, or raise %s, and run the same command again",
		what, e.Waited.Round(time.Second), e.Since.Format(time.RFC3339), joinReasons(e.Hosts), flag)
}

// An AllDroppedError says that every host was dropped; exit code 64, or 69 with Gone.
type AllDroppedError struct {
	Hosts []HostReason
	Gone  bool // a server that batchmill started is gone for good
}

func (e *AllDroppedError) Error() string {
	return "no host is left: " + joinReasons(e.Hosts)
}

func joinReasons(hosts []HostReason) string {
	if len(hosts) == 0 {
		return "none was given: name one with --host"
	}
	var list []string
	for _, h := range hosts {
		list = append(list, h.Host+": "+h.Reason)
	}
	return strings.Join(list, "; ")
}

// A TransportError says that a request got no whole response.
type TransportError struct {
	Host  string // the host's name, without secrets
	Cause Cause  // Unreachable, Broken, or Garbled for a Content-Encoding that cannot be read
	Err   error
}

func (e *TransportError) Error() string { return fmt.Sprintf("host %s: %v", e.Host, e.Err) }

// Unwrap is Err.
func (e *TransportError) Unwrap() error { return e.Err }

// A TooLargeResponseError says that a response body was larger than Limit. No byte
// of the body is kept.
type TooLargeResponseError struct {
	Host   string
	Status int
	Limit  int64 // bytes, counted after decompression
}

func (e *TooLargeResponseError) Error() string {
	return fmt.Sprintf("host %s: the response is larger than %d bytes: lower --batch-records or raise --max-response", e.Host, e.Limit)
}

// isA tells whether an error of type E is in err's chain.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
