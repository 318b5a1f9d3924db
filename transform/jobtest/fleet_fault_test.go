package jobtest

import (
	"strconv"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/job"
)

// TestFleetFaults runs whole jobs while their hosts die, return, flap, stall and
// refuse, in virtual time. Outputs are held byte for byte against what a job
// without faults writes.
func TestFleetFaults(t *testing.T) {
	cells := 0
	defer func() { t.Attr("fleet_faults", strconv.Itoa(cells)) }()
	for _, list := range [][]fleetCase{goneCases(), stalledCases(), wrongCases(), movingCases(), badCases()} {
		for i, c := range list {
			if raceDetected() && i%3 != 0 {
				continue // they take eight times as long with it, and go the same ways
			}
			cells++
			t.Run(c.name, func(t *testing.T) { c.test(t) })
		}
	}
}

// Why a case's bounds are what they are.
const (
	whyNothing = "no request is in vain"
	whyDead    = "what was in flight is broken off, and probes come at intervals that double"
	whyBack    = "as for a host that dies, each time; and it is asked again at most as long after its return as it was away, or 30 s"
	whyPing    = "a host that is not ready is asked nothing"
	whyLog     = "the second run asks only what the log does not know"
	whyHedges  = "what is in flight at the host is asked of another as soon as the job waits for it"
	whyLost    = "what it had taken is lost; it counts as busy until --timeout"
	whyTold    = "each request in flight, once in each time that the host asks for"
	whyEjected = "five failures in a row and what was in flight, and probes at intervals that double"
	whyTaken   = "as for one that is ejected; each batch that it refused is taken apart first"
	whyAll500  = "no host is well, so what fails is tried three times and taken apart until they are paused"
	whyPaused  = "what was in flight, and a probe each 30 s"
	whyDropped = "what was in flight"
	whyLeft    = "what was in flight is broken off"
	whyFour    = "2*log2(10)+4 for each of four bad records, and what the hosts' faults cost"
)

// goneCases are hosts that cannot be reached.
func goneCases() []fleetCase {
	return []fleetCase{
		{name: "one host", hosts: playing(1), records: 1000,
			why: whyNothing, within: 1, plus: sec(1)},
		{name: "all serve", hosts: playing(3), records: 6000,
			why: whyNothing, within: 1, plus: sec(1)},
		{name: "all serve, auto", hosts: playing(3), records: 40000, spec: auto,
			why: whyNothing, extra: 5, within: 1.06, plus: sec(1)},
		{name: "dies", hosts: playing(2, plays(moment{sec(5), dead})), records: 6000,
			why: whyDead, extra: 20, within: 1, plus: sec(1)},
		{name: "dies, auto", hosts: playing(2, plays(moment{sec(20), dead})), records: 40000, spec: auto,
			why: whyDead, extra: 35, within: 1.06, plus: sec(1)},
		{name: "dies in the probe, auto", hosts: playing(2, plays(moment{sec(0.3), dead})), records: 40000, spec: auto,
			why: whyDead, extra: 30, within: 1.06, plus: sec(1)},
		{name: "dies and returns", hosts: playing(2, plays(moment{sec(5), dead}, moment{sec(10), up})), records: 6000,
			why: whyBack, extra: 18, within: 1, plus: sec(6)},
		{name: "dies and returns, auto", hosts: playing(2, plays(moment{sec(10), dead}, moment{sec(20), up})), records: 40000, spec: auto,
			why: whyBack, extra: 28, within: 1.06, plus: sec(11)},
		{name: "flaps every 3 s", hosts: playing(2, plays(flapping(sec(3), sec(60), up, dead)...)), records: 9000,
			why: whyBack, extra: 90, within: 1, plus: sec(12)},
		{name: "flaps every 300 ms", hosts: playing(2, plays(flapping(sec(0.3), sec(60), up, dead)...)), records: 6000,
			why: whyBack, extra: 90, within: 1, plus: sec(12)},
		{name: "flaps every 3 s, auto", hosts: playing(2, plays(flapping(sec(3), sec(200), up, dead)...)), records: 40000, spec: auto,
			why: whyBack, extra: 220, within: 1.06, plus: sec(40)},
		{name: "all flap in turn", hosts: []*actor{plays(flapping(sec(4), sec(120), up, dead)...), plays(flapping(sec(4), sec(120), dead, up)...)}, records: 4000,
			why: whyBack, extra: 300, within: 4},
		{name: "rolling restart", hosts: rolling(sec(4)), records: 9000,
			why: whyBack, extra: 54, within: 1, plus: sec(12)},
		{name: "rolling restart, auto", hosts: rolling(sec(10)), records: 40000, spec: auto,
			why: whyBack, extra: 90, within: 1.06, plus: sec(25)},
		{name: "all gone and back", hosts: []*actor{plays(gone(5, 125)...), plays(gone(5, 130)...), plays(gone(5, 200)...)}, records: 9000,
			why: whyBack, extra: 90, within: 1, plus: sec(31)},
		{name: "all gone and back, auto", hosts: []*actor{plays(gone(10, 125)...), plays(gone(10, 130)...)}, records: 30000, spec: auto,
			why: whyBack, extra: 80, within: 1.06, plus: sec(31)},
		{name: "all gone for longer than --host-wait", hosts: []*actor{plays(gone(5, 3000)...), plays(gone(6, 3000)...)}, records: 6000, fails: job.NoHosts,
			why: whyLog, within: 1},
		{name: "all gone in the probe for longer than --host-wait, auto", hosts: []*actor{plays(gone(0.1, 3000)...), plays(gone(0.1, 3000)...)}, records: 6000, fails: job.NoHosts, spec: auto,
			why: whyLog, extra: 5, within: 1.2, plus: sec(1)},
		{name: "dead from the start", hosts: playing(3, plays(moment{0, dead})), records: 6000,
			why: whyPing, within: 1, plus: sec(1)},
		{name: "never ready", hosts: playing(3, plays(moment{0, unready})), records: 6000,
			why: whyPing, within: 1, plus: sec(1)},
		{name: "none is ever ready", hosts: []*actor{plays(moment{0, unready}), plays(moment{0, dead})}, records: 600, fails: job.NoHosts,
			why: whyLog, within: 1, plus: sec(1)},
		{name: "ready late", hosts: playing(2, plays(moment{0, unready}, moment{sec(8), up})), records: 6000,
			why: whyPing, within: 1, plus: sec(2)},
		{name: "one host, gone and back", hosts: []*actor{plays(gone(3, 60)...)}, records: 1000,
			why: whyBack, extra: 25, within: 1, plus: sec(31)},
	}
}

