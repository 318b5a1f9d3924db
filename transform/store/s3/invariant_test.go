package s3

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// now is what the log holds at this moment, by the rules and not by the code.
func (w *world) now() (string, error) {
	keys := w.m.Keys()
	if len(keys) == 0 {
		return "", nil
	}
	last := w.m.Get(keys[len(keys)-1]).Meta
	base := last[metaBase]
	if len(keys) == 1 && keys[0] != "out/log/"+base { // a stray segment is nobody's log
		return "", nil
	}
	i, found := slices.BinarySearch(keys, "out/log/"+base)
	if !found {
		return "", fmt.Errorf("no base %s in %q", base, keys)
	}
	var log strings.Builder
	for n, key := range keys[i:] {
		if want := "out/" + segmentName("log", segmentNumber(base)+int64(n)); key != want {
			return "", fmt.Errorf("no %s in %q", want, keys)
		}
		log.Write(w.m.Get(key).Data)
	}
	if w.m.Get(keys[i]).Meta[metaLog] != last[metaLog] {
		return "", fmt.Errorf("%s is another log's in %q", keys[len(keys)-1], keys)
	}
	return log.String(), nil
}

// check holds the bucket against what was promised so far.
func (w *world) check() {
	log, err := w.now()
	if err != nil {
		if w.cuts == 0 {
			w.t.Error(err)
		}
		return
	}
	for _, entry := range w.acked {
		if n := strings.Count(log, entry); n != 1 {
			w.t.Errorf("the log holds %q %d times: %q", brief(entry), n, brief(log))
		}
	}
}

// finish is the run after all others.
func (w *world) finish() {
	w.check()
	s := storeOver(Options{Attempts: 1}, w.m.Do)
	want, err := w.now()
	if err != nil {
		if w.damaged = true; !w.strays {
			w.t.Errorf("at the end: %v", err)
		}
		var damage *DamageError
		if _, err := s.Append(w.t.Context(), "log", 0); !errors.As(err, &damage) {
			w.t.Errorf("a damaged log was taken over: %v", err)
		}
		if err := s.Remove(w.t.Context(), "log"); err != nil {
			w.t.Error(err)
		}
		want = ""
	}
	if got := readWhole(w.t, s, "log"); got != want {
		w.t.Errorf("the log is read as %q and holds %q", brief(got), brief(want))
	}
	add(w.t, mustAppend(w.t, s, "log", int64(len(want))), "end")
	if got := readWhole(w.t, s, "log"); got != want+"end" {
		w.t.Errorf("the log is read as %q, then", brief(got))
	}
	if err := s.Remove(w.t.Context(), "log"); err != nil || len(w.m.Keys()) > 0 {
		w.t.Errorf("left are %q, %v", w.m.Keys(), err)
	}
}
