package plan

import (
	"fmt"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

// sizedBucket is a distant store with limits of its own.
type sizedBucket struct {
	memory
	concurrency int
	size        int64
}

func (b *sizedBucket) URI(name string) string { return fmt.Sprintf("s3://%p/%s", b, name) }
func (b *sizedBucket) Concurrency() int       { return b.concurrency }
func (b *sizedBucket) Memory() int64          { return b.size }

func newSizedBucket(t *testing.T, concurrency int, size int64, names ...string) *sizedBucket {
	t.Helper()
	b := &sizedBucket{memory{store.NewMemory()}, concurrency, size}
	for _, name := range names {
		if err := b.Put(name, []byte(`{"id":1}`+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestMemoryOfSeveralBuckets: what readers may hold counts for each bucket that
// inputs are in, and once, whatever the order of the inputs.
func TestMemoryOfSeveralBuckets(t *testing.T) {
	const mib = 1 << 20
	near := store.NewMemory()
	if err := near.Put("near.jsonl", []byte(`{"id":1}`+"\n")); err != nil {
		t.Fatal(err)
	}
	a := newSizedBucket(t, 4, 16*mib, "x/1.jsonl", "y/2.jsonl")
	b := newSizedBucket(t, 9, 10*mib, "3.jsonl")
	c := newSizedBucket(t, 2, 6*mib, "4.jsonl")
	for _, test := range []struct {
		name    string
		inputs  []Source
		output  store.Store
		window  int64 // of 64 MiB
		ahead   int64 // 0: nothing is opened ahead
		openers int
	}{
		{"all near", []Source{{Store: near}}, store.NewMemory(), 64 * mib, 0, 0},
		{"one bucket", []Source{{Store: a}}, store.NewMemory(), 56 * mib, 8 * mib, 4},
		{"one bucket twice", []Source{{Store: a, Prefix: "x"}, {Store: a, Prefix: "y"}}, store.NewMemory(), 56 * mib, 8 * mib, 4},
		{"three buckets", []Source{{Store: a}, {Store: b}, {Store: c}}, store.NewMemory(), 48 * mib, 16 * mib, 9},
		{"the other way round", []Source{{Store: c}, {Store: b}, {Store: a}}, store.NewMemory(), 48 * mib, 16 * mib, 9},
		{"near ones last", []Source{{Store: b}, {Store: c}, {Store: near}}, store.NewMemory(), 56 * mib, 8 * mib, 9},
		{"to a bucket", []Source{{Store: b}, {Store: c}}, newSizedBucket(t, 1, 16*mib), 48 * mib, 8 * mib, 9},
		{"never less than half", []Source{{Store: newSizedBucket(t, 1, 200*mib, "5.jsonl")}}, store.NewMemory(), 32 * mib, 100 * mib, 1},
	} {
		spec := jsonSpec(t)
		spec.Memory, spec.MaxRecord, spec.MaxResponse = 64*mib, mib, mib
		if err := spec.Validate(); err != nil {
			t.Fatal(err)
		}
		plan, err := New(t.Context(), spec, test.inputs, test.output, nil)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		closePlan(t, plan)
		if got := plan.WindowMemory(); got != test.window {
			t.Errorf("%s: a window of %d bytes, want %d", test.name, got, test.window)
		}
		if objects, bytes, _ := plan.Ahead(); objects != test.openers || bytes != test.ahead {
			t.Errorf("%s: %d objects of %d bytes ahead, want %d of %d", test.name, objects, bytes, test.openers, test.ahead)
		}
	}
}
