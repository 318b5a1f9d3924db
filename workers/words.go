package workers

import "fmt"

var causeWords = [...]string{
	Good: "good", Busy: "busy", Unreachable: "unreachable", Broken: "broken", Failed: "failed",
	Refused: "refused", TooLarge: "too large", Denied: "denied", Unfit: "unfit",
	Redirected: "redirected", Conflict: "conflict", Garbled: "garbled", Oversized: "oversized",
	Foreign: "no answer by its type", Unproved: "unproved",
}

var actionWords = [...]string{
	Accept: "accept", Retry: "retry", Wait: "wait", Split: "split", Reject: "reject",
	DropHost: "drop host", PauseHost: "pause host", Stop: "stop",
}

// String is the cause in lower-case words, for messages.
func (c Cause) String() string { return word(causeWords[:], uint8(c), "cause") }

// String is the action in lower-case words, for messages.
func (a Action) String() string { return word(actionWords[:], uint8(a), "action") }

func word(words []string, at uint8, kind string) string {
	if int(at) < len(words) {
		return words[at]
	}
	return fmt.Sprintf("%s %d", kind, at)
}