// gone is away between two seconds.
func gone(from, to float64) []moment { return []moment{{sec(from), dead}, {sec(to), up}} }

// rolling is three hosts that are away each in its turn.
func rolling(each time.Duration) []*actor {
	return []*actor{
		plays(moment{each, dead}, moment{2 * each, up}),
		plays(moment{2 * each, dead}, moment{3 * each, up}),
		plays(moment{3 * each, dead}, moment{4 * each, up}),
	}
}

// stalledCases are hosts that are slow or do not answer at all.
func stalledCases() []fleetCase {
	return []fleetCase{
		{name: "stalls", hosts: playing(2, plays(moment{sec(5), stalled})), records: 9000,
			why: whyHedges, extra: 6, within: 1, plus: sec(2)},
		{name: "stalls, little memory", hosts: playing(2, plays(moment{sec(5), stalled})), records: 9000, spec: all(fixed, little),
			why: whyHedges, extra: 20, within: 1, plus: sec(4)},
		{name: "stalls, auto", hosts: playing(3, plays(moment{sec(20), silent})), records: 40000, spec: auto,
			why: whyHedges, extra: 20, within: 1.06, plus: sec(2)},
		{name: "stalls in the probe, auto", hosts: playing(3, plays(moment{sec(0.5), silent})), records: 40000, spec: auto,
			why: whyHedges, extra: 20, within: 1.06, plus: sec(2)},
		{name: "stalls from the start, auto", hosts: playing(3, plays(moment{0, silent})), records: 40000, spec: auto,
			why: whyHedges, extra: 20, within: 1.06, plus: sec(2)},
		{name: "stalls and returns", hosts: playing(2, plays(moment{sec(5), stalled}, moment{sec(9), up})), records: 9000,
			why: whyLost, extra: 6, within: 1.3, plus: sec(4)},
		{name: "stalls near the end", hosts: playing(3, plays(moment{sec(14), silent})), records: 6000,
			why: whyHedges, extra: 6, within: 1, plus: sec(2)},
		{name: "stalls every other 5 s", hosts: playing(2, plays(flapping(sec(5), sec(600), up, silent)...)), records: 9000, spec: all(fixed, little),
			why: whyHedges, extra: 40, within: 1.2, plus: sec(2)},
		{name: "all stall and return", hosts: []*actor{plays(stall(5, 60)...), plays(stall(5, 70)...), plays(stall(6, 65)...)}, records: 6000,
			why: whyLost, extra: 20, within: 1, plus: sec(15)},
		{name: "ten times slower", hosts: playing(3, plays(moment{sec(5), slowed(10)})), records: 9000,
			why: whyHedges, extra: 10, within: 1, plus: sec(2)},
		{name: "ten times slower, auto", hosts: playing(3, plays(moment{sec(30), slowed(10)})), records: 60000, spec: auto,
			why: whyHedges, extra: 30, within: 1.06, plus: sec(2)},
		{name: "ten times slower from the start, auto", hosts: playing(3, plays(moment{0, slowed(10)})), records: 60000, spec: auto,
			why: whyHedges, extra: 30, within: 1.06, plus: sec(2)},
		{name: "ten times slower for a while, auto", hosts: playing(3, plays(moment{sec(20), slowed(10)}, moment{sec(60), up})), records: 60000, spec: auto,
			why: whyHedges, extra: 30, within: 1.06, plus: sec(2)},
	}
}

