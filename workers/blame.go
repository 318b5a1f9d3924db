package workers

import "time"

// Cause is what happened to one request, in the words of the blame table.
type Cause uint8

const (
	Good        Cause = iota // a 2xx whose body held one answer for each record
	Busy                     // 429, 503: the host is there and has no room
	Unreachable              // connection refused, no such name, no route
	Broken                   // reset, timeout, truncated body, 408, 425, 502, 504
	Failed                   // 500 and other 5xx
	Refused                  // 400, 422 and other 4xx: the host does not like these records
	TooLarge                 // 413
	Denied                   // 401, 403
	Unfit                    // 404, 405, 415: this is not the host we take it for
	Redirected               // 3xx
	Conflict                 // 409
	Garbled                  // a 2xx with a wrong answer count, or not parseable
	Oversized                // a response body over --max-response
)

// Outcome is one finished request as the caller saw it.
type Outcome struct {
	Cause      Cause
	Status     int           // 0 when there was no response
	RetryAfter time.Duration // as the host asked; 0 without
	Message    string        // the host's words or the error, for people; at most 1 KiB
}

// State is what the blame table needs to know beside the outcome.
type State struct {
	Records  int // in the request that failed
	Tries    int // how often these records failed in a way that counts, this time included; split halves inherit it
	Attempts int // --attempts
	Alone    int // how often the record failed alone, this time included; 0 in a batch
	// HostGood: this host has given a good answer before. JobGood: any host has.
	HostGood, JobGood bool
	// AnsweredBetween: this host has answered other records since this record
	// first failed alone.
	AnsweredBetween bool
	// Taken: a payload as large as this one is what hosts take, see [Pool.Takes].
	Taken bool
	// OthersLeft: some record of the job is neither settled nor failing alone.
	OthersLeft bool
	// FailedAlone counts the job's records that failed alone since the last good answer.
	FailedAlone int
}

// Action is what to do with the records of a failed request.
type Action uint8

const (
	Accept    Action = iota // take the answers
	Retry                   // ask again after a full-jitter backoff, paid from the retry budget
	Wait                    // ask again when a host has room; the try does not count
	Split                   // ask for each half by itself
	Reject                  // set the record aside with its reason
	DropHost                // never use this host again, and ask another one
	PauseHost               // rest the host for long, then probe it; ask another one
	Stop                    // stop the job
)

// Exit says why a job stops; the command line maps it to an exit code.
type Exit uint8

const (
	ExitNone   Exit = iota
	ExitConfig      // 64: the hosts or the flags are wrong
	ExitInput       // 65: it is the model or the data, as a whole
	ExitHosts       // 69: no host is available
)

// Verdict is what the blame table decides.
type Verdict struct {
	Action Action
	// Elsewhere: prefer a host other than the one that failed.
	Elsewhere bool
	// Rest: the host gets no request for so long.
	Rest time.Duration
	// Exit is set with Stop.
	Exit Exit
	// Why is one line for people: the rule that was applied.
	Why string
}
