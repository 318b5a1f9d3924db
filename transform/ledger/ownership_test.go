package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"testing"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// marked is a store whose objects all bear the mark of one job.
type marked struct {
	*store.Memory
	job string
	err error
}

func (m *marked) Own(string) {}

func (m *marked) OwnerOf(context.Context, string) (string, error) { return m.job, m.err }

// TestAlreadyMade: an output that got its name meanwhile is the job's own, with the same
// bytes, or another run's of the job, which has taken over, or a stranger's.
func TestAlreadyMade(t *testing.T) {
	broken := errors.New("broken")
	text := []byte("a,b\n")
	sum := sha256.Sum256(text)
	made := manifest.Output{Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}
	for _, c := range []struct {
		name  string
		owner string
		err   error
		there string
		want  error
	}{
		{"the same bytes", "this", nil, string(text), nil},
		{"other bytes", "this", nil, "other", store.ErrSuperseded},
		{"other bytes of the same size", "this", nil, "a,c\n", store.ErrSuperseded},
		{"another job's, and the same bytes", "another", nil, string(text), fs.ErrExist},
		{"nobody's", "", nil, string(text), fs.ErrExist},
		{"not to be seen", "", broken, string(text), broken},
	} {
		p := smallPlan(t, 1)
		o, err := p.Object(0)
		if err != nil {
			t.Fatal(err)
		}
		out := &marked{store.NewMemory(), c.owner, c.err}
		if err := out.Put(o.Output, []byte(c.there)); err != nil {
			t.Fatal(err)
		}
		p.Output = out
		l := &Ledger{plan: p, job: jobEntry{ID: "this"}}
		if got := l.AlreadyMade(t.Context(), o, made); !errors.Is(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
