package workers

import (
	"fmt"
	"time"
)

const (
	// ManyAlone is how many records may fail alone without a good answer in
	// between before it cannot be the records any more.
	ManyAlone = 20
	// longestRest caps what a Retry-After may ask for.
	longestRest = 5 * time.Minute
	// pauseRest is how long a host rests that turned bad in the middle of a job.
	pauseRest = 30 * time.Second
	// defaultAttempts stands in for a State without Attempts.
	defaultAttempts = 4
)

// rules is the blame table: one row for each cause. Rows whose answer depends
// on the state are functions below, in the same order.
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
}

// Blame decides what to do about a finished request. It is a pure function and
// knows every combination of its arguments: a cause it has no row for is
// treated as Failed. Stop comes with an Exit, and Reject only when a single
// record was asked for.
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

// wait: a host without room says nothing about the records, so the try does
// not count. Without a Retry-After the pool picks a rest that grows.
func wait(o Outcome, _ State) Verdict {
	rest := min(max(o.RetryAfter, 0), longestRest)
	return Verdict{Action: Wait, Elsewhere: true, Rest: rest, Why: "the host has no room or is not there: wait for one that has"}
}

// How many retries a cause is worth. None is worth more than --attempts allows.
func attemptsLess1(s State) int { return s.Attempts - 1 }
func twice(s State) int         { return min(2, s.Attempts-1) }
func once(s State) int          { return min(1, s.Attempts-1) }

// retryThenSplit is the row of the causes that may go away by themselves.
func retryThenSplit(retries func(State) int, elsewhere bool, why string) func(Outcome, State) Verdict {
	return func(o Outcome, s State) Verdict {
		if s.Tries <= retries(s) {
			return Verdict{Action: Retry, Elsewhere: elsewhere, Why: why}
		}
		return split(o, s, "asked again in vain: find the records that fail")
	}
}

// refused: before the first good answer too, since one bad record in the first
// batch looks just the same; wrong hosts are found by the count of lone failures.
func refused(o Outcome, s State) Verdict {
	return split(o, s, "the host refused the batch: find the records it does not like")
}

// tooLarge: size needs no second opinion, so a lone record goes at once. Where
// others take as much, it may be the host.
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

// split halves a batch; a lone record goes on to alone. The halves inherit
// Tries, so they do not go through all the retries again.
func split(o Outcome, s State, why string) Verdict {
	if s.Records > 1 {
		return Verdict{Action: Split, Why: why}
	}
	return alone(o, s)
}

// alone decides about a record that failed by itself. The question is always
// whether the record or the host is to blame, and only answers to other
// records can tell.
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
	case !s.OthersLeft && s.Alone >= s.Attempts:
		return Verdict{Action: Reject, Why: "failed alone in every attempt, with no other record left to compare with"}
	}
	return Verdict{Action: Retry, Elsewhere: true, Why: "failed alone: ask again to tell the record from the host"}
}
