package workers

import (
	"strings"
	"testing"
	"time"
)

// batch and alone are the states most rows start from.
func batchState() State {
	return State{Records: 100, Tries: 1, Attempts: 4, HostGood: true, JobGood: true, OthersLeft: true}
}

func aloneState() State {
	s := batchState()
	s.Records, s.Tries, s.Alone, s.FailedAlone = 1, 4, 1, 1
	return s
}

type row struct {
	name    string
	outcome Outcome
	state   State
	want    Verdict // Why is not compared
}

func with(s State, change func(*State)) State {
	change(&s)
	return s
}

func runRows(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			got := Blame(r.outcome, r.state)
			if got.Why == "" || strings.Contains(got.Why, "\n") {
				t.Errorf("Why is %q, want one line", got.Why)
			}
			got.Why = ""
			if got != r.want {
				t.Errorf("Blame(%v) = %+v, want %+v", r.outcome.Cause, got, r.want)
			}
		})
	}
}

func TestBlameBatch(t *testing.T) {
	split := Verdict{Action: Split}
	again := Verdict{Action: Retry, Elsewhere: true}
	tries := func(n int) State { return with(batchState(), func(s *State) { s.Tries = n }) }
	fresh := with(batchState(), func(s *State) { s.HostGood, s.JobGood = false, false })
	runRows(t, []row{
		{"good is accepted", Outcome{Cause: Good}, batchState(), Verdict{Action: Accept}},
		{"busy waits elsewhere", Outcome{Cause: Busy}, batchState(), Verdict{Action: Wait, Elsewhere: true}},
		{"busy waits however often", Outcome{Cause: Busy}, tries(1000), Verdict{Action: Wait, Elsewhere: true}},
		{"retry-after wins", Outcome{Cause: Busy, RetryAfter: time.Minute}, batchState(), Verdict{Action: Wait, Elsewhere: true, Rest: time.Minute}},
		{"retry-after is capped", Outcome{Cause: Busy, RetryAfter: time.Hour}, batchState(), Verdict{Action: Wait, Elsewhere: true, Rest: 5 * time.Minute}},
		{"negative retry-after is ignored", Outcome{Cause: Busy, RetryAfter: -1}, batchState(), Verdict{Action: Wait, Elsewhere: true}},
		{"unreachable waits elsewhere", Outcome{Cause: Unreachable}, batchState(), Verdict{Action: Wait, Elsewhere: true}},
		{"broken is retried elsewhere", Outcome{Cause: Broken}, tries(1), again},
		{"broken is retried below attempts", Outcome{Cause: Broken}, tries(3), again},
		{"broken at attempts splits", Outcome{Cause: Broken}, tries(4), split},
		{"500 is retried once", Outcome{Cause: Failed}, tries(1), again},
		{"500 is retried twice", Outcome{Cause: Failed}, tries(2), again},
		{"500 a third time splits", Outcome{Cause: Failed}, tries(3), split},
		{"500 with one attempt splits", Outcome{Cause: Failed}, with(tries(1), func(s *State) { s.Attempts = 1 }), split},
		{"400 splits at once", Outcome{Cause: Refused}, batchState(), split},
		{"400 before the first good answer splits", Outcome{Cause: Refused}, fresh, split},
		{"413 halves", Outcome{Cause: TooLarge}, batchState(), split},
		{"too large a response halves", Outcome{Cause: Oversized}, batchState(), split},
		{"409 is retried", Outcome{Cause: Conflict}, tries(3), Verdict{Action: Retry}},
		{"409 at attempts splits", Outcome{Cause: Conflict}, tries(4), split},
		{"garbled is retried once elsewhere", Outcome{Cause: Garbled}, tries(1), again},
		{"garbled twice splits", Outcome{Cause: Garbled}, tries(2), split},
		{"a page is retried once elsewhere", Outcome{Cause: Foreign}, tries(1), again},
		{"a page twice splits", Outcome{Cause: Foreign}, tries(2), split},
		{"an unproved batch splits at once", Outcome{Cause: Unproved}, tries(1), split},
		{"unknown cause is a failure", Outcome{Cause: 200}, tries(3), split},
		{"no attempts given means four", Outcome{Cause: Broken}, with(tries(3), func(s *State) { s.Attempts = 0 }), again},
	})
}

