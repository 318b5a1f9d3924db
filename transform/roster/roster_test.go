package roster

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
)

// record is record i of a list whose sizes are of all kinds.
func record(i int) []byte {
	size := i * 7 % 300
	switch {
	case i%5000 == 77:
		size = 100_000 + i
	case i%100 == 3:
		size = 0
	}
	return bytes.Repeat([]byte{byte(i), byte(i >> 8), byte(i >> 16)}, size/3+1)[:size]
}

func filled(t *testing.T, n int) *List {
	t.Helper()
	l := new(List)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range n {
		if at, err := l.Add(record(i)); at != i || err != nil {
			t.Fatalf("record %d has number %d: %v", i, at, err)
		}
	}
	return l
}

// TestList: records come back as they were added, whatever the order, from
// lists that fit into memory and from some that do not.
func TestList(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 1000, 60_000} {
		l := filled(t, n)
		if l.Len() != n || (l.file != nil) != (n > 20_000) {
			t.Errorf("%d records: Len is %d, in a file: %v", n, l.Len(), l.file != nil)
		}
		order := make([]int, 0, 3*n)
		for i := range n {
			order = append(order, i)
		}
		for range min(n, 2000) {
			order = append(order, rand.IntN(n))
		}
		for i := n - 1; i >= max(0, n-2000); i-- {
			order = append(order, i)
		}
		var buf []byte
		for _, i := range order {
			got, err := l.Get(buf[:0], i)
			if err != nil || !bytes.Equal(got, record(i)) {
				t.Fatalf("%d records: record %d has %d bytes, want %d (%v)", n, i, len(got), len(record(i)), err)
			}
			buf = got
		}
		if _, err := l.Get(nil, n); err == nil {
			t.Errorf("there is a record %d of %d", n, n)
		}
	}
}

// TestListHoldsLittle: a long list needs little more than what it keeps in memory anyway.
func TestListHoldsLittle(t *testing.T) {
	l := filled(t, 300_000)
	held := cap(l.tail) + cap(l.window) + 8*cap(l.starts)
	if held > 2*inMemory {
		t.Errorf("%d bytes are held", held)
	}
	if _, err := os.Stat(l.file.Name()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary file has a name (%v)", err)
	}
}

func TestListAtTheSameTime(t *testing.T) {
	l := filled(t, 20_000)
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for i := range 3000 {
				if w == 0 {
					if _, err := l.Add(record(20_000 + i)); err != nil {
						t.Error(err)
					}
					continue
				}
				k := (i*w + w*5000) % 20_000
				if got, err := l.Get(nil, k); err != nil || !bytes.Equal(got, record(k)) {
					t.Errorf("record %d: %d bytes (%v)", k, len(got), err)
					return
				}
			}
		})
	}
	group.Wait()
}

// TestListFails: a file that cannot be made, written or read is an *Error, and
// what it cannot read is never taken for a record.
func TestListFails(t *testing.T) {
	var failed *Error
	t.Run("no folder", func(t *testing.T) {
		t.Setenv("TMPDIR", "/nonexistent")
		l := new(List)
		var err error
		for i := 0; i < 60_000 && err == nil; i++ {
			_, err = l.Add(record(i))
		}
		if !errors.As(err, &failed) || failed.Dir != "/nonexistent" {
			t.Errorf("error %v", err)
		}
	})
	l := filled(t, 60_000)
	if err := l.file.Truncate(l.filed / 2); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Get(nil, 5); err != nil {
		t.Errorf("before the cut: %v", err)
	}
	if _, err := l.Get(nil, 40_000); !errors.As(err, &failed) {
		t.Errorf("behind the cut: %v", err)
	}
	if err := l.file.Truncate(l.filed); err != nil { // zeros where it was cut
		t.Fatal(err)
	}
	if _, err := l.file.WriteAt(bytes.Repeat([]byte{0xff}, 1000), l.starts[40_000/stride]); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Get(nil, 40_000); !errors.As(err, &failed) {
		t.Errorf("in what was overwritten: %v", err)
	}
	if _, err := l.Get(nil, 59_999); err != nil {
		t.Errorf("behind it: %v", err)
	}
}

func TestIndex(t *testing.T) {
	const n = 50_000
	x := NewIndex(n)
	text := func(i int) string { return fmt.Sprint(i % (n - 3)) } // three come twice
	for i := range n {
		x.Add(text(i), i)
	}
	x.Sort()
	for i := range n {
		if found := slices.Collect(x.Find(text(i))); !slices.Contains(found, i) || len(found) > 10 || !slices.IsSorted(found) {
			t.Fatalf("%s: found %v", text(i), found)
		}
	}
}

// TestIndexOfOneText: one text may have many numbers, and the smallest is found first.
func TestIndexOfOneText(t *testing.T) {
	x := NewIndex(0)
	for i := range 10_000 {
		x.Add("x", 9_999-i)
	}
	x.Sort()
	want := 0
	for number := range x.Find("x") {
		if number != want {
			t.Fatalf("found %d, want %d", number, want)
		}
		want++
	}
	if want != 10_000 {
		t.Errorf("found %d numbers", want)
	}
}

// TestSet: what was added is found again, and nothing else is.
func TestSet(t *testing.T) {
	var s Set
	for round := range 2 {
		for i := range 100_000 {
			if s.Add(fmt.Sprint("out/", i)) != (round == 1) {
				t.Fatalf("round %d: %d was there: %v", round, i, round == 0)
			}
		}
	}
	if !s.Has("out/0") || s.Has("out") || new(Set).Has("") {
		t.Error("the set holds other texts than were added")
	}
	held := 0
	for _, b := range s.buckets {
		held += 8 * cap(b)
	}
	if held > 14*100_000 {
		t.Errorf("%d bytes are held for 100,000", held)
	}
}
