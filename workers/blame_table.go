package workers

import (
	"fmt"
	"time"
)

const (
	// ManyAlone is how many records may fail alone, without a good answer in
	// between, before the hosts or the model are to blame and not the records.
	ManyAlone = 20
	// longestRest is the longest rest that a Retry-After can ask for.
	longestRest = 5 * time.Minute
	// pauseRest is how long a host rests that went bad in the middle of a job.
	pauseRest = 30 * time.Second
	// defaultAttempts stands in for a State without Attempts.
	defaultAttempts = 4
)

// rules is the blame table, with a row for each cause. The rows that depend on the
// state are functions below, in the same order.
var rules = [...]func(Outcome, State) Verdict{
	Good:        accept,
	Busy:        wait,
	Unreachable: wait,
	Broken:      retryThenSplit(attemptsLess1, true, "no whole response: ask another host"),
	Failed:      retryThenSplit(twice, true, "the host failed: two retries before the batch is split"),
	Refused:     refused,
	TooLarge:    tooLarge,
	Denied:      denied,
	Unfit:       unfit,
	Redirected:  redirected,
	Conflict:    retryThenSplit(attemptsLess1, false, "the host reports a conflict: ask again"),
	Garbled:     retryThenSplit(once, true, "the answers do not fit the records: ask another host once"),
	Oversized:   tooLarge,
	Foreign:     retryThenSplit(once, true, "the response is no answer, whatever it holds: ask another host once"),
	Unproved:    unproved,
}

// Blame decides what to do after a request. Blame is a pure function with a verdict
// for every combination of its arguments: a cause without a row counts as Failed.
// Stop comes with an Exit, and Reject only for a request about a single record.
func Blame(o Outcome, s State) Verdict {
	if s.Attempts <= 0 {
		s.Attempts = defaultAttempts
	}
	if int(o.Cause) >= len(rules) {
		o.Cause = Failed
	}
	return rules[o.Cause](o, s)
}

func accept(Outcome, State) Verdict { return Verdict{Action: Accept, Why: "answered"} }

// wait does not count the try, for a host without room says nothing about the
// records. Without a Retry-After the pool picks a rest that grows.
func wait(o Outcome, _ State) Verdict {
	rest := min(max(o.RetryAfter, 0), longestRest)
	return Verdict{Action: Wait, Elsewhere: true, Rest: rest, Why: "the host has no room or is not there: wait for one that has"}
}

// attemptsLess1, twice and once say how many retries a cause is worth, within --attempts.
func attemptsLess1(s State) int { return s.Attempts - 1 }
func twice(s State) int         { return min(2, s.Attempts-1) }
func once(s State) int          { return min(1, s.Attempts-1) }

// retryThenSplit is the row of a cause that may go away by itself.
func retryThenSplit(retries func(State) int, elsewhere bool, why string) func(Outcome, State) Verdict {
	return func(o Outcome, s State) Verdict {
		if s.Tries <= retries(s) {
			return Verdict{Action: Retry, Elsewhere: elsewhere, Why: why}
		}
		return split(o, s, "asked again in vain: find the records that fail")
	}
}

// refused splits the batch, before the first good answer too: a bad record in the
// first batch looks the same as a wrong host, which the count of records that fail
// alone finds.
func refused(o Outcome, s State) Verdict {
	return split(o, s, "the host refused the batch: find the records it does not like")
}

// tooLarge rejects a lone record at once, for a second try cannot make the record
// smaller. Where other hosts take a payload as large, the host may be to blame.
func tooLarge(o Outcome, s State) Verdict {
	if s.Records > 1 {
		return Verdict{Action: Split, Why: "the batch or its answers are too large: ask for less at once"}
	}
	if o.Cause == TooLarge && s.Taken {
		return alone(o, s)
	}
	if o.Cause == TooLarge {
		return Verdict{Action: Reject, Why: "this record alone is larger than the host takes"}
	}
	return Verdict{Action: Reject, Why: "the answer to this record alone is larger than --max-response"}
}

// unproved asks for fewer records at once: what is answered about one record proves what may
// be believed about others. A record that is never answered with proof becomes a reject.
func unproved(o Outcome, s State) Verdict {
	return split(o, s, "nothing shows that these answers belong to these records: ask about fewer, and compare")
}

func denied(_ Outcome, s State) Verdict {
	if !s.HostGood {
		return dropHost("the host refuses access: check --host-bearer, --host-basic or --host-header")
	}
	return Verdict{Action: PauseHost, Elsewhere: true, Rest: pauseRest,
		Why: "the host refuses access after it has answered well: check whether a token ran out"}
}

func unfit(o Outcome, s State) Verdict {
	if !s.HostGood {
		return dropHost("the host does not take such requests: check the URL's path and --content-type")
	}
	return split(o, s, "the host does not take this batch: find the records it does not like")
}

func dropHost(why string) Verdict {
	return Verdict{Action: DropHost, Elsewhere: true, Why: why}
}

func redirected(o Outcome, _ State) Verdict {
	return Verdict{Action: Stop, Exit: ExitConfig, Why: fmt.Sprintf(
		"the host redirects (%s) and redirects are never followed: give --host the URL it points to", o.Message)}
}

// split halves a batch; about a lone record, alone decides. The halves inherit
// Tries, so they do not go through all retries again.
func split(o Outcome, s State, why string) Verdict {
	if s.Records > 1 {
		return Verdict{Action: Split, Why: why}
	}
	return alone(o, s)
}

// alone decides about a record that failed alone: the record or the host is to
// blame, and only answers to other records can tell which.
func alone(o Outcome, s State) Verdict {
	switch many := s.FailedAlone >= ManyAlone; {
	case many && !s.JobGood:
		return Verdict{Action: Stop, Exit: ExitInput, Why: fmt.Sprintf(
			"%d records failed alone and none was answered, so it is the model or the configuration, not one record (last: %s): try one record by hand, check --content-type and --host",
			s.FailedAlone, o.Message)}
	case many:
		return Verdict{Action: PauseHost, Elsewhere: true, Rest: pauseRest,
			Why: "the hosts fail everything since their last good answer: that is not the records' fault"}
	case s.Alone >= 2 && s.AnsweredBetween:
		return Verdict{Action: Reject, Why: "failed alone twice while its host answered other records"}
	case !s.OthersLeft && s.Alone >= s.Attempts && !s.BetterHost:
		return Verdict{Action: Reject, Why: "failed alone in every attempt, with no other record left to compare with"}
	}
	return Verdict{Action: Retry, Elsewhere: true, Why: "failed alone: ask again to tell the record from the host"}
}
