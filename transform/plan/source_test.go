package plan

import (
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/store"
)

// TestPinnedByETag: an input is another one when its ETag is, and is the same
// when only its time has changed.
func TestPinnedByETag(t *testing.T) {
	now := time.Now()
	was := store.Info{Name: "o", Size: 5, ETag: "a", ModTime: now}
	for _, c := range []struct {
		is   store.Info
		same bool
	}{
		{store.Info{Name: "o", Size: 5, ETag: "a", ModTime: now.Add(time.Hour)}, true},
		{store.Info{Name: "o", Size: 5, ETag: "b", ModTime: now}, false},
		{store.Info{Name: "o", Size: 6, ETag: "a", ModTime: now}, false},
	} {
		if sameContent(was, c.is) != c.same {
			t.Errorf("%+v: the same as %+v: %v", c.is, was, !c.same)
		}
	}
}
