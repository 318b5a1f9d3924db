package ledger

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/store"
)

// replayed is a log of answers that tell which record they are of.
type replayed struct {
	known *replay
	text  []byte
	has   map[int]map[int64]bool // by object and record
}

// add logs the answers of n records of an object, from first on.
func (g *replayed) add(t *testing.T, index int, first int64, n, padding int) {
	t.Helper()
	b := &answerlog.Batch{Object: index, First: first}
	if g.has[index] == nil {
		g.has[index] = map[int64]bool{}
	}
	for i := range int64(n) {
		start := uint32(len(b.Answers.Data))
		b.Answers.Data = fmt.Appendf(b.Answers.Data, "%d.%d%s", index, first+i, strings.Repeat(" ", padding))
		b.Answers.List = append(b.Answers.List, formats.Answer{Start: start, End: uint32(len(b.Answers.Data)), Form: formats.NoAnswer + 1})
		g.has[index][first+i] = true
	}
	a, err := answerlog.ParseAnswers(b.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	g.known.note(int64(len(g.text)), a)
	g.text = answerlog.AppendEntry(g.text, answerlog.KindAnswers, b.Append)
}

// other logs something else than answers.
func (g *replayed) other() {
	g.text = answerlog.AppendEntry(g.text, answerlog.KindSettled, func(dst []byte) []byte { return append(dst, "{}"...) })
}

// makeLog makes a log as several runs leave it: each goes through the objects in
// order, goes on where an object's answers ended, and ends somewhere.
func makeLog(t *testing.T, rnd *rand.Rand, sizes []int64) *replayed {
	g := &replayed{known: new(replay), has: map[int]map[int64]bool{}}
	done := make([]int64, len(sizes))
	large := rnd.IntN(4) == 0
	for range 1 + rnd.IntN(3) {
		for o := range sizes {
			stop := sizes[o]
			if rnd.IntN(8) == 0 { // it fails
				stop = done[o] + rnd.Int64N(sizes[o]-done[o]+1)
			}
			for done[o] < stop {
				n := min(1+rnd.Int64N(5), stop-done[o])
				padding := 0
				if large {
					padding = rnd.IntN(100_000)
				}
				g.add(t, o, done[o]+1, int(n), padding)
				done[o] += n
			}
			if rnd.IntN(3) == 0 {
				g.other()
			}
			if rnd.IntN(4*len(sizes)) == 0 {
				break // the run dies
			}
		}
	}
	return g
}

// walk goes through the objects as the cutter does.
func (g *replayed) walk(t *testing.T, rnd *rand.Rand, sizes []int64, done func(int) bool) {
	t.Helper()
	for o, size := range sizes {
		if done(o) {
			continue
		}
		for first := int64(1); first <= size+1; { // the cutter asks behind the last record too
			most, logged, err := g.known.known(t.Context(), o, first)
			if err != nil || logged != g.has[o][first] {
				t.Fatalf("object %d, record %d: logged is %v (%v)", o, first, logged, err)
			}
			if !logged {
				next := first
				for next <= size && !g.has[o][next] {
					next++
				}
				if want := next - first; next <= size && int64(most) != want || next > size && most != math.MaxInt {
					t.Fatalf("object %d, record %d: a batch of up to %d, want %d", o, first, most, want)
				}
				first = next
				if next > size {
					break
				}
				continue
			}
			n := 1 + rnd.IntN(most)
			parts, err := g.known.take(o, first, n)
			if err != nil {
				t.Fatal(err)
			}
			answers := formats.Answers{List: make([]formats.Answer, n)}
			if err := parts[0].Overlay(&answers, first, nil); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if got, want := strings.TrimRight(string(answers.Bytes(i)), " "), fmt.Sprintf("%d.%d", o, first+int64(i)); got != want {
					t.Fatalf("record %s: answer %q", want, got)
				}
			}
			first += int64(n)
		}
	}
}

// TestReplay: whatever runs left in a log, each record's answers are found, and
// where there is none, it is known how far that goes.
func TestReplay(t *testing.T) {
	for seed := range uint64(150) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		sizes := make([]int64, 1+rnd.IntN(60))
		for o := range sizes {
			sizes[o] = rnd.Int64N(1+rnd.Int64N(30)) * rnd.Int64N(2) // many are empty
		}
		g := makeLog(t, rnd, sizes)
		out := store.NewMemory()
		a, err := out.Append(t.Context(), LogName, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write(g.text); err != nil {
			t.Fatal(err)
		}
		g.known.file, g.known.size = answerlog.File{Keeper: out, Name: LogName, URI: "log"}, int64(len(g.text))
		skip := rnd.IntN(3)
		done := func(o int) bool { return skip > 0 && (o*7+int(seed))%(skip+1) == 0 }
		g.known.drop(done)
		g.walk(t, rnd, sizes, done)
		g.known.close()
	}
}

// TestStretchesOfSmallObjects: a million objects that follow each other in the log take a few stretches.
func TestStretchesOfSmallObjects(t *testing.T) {
	r := new(replay)
	for o := range 1_000_000 {
		b := answerlog.Batch{Object: o, First: 1, Answers: formats.Answers{List: make([]formats.Answer, 1)}, Rejects: make([]answerlog.Reject, 1)}
		a, err := answerlog.ParseAnswers(b.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		r.note(int64(o)*60, a)
	}
	if n := len(r.stretches); n > 100 {
		t.Errorf("%d stretches", n)
	}
}
