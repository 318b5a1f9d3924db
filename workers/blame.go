package workers

import "time"

// Cause is what happened to a request, in the words of the blame table.
type Cause uint8

const (
	Good        Cause = iota // a 2xx whose body held one answer for each record
	Busy                     // 429, 503: the host has no room
	Unreachable              // connection refused, no such name, no route
	Broken                   // reset, timeout, truncated body, 408, 425, 502, 504
	Failed                   // 500 and other 5xx
	Refused                  // 400, 422 and other 4xx: the host refuses these records
	TooLarge                 // 413
	Denied                   // 401, 403
	Unfit                    // 404, 405, 415: the host is not the one that the job needs
	Redirected               // 3xx
	Conflict                 // 409
	Garbled                  // a 2xx with a wrong answer count, or not parseable
	Oversized                // a response body over --max-response
	Foreign                  // a 2xx whose content type is certainly none of an answer: a page, an image, an event stream
	Unproved                 // a 2xx with as many answers as records, which [Believed] does not believe
)

// Outcome is what came of one request.
type Outcome struct {
	Cause      Cause
	Status     int           // 0 when there was no response
	RetryAfter time.Duration // the wait that the host asked for; 0 without one
	Message    string        // what the host said, or the error, for people; at most 1 KiB
}

// State is what the blame table needs to know beside the outcome of a request.
type State struct {
	Records  int // number of records in the request
	Tries    int // how often these records failed in a way that counts, this time included; the halves of a split inherit Tries
	Attempts int // --attempts
	Alone    int // how often the record failed alone, this time included; 0 in a batch
	// HostGood says that this host has given a good answer before, JobGood that
	// any host has.
	HostGood, JobGood bool
	// AnsweredBetween says that this host has answered other records since this
	// record first failed alone.
	AnsweredBetween bool
	// Taken says that hosts take a payload as large as this one, see [Pool.Takes].
	Taken bool
	// BetterHost says that another host can be asked which has answered more lately than this one.
	BetterHost bool
	// OthersLeft says that some record of the job is neither resolved nor failing alone.
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
	Split                   // ask about each half of the batch by itself
	Reject                  // set the record aside with its reason
	DropHost                // never use this host again, and ask another host
	PauseHost               // rest the host for 30 seconds, then probe it; ask another host
	Stop                    // stop the job
)

// Exit says why a job stops; the command line maps it to an exit code.
type Exit uint8

const (
	ExitNone   Exit = iota
	ExitConfig      // 64: the hosts or the flags are wrong
	ExitInput       // 65: the model or the data as a whole is wrong
	ExitHosts       // 69: no host is available
)

// Verdict is what the blame table decides.
type Verdict struct {
	Action Action
	// Elsewhere prefers another host than the one that failed.
	Elsewhere bool
	// Rest is how long the host gets no request.
	Rest time.Duration
	// Exit is set when Action is Stop.
	Exit Exit
	// Why is the rule that was applied, in one line for people.
	Why string
}
