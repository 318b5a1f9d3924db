package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// settleIntents looks which outputs got their names before a run died. The
// log says what was about to be published, and the bytes say whether it was.
// Where the bytes differ, the object is built again, from the log; an older output
// of the object is then the job's to replace.
func (l *Ledger) settleIntents(ctx context.Context) error {
	for i := range l.plan.Count() {
		if !l.outcomes.has(i, intentMark) {
			continue
		}
		if err := l.settleIntent(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) settleIntent(ctx context.Context, i int) error {
	o, was, err := l.outcome(i)
	if err != nil {
		return err
	}
	// The older run may still be about to publish other bytes than this run makes.
	l.otherPolicy = l.otherPolicy || was.OnBad != l.plan.Spec.OnBad || was.Cut
	same := false
	if was.Status == manifest.Published {
		if same, err = holds(ctx, l.plan.Output, o.Output, *was.Output); err != nil {
			return err
		}
	}
	if !same {
		l.outcomes.reopen(i)
		return nil
	}
	l.outcomes.settle(i, was.Status)
	// A run that died in the middle of publishing may have left something beside the
	// output: beginning the object anew takes that away.
	beside, err := l.plan.Output.Create(ctx, o.Output, store.New)
	if err != nil {
		return err
	}
	return beside.Abort()
}

// holds tells whether name holds exactly the bytes of want.
func holds(ctx context.Context, s store.Store, name string, want manifest.Output) (bool, error) {
	rc, info, err := s.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer rc.Close()
	if info.Size != want.Size {
		return false, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, rc); err != nil {
		return false, err
	}
	return hex.EncodeToString(h.Sum(nil)) == want.SHA256, nil
}
