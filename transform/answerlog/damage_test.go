package answerlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

// log is a log as a test wrote it.
type log struct {
	text   []byte
	bodies []string // of the entries, groups aside
	ends   []int64  // where each entry ends
	groups []int64  // where each group begins
	tag    [tagSize]byte
}

// written is a log of some groups of two entries, which a run has closed. The zero version is
// that of logs without a tag.
func written(t *testing.T, groups int, tag [tagSize]byte) *log {
	t.Helper()
	m := store.NewMemory()
	out, err := m.Append(t.Context(), "log", 0)
	if err != nil {
		t.Fatal(err)
	}
	w := NewWriter(out, 0, tag, mostGroup)
	w.tag = tag
	for i := range 2 * groups {
		if err := w.Note(KindSettled, fmt.Sprint("entry ", i)); err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			if err := w.Commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l := &log{text: m.Snapshot()["log"], tag: tag}
	r := reading(t, l.text, false)
	defer r.Close()
	for {
		e, err := r.Next()
		switch {
		case err != nil:
			return l
		case e.Kind == kindGroup:
			l.groups = append(l.groups, e.Offset)
		default:
			l.bodies, l.ends = append(l.bodies, string(e.Body)), append(l.ends, e.end())
		}
	}
}

func reading(t *testing.T, text []byte, whole bool) *Reader {
	t.Helper()
	m := store.NewMemory()
	if err := m.Put("log", text); err != nil {
		t.Fatal(err)
	}
	r, err := File{Keeper: m, Name: "log", URI: "mem:log", Whole: whole}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// read reads a log of text: its entries, up to where the log is whole, and its damage.
func read(t *testing.T, text []byte, whole bool) (bodies []string, ends []int64, damage *DamageError) {
	t.Helper()
	r := reading(t, text, whole)
	defer r.Close()
	for e, err := range r.Entries() {
		if err != nil {
			if !errors.As(err, &damage) || damage.URI != "mem:log" {
				t.Fatal(err)
			}
			break
		}
		bodies, ends = append(bodies, string(e.Body)), append(ends, e.end())
	}
	return bodies, ends, damage
}

// tags are that of a log, and that of logs that earlier versions wrote.
var tags = [][tagSize]byte{{1, 2, 3, 4, 5, 6, 7, 8}, {}}

// TestCutLogs: of a log that ends anywhere, what is whole comes back. An end inside of a
// group that another follows would be damage; a cut leaves none behind.
func TestCutLogs(t *testing.T) {
	for _, tag := range tags {
		l := written(t, 3, tag)
		for size := range int64(len(l.text)) + 1 {
			whole := 0
			for _, end := range l.ends {
				if end <= size {
					whole++
				}
			}
			if got, _, damage := read(t, l.text[:size], false); len(got) != whole || damage != nil {
				t.Errorf("cut at byte %d: %d entries, want %d, and %v", size, len(got), whole, damage)
			}
		}
	}
}

// TestChangedLogs: a bit that changed before the last group is damage at the
// entry that holds the bit; in the last group it looks like a tail that was never durable.
func TestChangedLogs(t *testing.T) {
	for _, tag := range tags {
		l := written(t, 3, tag)
		last, begin := l.groups[len(l.groups)-1], int64(0)
		for at := range int64(len(l.text)) {
			if size := int64(l.text[begin]) + HeaderSize; at == begin+size {
				begin = at
			}
			changed := bytes.Clone(l.text)
			changed[at] ^= 4
			got, _, damage := read(t, changed, false)
			if at >= last && (damage != nil || len(got) != len(l.bodies)) {
				t.Errorf("byte %d: %d entries, and %v", at, len(got), damage)
			}
			if at < last && (damage == nil || damage.Offset != begin) {
				t.Errorf("byte %d: %v, want damage at %d", at, damage, begin)
			}
		}
	}
}

// edit is log where the bytes from a to b are replaced.
func (l *log) edit(a, b int, by []byte) []byte {
	return slices.Concat(l.text[:a], by, l.text[b:])
}

// survives tells whether a group that was written behind byte b of the log is there still.
func (l *log) survives(b int) bool { return int64(b) <= l.groups[len(l.groups)-1] }

// check holds what is read of an edited log against the promise: what was synced before a
// group that is still there comes back, or damage is told, at a place up to
// which the log is as it was. What is read up to there is what was written, in its order.
func (l *log) check(t *testing.T, what string, edited []byte, a, b int) {
	t.Helper()
	got, ends, damage := read(t, edited, false)
	if bytes.Equal(edited, l.text) {
		return
	}
	if damage == nil && l.survives(b) {
		t.Fatalf("%s: bytes %d to %d of %d passed silently: %d entries of %d", what, a, b, len(l.text), len(got), len(l.bodies))
	}
	if damage != nil {
		n, _ := slices.BinarySearch(ends, damage.Offset+1)
		got = got[:n]
	}
	if len(got) > len(l.bodies) || !slices.Equal(got, l.bodies[:len(got)]) {
		t.Fatalf("%s: bytes %d to %d of %d: %q came back, and %v", what, a, b, len(l.text), got, damage)
	}
}

// TestNoDamagePassesSilently takes bytes from anywhere in a log, puts bytes in
// and changes bytes: all short stretches in turn, and at random.
func TestNoDamagePassesSilently(t *testing.T) {
	edits := 0
	defer func() { t.Attr("damaged_logs", fmt.Sprint(edits)) }()
	for _, tag := range tags {
		l := written(t, 3, tag)
		n := len(l.text)
		for a := range n + 1 {
			for b := a; b <= n; b++ {
				l.check(t, "cut", l.edit(a, b, nil), a, b)
				edits++
			}
			for size := 1; size < 60; size++ {
				l.check(t, "zeros put in", l.edit(a, a, make([]byte, size)), a, a)
				l.check(t, "zeros", l.edit(a, min(n, a+size), make([]byte, min(n, a+size)-a)), a, min(n, a+size))
				edits += 2
			}
		}
		rnd := rand.New(rand.NewPCG(1, uint64(tag[0])))
		for range 5_000 {
			a := rnd.IntN(n + 1)
			b := a + rnd.IntN(n+1-a)
			by := make([]byte, rnd.IntN(60))
			for i := range by {
				by[i] = byte(rnd.Uint32())
			}
			l.check(t, "noise", l.edit(a, b, by), a, b)
			edits++
		}
	}
}

// TestMovedParts: a part of a log that stands there twice, or elsewhere, is told wherever a
// group follows, for entries that are whole each may still be too many, or too few.
func TestMovedParts(t *testing.T) {
	for _, tag := range tags {
		l := written(t, 3, tag)
		for a := 0; a <= len(l.text); a++ {
			for b := a + 1; b <= len(l.text); b += 3 {
				for _, at := range append(l.ends, l.groups...) {
					if _, _, damage := read(t, l.edit(int(at), int(at), l.text[a:b]), false); damage == nil && l.survives(int(at)) {
						t.Fatalf("bytes %d to %d, again at %d, passed silently", a, b, at)
					}
				}
			}
		}
		for i, g := range l.groups[:len(l.groups)-1] { // exactly one group, or one entry
			for j, end := range l.ends[2*i : 2*i+2] {
				if _, _, damage := read(t, l.edit(int(g), int(end), nil), false); damage == nil || damage.Offset > g {
					t.Errorf("group %d, %d entries are gone: %v", i, j+1, damage)
				}
			}
		}
	}
}

// TestTornTails: a group that was being written when the machine died holds anything: what a host
// answered, and be it a group of another log or of this log without its tag. The tail is cut off, and no damage.
func TestTornTails(t *testing.T) {
	l := written(t, 3, tags[0])
	size := int64(len(l.text))
	for _, forged := range [][]byte{AppendGroup(nil, size, [tagSize]byte{}), AppendGroup(nil, 0, [tagSize]byte{9}), AppendGroup(nil, size+100, [tagSize]byte{8, 7})} {
		tail := AppendGroup(nil, size, l.tag)
		answered := len(tail)
		tail = AppendEntry(tail, KindAnswers, func(dst []byte) []byte { return append(append(dst, forged...), "more"...) })
		binary.LittleEndian.PutUint32(tail[answered+4:], 1) // a checksum that never reached the disk
		got, _, damage := read(t, append(bytes.Clone(l.text), tail...), false)
		if damage != nil || len(got) != len(l.bodies) {
			t.Errorf("%q: %d entries of %d, and %v", forged, len(got), len(l.bodies), damage)
		}
	}
}

// TestWholeLogs: where a store keeps all or nothing of what is synced, there are no torn tails, and
// the end of a log is no place for damage either.
func TestWholeLogs(t *testing.T) {
	l := written(t, 2, tags[0])
	for size := range int64(len(l.text)) {
		_, atEnd := slices.BinarySearch(slices.Concat(l.ends, l.groups), size)
		atEnd = atEnd || slices.Contains(l.ends, size) || slices.Contains(l.groups, size-GroupSize) || slices.Contains(l.groups, size)
		if _, _, damage := read(t, l.text[:size], true); (damage == nil) != atEnd {
			t.Errorf("cut at byte %d: %v", size, damage)
		}
	}
}

// TestBehind: what is whole behind damage is found again, from the next group on.
func TestBehind(t *testing.T) {
	for _, tag := range tags {
		l := written(t, 3, tag)
		for at := range int(l.groups[3]) {
			text := l.edit(at, at+1, []byte("some more"))
			r := reading(t, text, false)
			var damage *DamageError
			for _, err := range r.Entries() {
				errors.As(err, &damage)
			}
			found, want := 0, 0
			for e, err := range r.Behind(damage.Offset) {
				if err != nil || !slices.Contains(l.bodies, string(e.Body)) {
					t.Fatalf("byte %d: %q, %v", at, e.Body, err)
				}
				found++
			}
			for i, g := range l.groups[:3] { // an entry comes back if its group begins behind the damage
				if g > int64(at) {
					want = 2 * (3 - i)
					break
				}
			}
			if found < want || found >= want+2 {
				t.Errorf("byte %d: %d entries behind %v, want %d", at, found, damage, want)
			}
			r.Close()
		}
	}
}
