package ledger

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// TestSpillGoesWithItsJob: what a job set aside is removed, also when it was ended.
func TestSpillGoesWithItsJob(t *testing.T) {
	out, err := store.OpenDisk(t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := (&Ledger{plan: &plan.Plan{Output: out}, keeper: out}).Spill(ctx, &plan.Object{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := out.Stat(t.Context(), SpillDir+"/0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the spill is left behind: %v", err)
	}
}