func TestBlameHost(t *testing.T) {
	drop := Verdict{Action: DropHost, Elsewhere: true}
	fresh := with(batchState(), func(s *State) { s.HostGood = false })
	runRows(t, []row{
		{"401 before a good answer drops", Outcome{Cause: Denied}, fresh, drop},
		{"401 later pauses", Outcome{Cause: Denied}, batchState(), Verdict{Action: PauseHost, Elsewhere: true, Rest: pauseRest}},
		{"401 for a lone record pauses", Outcome{Cause: Denied}, aloneState(), Verdict{Action: PauseHost, Elsewhere: true, Rest: pauseRest}},
		{"404 before a good answer drops", Outcome{Cause: Unfit}, fresh, drop},
		{"404 later splits", Outcome{Cause: Unfit}, batchState(), Verdict{Action: Split}},
		{"404 later for a lone record asks again", Outcome{Cause: Unfit}, aloneState(), Verdict{Action: Retry, Elsewhere: true}},
		{"redirect stops", Outcome{Cause: Redirected}, batchState(), Verdict{Action: Stop, Exit: ExitConfig}},
		{"redirect for a lone record stops", Outcome{Cause: Redirected}, aloneState(), Verdict{Action: Stop, Exit: ExitConfig}},
	})
}

func TestBlameAlone(t *testing.T) {
	again, reject := Verdict{Action: Retry, Elsewhere: true}, Verdict{Action: Reject}
	pause := Verdict{Action: PauseHost, Elsewhere: true, Rest: pauseRest}
	alone := func(change func(*State)) State { return with(aloneState(), change) }
	runRows(t, []row{
		{"first time alone asks again", Outcome{Cause: Refused}, aloneState(), again},
		{"twice, others answered in between", Outcome{Cause: Refused}, alone(func(s *State) { s.Alone, s.AnsweredBetween = 2, true }), reject},
		{"twice, nobody answered in between", Outcome{Cause: Refused}, alone(func(s *State) { s.Alone = 2 }), again},
		{"many times, nobody answered in between, others left", Outcome{Cause: Refused}, alone(func(s *State) { s.Alone = 50 }), again},
		{"once, others answered in between", Outcome{Cause: Failed}, alone(func(s *State) { s.AnsweredBetween = true }), again},
		{"nobody left, below attempts", Outcome{Cause: Broken}, alone(func(s *State) { s.OthersLeft, s.Alone = false, 3 }), again},
		{"nobody left, at attempts", Outcome{Cause: Broken}, alone(func(s *State) { s.OthersLeft, s.Alone = false, 4 }), reject},
		{"nobody left, at attempts, a better host not asked", Outcome{Cause: Broken}, alone(func(s *State) { s.OthersLeft, s.BetterHost, s.Alone = false, true, 4 }), again},
		{"a better host saves no record that its host failed among others", Outcome{Cause: Refused}, alone(func(s *State) { s.BetterHost, s.Alone, s.AnsweredBetween = true, 2, true }), reject},
		{"unproved alone asks again", Outcome{Cause: Unproved}, aloneState(), again},
		{"unproved alone twice, others answered in between", Outcome{Cause: Unproved}, alone(func(s *State) { s.Alone, s.AnsweredBetween = 2, true }), reject},
		{"a page alone twice, others answered in between", Outcome{Cause: Foreign}, alone(func(s *State) { s.Alone, s.AnsweredBetween = 2, true }), reject},
		{"20 pages alone without any good answer stop", Outcome{Cause: Foreign}, alone(func(s *State) { s.JobGood, s.HostGood, s.FailedAlone = false, false, 20 }), Verdict{Action: Stop, Exit: ExitInput}},
		{"nobody left, never a good answer, few", Outcome{Cause: Failed}, alone(func(s *State) { s.OthersLeft, s.JobGood, s.Alone, s.FailedAlone = false, false, 4, 19 }), reject},
		{"20 alone without any good answer stop", Outcome{Cause: Refused}, alone(func(s *State) { s.JobGood, s.HostGood, s.FailedAlone = false, false, 20 }), Verdict{Action: Stop, Exit: ExitInput}},
		{"19 alone without any good answer go on", Outcome{Cause: Refused}, alone(func(s *State) { s.JobGood, s.FailedAlone = false, 19 }), again},
		{"20 alone after good answers are the host's", Outcome{Cause: Failed}, alone(func(s *State) { s.FailedAlone = 20 }), pause},
		{"20 alone, nobody left, are the host's", Outcome{Cause: Failed}, alone(func(s *State) { s.FailedAlone, s.OthersLeft, s.Alone = 20, false, 9 }), pause},
		{"a lone 500 gets its retries first", Outcome{Cause: Failed}, alone(func(s *State) { s.Tries, s.Alone, s.AnsweredBetween = 2, 2, true }), again},
		{"413 alone where as much was taken asks again", Outcome{Cause: TooLarge}, alone(func(s *State) { s.Taken = true }), again},
		{"413 alone where as much was taken, twice, others answered in between", Outcome{Cause: TooLarge}, alone(func(s *State) { s.Taken, s.Alone, s.AnsweredBetween = true, 2, true }), reject},
		{"413 alone is rejected at once", Outcome{Cause: TooLarge}, aloneState(), reject},
		{"oversized alone is rejected at once", Outcome{Cause: Oversized}, aloneState(), reject},
		{"busy alone waits", Outcome{Cause: Busy}, alone(func(s *State) { s.Alone, s.AnsweredBetween = 9, true }), Verdict{Action: Wait, Elsewhere: true}},
	})
}