// stall is silent between two seconds.
func stall(from, to float64) []moment { return []moment{{sec(from), silent}, {sec(to), up}} }

// wrongCases are hosts that answer, and wrongly.
func wrongCases() []fleetCase {
	return []fleetCase{
		{name: "503 for a while", hosts: playing(2, plays(moment{sec(5), says(503)}, moment{sec(12), up})), records: 6000,
			why: whyBack, extra: 30, within: 1, plus: sec(8)},
		{name: "429 with Retry-After", hosts: playing(2, plays(moment{sec(5), says(429, sec(3))}, moment{sec(9), up})), records: 6000,
			why: whyTold, extra: 8, within: 1, plus: sec(2)},
		{name: "all 503 with Retry-After", hosts: []*actor{plays(busy(4, 24)...), plays(busy(4, 24)...)}, records: 4000,
			why: whyTold, extra: 60, within: 1, plus: sec(2)},
		{name: "all 503 for longer than --host-wait", hosts: []*actor{plays(moment{sec(2), says(503)}), plays(moment{sec(2), says(503, sec(30))})}, records: 2000, fails: job.NoHosts,
			why: whyLog, within: 1},
		{name: "503 with a Retry-After beyond --host-wait, before earlier requests are answered", hosts: []*actor{one(moment{sec(2.05), says(503, sec(300))})}, records: 2000,
			fails: job.NoHosts, spec: all(fixed, impatient), why: whyLog, within: 1, plus: sec(1)},
		{name: "500 for everything from the start", hosts: playing(2, plays(moment{0, says(500)})), records: 6000,
			why: whyEjected, extra: 25, within: 1, plus: sec(1)},
		{name: "500 for everything", hosts: playing(2, plays(moment{sec(5), says(500)})), records: 6000,
			why: whyEjected, extra: 25, within: 1, plus: sec(1)},
		{name: "500 for everything, auto", hosts: playing(2, plays(moment{sec(5), says(500)})), records: 40000, spec: auto,
			why: whyEjected, extra: 35, within: 1.06, plus: sec(1)},
		{name: "500 for everything from the start, auto", hosts: playing(2, plays(moment{0, says(500)})), records: 40000, spec: auto,
			why: whyEjected, extra: 35, within: 1.06, plus: sec(1)},
		{name: "500 for everything, one record a batch", hosts: playing(1, plays(moment{sec(2), says(500)})), records: 200, spec: single,
			why: whyEjected, extra: 25, within: 1, plus: sec(1)},
		{name: "400 for everything", hosts: playing(2, plays(moment{sec(5), says(400)})), records: 6000,
			why: whyTaken, extra: 60, within: 1.03, plus: sec(1)},
		{name: "400 for everything from the start", hosts: playing(2, plays(moment{0, says(400)})), records: 6000,
			why: whyTaken, extra: 60, within: 1.03, plus: sec(1)},
		{name: "400 for everything, auto", hosts: playing(2, plays(moment{sec(5), says(400)})), records: 40000, spec: auto,
			why: whyTaken, extra: 70, within: 1.1, plus: sec(2)},
		{name: "500 for a while", hosts: playing(2, plays(moment{sec(5), says(500)}, moment{sec(12), up})), records: 9000,
			why: whyBack, extra: 25, within: 1, plus: sec(10)},
		{name: "500 every other second", hosts: playing(2, plays(flapping(sec(1), sec(60), up, says(500))...)), records: 6000,
			why: whyBack, extra: 150, within: 1, plus: sec(10)},
		{name: "all 500 for a while", hosts: []*actor{plays(moment{sec(5), says(500)}, moment{sec(40), up}), plays(moment{sec(5), says(500)}, moment{sec(45), up})}, records: 6000,
			why: whyAll500, extra: 1200, within: 2.5},
		{name: "all 500 for longer than --host-wait", hosts: []*actor{plays(moment{sec(5), says(500)}), plays(moment{sec(5), says(500)})}, records: 6000, fails: job.NoHosts,
			why: whyLog, within: 1},
		{name: "garbled", hosts: playing(2, plays(moment{sec(5), garbled})), records: 6000,
			why: whyEjected, extra: 30, within: 1, plus: sec(1)},
		{name: "garbled from the start, auto", hosts: playing(2, plays(moment{0, garbled})), records: 40000, spec: auto,
			why: whyEjected, extra: 35, within: 1.06, plus: sec(1)},
		{name: "resets", hosts: playing(2, plays(moment{sec(5), resets})), records: 6000,
			why: whyEjected, extra: 25, within: 1, plus: sec(1)},
		{name: "resets, auto", hosts: playing(2, plays(moment{sec(5), resets})), records: 40000, spec: auto,
			why: whyEjected, extra: 35, within: 1.06, plus: sec(1)},
		{name: "413 for everything", hosts: playing(2, plays(moment{sec(5), says(413)})), records: 6000,
			why: whyTaken, extra: 60, within: 1.05, plus: sec(2)},
		{name: "413 for everything from the start", hosts: playing(2, plays(moment{0, says(413)})), records: 6000,
			why: whyTaken, extra: 60, within: 1.05, plus: sec(2)},
		{name: "413 for everything, auto", hosts: playing(2, plays(moment{sec(5), says(413)})), records: 40000, spec: auto,
			why: whyTaken, extra: 110, within: 1.2, plus: sec(2)},
		{name: "413 for everything from the start, auto", hosts: playing(2, plays(moment{0, says(413)})), records: 40000, spec: auto,
			why: whyTaken, extra: 60, within: 1.1, plus: sec(2)},
		{name: "401 for a while", hosts: playing(2, plays(moment{sec(5), says(401)}, moment{sec(20), up})), records: 6000,
			why: whyPaused, extra: 6, within: 1.1, plus: sec(1)},
		{name: "404 from the start", hosts: playing(2, plays(moment{0, says(404)})), records: 6000,
			why: whyDropped, extra: 2, within: 1, plus: sec(1)},
		{name: "every kind at once", hosts: playing(1, plays(moment{sec(3), dead}), plays(moment{sec(3), silent}), plays(moment{sec(3), says(500)}), plays(moment{sec(3), garbled})), records: 6000,
			why: whyEjected, extra: 100, within: 1.05, plus: sec(2)},
	}
}

