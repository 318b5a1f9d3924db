package s3_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// TestRunsRaceForOneLog lets runs take one log over from each other, in front
// of a real server and at the same time. Whatever was synced is in it, once,
// and nobody synced behind what he had not read.
func TestRunsRaceForOneLog(t *testing.T) {
	server := s3test.Start(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var synced []string
	for run := range 4 {
		s := openAt(t, server.Endpoint, server.Bucket, "out", s3.Options{})
		wg.Go(func() {
			entry := 0
			for range 15 {
				r, info, err := s.ReadLog(t.Context(), "_state/log")
				if err == nil {
					r.Close()
				} else if !isMissing(err) {
					t.Error(err)
					return
				}
				a, err := s.Append(t.Context(), "_state/log", info.Size)
				if errors.Is(err, store.ErrGrown) || errors.Is(err, store.ErrSuperseded) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					entry++
					text := fmt.Sprintf("<%d.%d behind %d>", run, entry, info.Size)
					err := trySync(a, text)
					if errors.Is(err, store.ErrSuperseded) {
						break
					}
					if err != nil {
						t.Error(err)
						return
					}
					info.Size += int64(len(text))
					mu.Lock()
					synced = append(synced, text)
					mu.Unlock()
				}
				a.Close()
			}
		})
	}
	wg.Wait()
	s := openAt(t, server.Endpoint, server.Bucket, "out", s3.Options{})
	log := logOf(t, s)
	for _, entry := range synced {
		var behind int
		if _, err := fmt.Sscanf(entry[strings.LastIndexByte(entry, ' ')+1:], "%d>", &behind); err != nil {
			t.Fatal(err)
		}
		if strings.Count(log, entry) != 1 || strings.Index(log, entry) != behind {
			t.Errorf("%q is at byte %d, %d times", entry, strings.Index(log, entry), strings.Count(log, entry))
		}
	}
	if len(synced) < 10 {
		t.Errorf("only %d syncs: this tests little", len(synced))
	}
	if err := s.Remove(t.Context(), "_state"); err != nil {
		t.Fatal(err)
	}
	if left, err := server.Objects(""); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}