func TestBlameWordsOfStop(t *testing.T) {
	s := with(aloneState(), func(s *State) { s.JobGood, s.FailedAlone = false, 20 })
	if why := Blame(Outcome{Cause: Refused, Message: "bad shape"}, s).Why; !strings.Contains(why, "not one record") || !strings.Contains(why, "bad shape") {
		t.Errorf("stop says %q", why)
	}
	if why := Blame(Outcome{Cause: Redirected, Message: "Location: http://b/"}, s).Why; !strings.Contains(why, "http://b/") {
		t.Errorf("redirect says %q", why)
	}
}

// TestBlameProperties walks through every combination around the thresholds.
func TestBlameProperties(t *testing.T) {
	bools := []bool{false, true}
	for cause := Cause(0); cause < 20; cause++ {
		for _, records := range []int{0, 1, 2, 100} {
			for tries := -1; tries < 7; tries++ {
				for alone := 0; alone < 6; alone++ {
					for _, failed := range []int{0, 1, 19, 20, 21, 1 << 30} {
						for bits := range 16 {
							s := State{Records: records, Tries: tries, Attempts: 4, Alone: alone, FailedAlone: failed,
								HostGood: bools[bits&1], JobGood: bools[bits>>1&1], AnsweredBetween: bools[bits>>2&1], OthersLeft: bools[bits>>3&1]}
							checkVerdict(t, cause, s)
						}
					}
				}
			}
		}
	}
}

func checkVerdict(t *testing.T, cause Cause, s State) {
	t.Helper()
	v := Blame(Outcome{Cause: cause}, s)
	hostless := cause == Busy || cause == Unreachable || cause == Denied
	switch {
	case (v.Action == Reject) && s.Records > 1,
		(v.Action == Reject) && hostless,
		(v.Action == Reject) && s.FailedAlone >= 20 && cause != TooLarge && cause != Oversized,
		(v.Action == Split) != (v.Action == Split && s.Records > 1),
		(v.Action == Accept) != (cause == Good),
		(v.Action == Wait) != (cause == Busy || cause == Unreachable),
		(v.Action == Stop) != (v.Exit != ExitNone),
		v.Exit == ExitConfig != (cause == Redirected),
		v.Exit == ExitInput && (s.JobGood || s.FailedAlone < 20 || s.Records > 1),
		v.Action == DropHost && (s.HostGood || cause != Denied && cause != Unfit),
		v.Rest < 0, v.Why == "":
		t.Errorf("Blame(%v, %+v) = %+v", cause, s, v)
	}
}