func busy(from, to float64) []moment { return []moment{{sec(from), says(503, sec(2))}, {sec(to), up}} }

// one serves one request at a time, and keeps the next one waiting.
func one(script ...moment) *actor {
	h := plays(script...)
	h.places = 1
	return h
}

func impatient(sp *job.Spec) { sp.HostWait = job.Duration(5 * time.Second) }

func single(sp *job.Spec) { sp.BatchRecords, sp.Concurrency = 1, 2 }

// movingCases are hosts that join, leave, and are started.
func movingCases() []fleetCase {
	return []fleetCase{
		{name: "two join", sourced: true, hosts: []*actor{plays(), joining(sec(5), 0), joining(sec(7), 0)}, records: 6000,
			why: whyNothing, within: 1, plus: sec(1)},
		{name: "one leaves", sourced: true, hosts: []*actor{plays(), plays(), joining(0, sec(5))}, records: 6000,
			why: whyLeft, extra: 2, within: 1, plus: sec(1)},
		{name: "all are replaced", sourced: true, hosts: []*actor{joining(0, sec(6)), joining(sec(4), sec(10)), joining(sec(9), 0)}, records: 3000,
			why: whyLeft, extra: 6, within: 1, plus: sec(1)},
		{name: "all are replaced, auto", sourced: true, hosts: []*actor{joining(0, sec(20)), joining(sec(15), sec(40)), joining(sec(35), 0)}, records: 20000, spec: auto,
			why: whyLeft, extra: 30, within: 1.1, plus: sec(2)},
		{name: "none for a while", sourced: true, hosts: []*actor{joining(0, sec(5)), joining(sec(60), 0)}, records: 3000,
			why: whyLeft, extra: 2, within: 1, plus: sec(1)},
		{name: "none at first", sourced: true, hosts: []*actor{joining(sec(20), 0)}, records: 1000, spec: auto,
			why: whyNothing, extra: 5, within: 1.1, plus: sec(1)},
		{name: "none any more", sourced: true, hosts: []*actor{joining(0, sec(5)), joining(0, sec(6))}, records: 6000, fails: job.NoHosts,
			why: whyLog, within: 1},
		{name: "leaves while it stalls", sourced: true, hosts: []*actor{plays(), leaving(sec(6), moment{sec(3), silent})}, records: 3000,
			why: whyHedges, extra: 4, within: 1, plus: sec(2)},
		{name: "a server is started again", kept: true, hosts: playing(2, plays(gone(5, 7)...)), records: 6000,
			why: whyBack, extra: 16, within: 1, plus: sec(3)},
		{name: "a server is given up", kept: true, hosts: playing(2, givenUp(sec(5), sec(9))), records: 6000,
			why: whyDead, extra: 16, within: 1, plus: sec(1)},
		{name: "a server is given up, auto", kept: true, hosts: playing(2, givenUp(sec(5), sec(9))), records: 40000, spec: auto,
			why: whyDead, extra: 25, within: 1.06, plus: sec(1)},
		{name: "all servers are given up", kept: true, hosts: []*actor{givenUp(sec(5), sec(9)), givenUp(sec(6), sec(10))}, records: 6000, fails: job.NoHosts,
			why: whyLog, within: 1},
	}
}

