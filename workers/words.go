package workers

import "fmt"

var causeWords = [...]string{
	Good: "good", Busy: "busy", Unreachable: "unreachable", Broken: "broken", Failed: "failed",
	Refused: "refused", TooLarge: "too large", Denied: "denied", Unfit: "unfit",
	Redirected: "redirected", Conflict: "conflict", Garbled: "garbled", Oversized: "oversized",
}

var actionWords = [...]string{
	Accept: "accept", Retry: "retry", Wait: "wait", Split: "split", Reject: "reject",
	DropHost: "drop host", PauseHost: "pause host", Stop: "stop",
}

// String is the cause in lower-case words, for messages.
func (c Cause) String() string {
	if int(c) < len(causeWords) {
		return causeWords[c]
	}
	return fmt.Sprintf("cause %d", uint8(c))
}

// String is the action in lower-case words, for messages.
func (a Action) String() string {
	if int(a) < len(actionWords) {
		return actionWords[a]
	}
	return fmt.Sprintf("action %d", uint8(a))
}
