package s3

import (
	"errors"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

// TestCheckName: a key of 1,024 bytes is the longest, its prefix included, and
// nothing is asked to find that out.
func TestCheckName(t *testing.T) {
	f, s := newBucket(Options{})
	room := maxKey - len(s.prefix)
	for _, c := range []struct {
		name string
		says string // "": it is a name
	}{
		{"a", ""},
		{strings.Repeat("a", room), ""},
		{strings.Repeat("ü", room/2), ""},
		{strings.Repeat("a", room+1), "1025 bytes"},
		{strings.Repeat("ü", room/2+1), "1026 bytes"},
		{strings.Repeat("ü", room), "shorter"},
		{"", "name"},
		{"../a", "name"},
		{"a\xff", "name"},
	} {
		o, created := s.Create(t.Context(), c.name, store.New)
		if created == nil {
			defer o.Abort()
		}
		for how, err := range map[string]error{"check": s.CheckName(c.name), "create-upload": created} {
			if c.says == "" {
				if err != nil {
					t.Errorf("%s: a name of %d bytes: %v", how, len(c.name), err)
				}
				continue
			}
			wantStoreError(t, err, store.ErrBadName)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: a name of %d bytes: %v, want it to say %q", how, len(c.name), err, c.says)
			}
		}
	}
	if _, err := s.Stat(t.Context(), strings.Repeat("a", room+1)); !errors.Is(err, store.ErrBadName) {
		t.Errorf("stat: %v", err)
	}
	if n := f.Requests(); n > 0 {
		t.Errorf("%d requests were made", n)
	}
}