// joining is there from a time until another; then it breaks off what it has.
func joining(joins, leaves time.Duration) *actor {
	h := plays()
	h.joins, h.leaves = joins, leaves
	if leaves > 0 {
		h.script = []moment{{leaves + sec(0.1), dead}}
	}
	return h
}

// leaving is there until a time, and does not break off what it has.
func leaving(leaves time.Duration, script ...moment) *actor {
	h := plays(script...)
	h.leaves = leaves
	return h
}

// givenUp is a server that dies, and is given up later.
func givenUp(dies, gives time.Duration) *actor {
	h := plays(moment{dies, dead})
	h.gives = gives
	return h
}

// badCases are faults beside records that no host answers.
func badCases() []fleetCase {
	bad := []int{3, 700, 701, 1999}
	return []fleetCase{
		{name: "bad records", hosts: playing(2), records: 2000, poison: bad,
			why: whyFour, extra: 40, within: 1, plus: sec(4)},
		{name: "bad records while a host dies, skip", hosts: playing(2, plays(moment{sec(2), dead})), records: 2000, poison: bad, spec: all(fixed, policy("skip")),
			why: whyFour, extra: 60, within: 1, plus: sec(4)},
		{name: "bad records while a host flaps, fail", hosts: playing(2, plays(flapping(sec(1), sec(60), up, dead)...)), objects: 4, records: 500, poison: bad, spec: all(fixed, policy("fail")),
			why: whyFour, extra: 110, within: 1, plus: sec(6)},
		{name: "bad records while a host says 500", hosts: playing(2, plays(moment{sec(1), says(500)})), records: 2000, poison: bad,
			why: whyFour, extra: 70, within: 1, plus: sec(4)},
		{name: "bad records while a host says 400, auto", hosts: playing(2, plays(moment{sec(1), says(400)})), records: 20000, poison: bad, spec: auto,
			why: whyFour, extra: 130, within: 1.1, plus: sec(8)},
		{name: "bad records while one of two stalls", hosts: playing(1, plays(moment{sec(1), silent})), records: 2000, poison: bad,
			why: whyFour, extra: 55, within: 1, plus: sec(8)},
		{name: "bad records while all are gone and back", hosts: []*actor{plays(gone(1, 61)...), plays(gone(1, 62)...)}, records: 2000, poison: bad,
			why: whyFour, extra: 90, within: 1, plus: sec(31)},
		{name: "many small objects while a host flaps", hosts: playing(2, plays(flapping(sec(1), sec(300), up, dead)...)), objects: 400, records: 3, poison: []int{5, 600},
			why: whyBack, extra: 120, within: 1, plus: sec(6)},
		{name: "many small objects while a host flaps, auto", hosts: playing(2, plays(flapping(sec(1), sec(300), up, dead)...)), objects: 400, records: 3, poison: []int{5, 600}, spec: auto,
			why: whyBack, extra: 150, within: 1.1, plus: sec(6)},
		{name: "many small objects while a host stalls, auto", hosts: playing(2, plays(moment{sec(1), silent})), objects: 400, records: 3, spec: all(auto, little),
			why: whyHedges, extra: 20, within: 1.1, plus: sec(2)},
	}
}
