package workers

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// maxMessage is the most bytes that a message keeps of what a host says.
const maxMessage = 1 << 10

// Classify names the result of Invoke in the words of the blame table. A 2xx is
// Good: the caller parses the body and may change the cause to [Garbled] or
// [Oversized]. The caller checks its context first, for an error that is neither a
// *TransportError nor a *TooLargeResponseError counts as [Broken].
func Classify(r Response, err error) Outcome {
	if err != nil {
		return classifyError(err)
	}
	o := Outcome{Cause: causeOf(r.Status), Status: r.Status, RetryAfter: r.RetryAfter}
	switch {
	case o.Cause == Good:
	case o.Cause == Redirected && r.Location != "":
		o.Message = brief(fmt.Sprintf("status %d, Location: %s", r.Status, r.Location))
	case len(r.Body) == 0:
		o.Message = strings.TrimSpace(fmt.Sprintf("status %d %s", r.Status, http.StatusText(r.Status)))
	default:
		o.Message = brief(string(r.Body[:min(len(r.Body), maxMessage)]))
	}
	return o
}

func classifyError(err error) Outcome {
	o := Outcome{Cause: Broken, Message: brief(err.Error())}
	if large, ok := errors.AsType[*TooLargeResponseError](err); ok {
		o.Cause, o.Status = Oversized, large.Status
	} else if broken, ok := errors.AsType[*TransportError](err); ok {
		o.Cause = broken.Cause
	}
	return o
}

// causeOf maps a status. A number that is no final HTTP status is Garbled.
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

// brief shortens s to maxMessage bytes of valid UTF-8.
func brief(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxMessage)], "")
	return strings.TrimSpace(s)
}
