package workers

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// maxMessage caps what is kept of a host's words, in bytes.
const maxMessage = 1 << 10

// Classify names what Invoke returned in the words of the blame table. A 2xx is
// Good as far as the protocol goes: whether its body is [Garbled] or [Oversized]
// is for the caller to say once it has parsed it. The caller looks at its
// context first: an error that is neither a *TransportError nor a
// *TooLargeResponseError counts as Broken.
func Classify(r Response, err error) Outcome {
	if err != nil {
		return classifyError(err)
	}
	o := Outcome{Cause: causeOf(r.Status), Status: r.Status, RetryAfter: r.RetryAfter}
	switch {
	case o.Cause == Good:
	case o.Cause == Redirected && r.Location != "":
		o.Message = cut(fmt.Sprintf("status %d, Location: %s", r.Status, r.Location))
	case len(r.Body) == 0:
		o.Message = strings.TrimSpace(fmt.Sprintf("status %d %s", r.Status, http.StatusText(r.Status)))
	default:
		o.Message = cut(string(r.Body[:min(len(r.Body), maxMessage)]))
	}
	return o
}

func classifyError(err error) Outcome {
	o := Outcome{Cause: Broken, Message: cut(err.Error())}
	if large, ok := errors.AsType[*TooLargeResponseError](err); ok {
		o.Cause, o.Status = Oversized, large.Status
	} else if broken, ok := errors.AsType[*TransportError](err); ok {
		o.Cause = broken.Cause
	}
	return o
}

// causeOf maps a status. What is not a final HTTP status at all is Garbled.
func causeOf(status int) Cause {
	switch status {
	case 401, 403:
		return Denied
	case 404, 405, 415:
		return Unfit
	case 408, 425, 502, 504:
		return Broken
	case 409:
		return Conflict
	case 413:
		return TooLarge
	case 429, 503:
		return Busy
	}
	switch status / 100 {
	case 2:
		return Good
	case 3:
		return Redirected
	case 4:
		return Refused
	case 5:
		return Failed
	}
	return Garbled
}

// cut shortens s to maxMessage bytes of valid UTF-8.
func cut(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxMessage)], "")
	return strings.TrimSpace(s)
}

// A TransportError is a request that never became a whole response.
type TransportError struct {
	Host  string // its name, without secrets
	Cause Cause  // Unreachable, Broken, or Garbled for an encoding nobody asked for
	Err   error
}

func (e *TransportError) Error() string { return fmt.Sprintf("host %s: %v", e.Host, e.Err) }

// Unwrap gives the error underneath.
func (e *TransportError) Unwrap() error { return e.Err }

// A TooLargeResponseError is a response body above the cap. Nothing of it is kept.
type TooLargeResponseError struct {
	Host   string
	Status int
	Limit  int64 // bytes, counted after decompression
}

func (e *TooLargeResponseError) Error() string {
	return fmt.Sprintf("host %s: the response is larger than %d bytes: lower --batch-records or raise --max-response", e.Host, e.Limit)
}
