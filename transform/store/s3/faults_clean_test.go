package s3_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// wantNothing checks that neither objects nor uploads are left.
func (at *site) wantNothing(t *testing.T) {
	t.Helper()
	if objects, err := at.server.Objects(""); err != nil || len(objects) != 0 {
		t.Errorf("objects are left: %v, %v", objects, err)
	}
	at.wantNoUploads(t, false)
}

// TestProbeUnderFaults: a service that ignores a condition is found out, a bad
// connection is not taken for one, and nothing is left in either case.
func TestProbeUnderFaults(t *testing.T) {
	server := s3test.Start(t)
	all := newAtOnce(t, 16)
	defer all.wg.Wait()
	for _, c := range []struct {
		name   string
		fault  s3test.Fault
		unsafe bool // ErrUnsafe is wanted, or forbidden
		ok     bool // no error is wanted
	}{
		{"no fault", s3test.Fault{}, false, true},
		{"ignored conditions", s3test.Fault{Do: s3test.IgnoredConditions}, true, false},
		{"ignored conditions of puts", s3test.Fault{Do: s3test.IgnoredConditions, Op: s3test.Put}, true, false},
		{"ignored conditions of the second put", s3test.Fault{Do: s3test.IgnoredConditions, Op: s3test.Put, First: 3}, true, false},
		{"ignored conditions of completions", s3test.Fault{Do: s3test.IgnoredConditions, Op: s3test.Complete}, true, false},
		{"ignored condition of the second completion", s3test.Fault{Do: s3test.IgnoredConditions, Op: s3test.Complete, First: 2}, true, false},
		{"ignored conditions of reads", s3test.Fault{Do: s3test.IgnoredConditions, Op: s3test.Get}, true, false},
		{"lost replies to puts", s3test.Fault{Do: s3test.LostReply, Op: s3test.Put}, false, false},
		{"lost reply to a put", s3test.Fault{Do: s3test.LostReply, Op: s3test.Put, Times: 1}, false, true},
		{"lost reply to a completion", s3test.Fault{Do: s3test.LostReply, Op: s3test.Complete, Times: 1}, false, true},
		{"lost reply to a delete", s3test.Fault{Do: s3test.LostReply, Op: s3test.Delete, Times: 1}, false, true},
		{"SlowDown by chance", s3test.Fault{Do: s3test.SlowDown, Times: 4, Chance: 0.3, Seed: 1}, false, false},
		{"500 of completions", s3test.Fault{Do: s3test.InternalError, Op: s3test.Complete}, false, false},
		{"expired credentials", s3test.Fault{Do: s3test.ExpiredToken, Op: s3test.Put}, false, false},
	} {
		all.run(c.name, func(t *testing.T) {
			at := newSite(t, server, quick)
			at.proxy.Inject(c.fault)
			err := at.store.Probe(t.Context(), "out/_batchmill")
			if errors.Is(err, store.ErrUnsafe) != c.unsafe || c.ok && err != nil {
				t.Errorf("probe: %v", err)
			}
			at.wantNothing(t)
		})
	}
}

// TestAbortUnderFaults: an aborted object leaves nothing; where the service does not
// let it be aborted, Abort says so and Clean finds what is left.
func TestAbortUnderFaults(t *testing.T) {
	server := s3test.Start(t)
	all := newAtOnce(t, 8)
	defer all.wg.Wait()
	for _, c := range []struct {
		name  string
		fault s3test.Fault
		ok    bool
	}{
		{"no fault", s3test.Fault{}, true},
		{"lost request", s3test.Fault{Do: s3test.LostRequest, Times: 1}, true},
		{"lost reply", s3test.Fault{Do: s3test.LostReply, Times: 1}, true},
		{"500, though done, for ever", s3test.Fault{Do: s3test.DoneInternalError}, false},
		{"SlowDown", s3test.Fault{Do: s3test.SlowDown, Times: 2}, true},
		{"NoSuchUpload, for it is done", s3test.Fault{Do: s3test.DoneNoSuchUpload}, true},
		{"500 for ever", s3test.Fault{Do: s3test.InternalError}, false},
		{"lost request for ever", s3test.Fault{Do: s3test.LostRequest}, false},
	} {
		all.run(c.name, func(t *testing.T) {
			at := newSite(t, server, quick)
			o, err := at.store.Create(t.Context(), "d/o", store.New)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := o.Write(random(partOfTest+1, 1)); err != nil {
				t.Error(err)
			}
			c.fault.Op = s3test.Abort
			at.proxy.Inject(c.fault)
			if err := o.Abort(); (err == nil) != c.ok {
				t.Errorf("abort: %v", err)
			}
			at.proxy.Heal()
			at.wantNoUploads(t, !c.ok)
			at.wantNothing(t)
		})
	}
}

// TestCancelledCommitLeavesNothing ends the context while the request that makes the
// object is under way, and has no effect yet.
func TestCancelledCommitLeavesNothing(t *testing.T) {
	server := s3test.Start(t)
	for _, op := range []s3test.Op{s3test.Put, s3test.UploadPart, s3test.Complete} {
		t.Run(string(op), func(t *testing.T) {
			at := newSite(t, server, quick)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			at.proxy.Inject(s3test.Fault{Do: s3test.Slow, Op: op, Fires: cancel})
			o, err := at.store.Create(t.Context(), "d/o", store.New)
			if err != nil {
				t.Fatal(err)
			}
			defer o.Abort()
			size := partOfTest + 1
			if op == s3test.Put {
				size = 1000
			}
			if _, err := o.Write(random(size, 1)); err != nil {
				t.Fatal(err)
			}
			if err := o.Commit(ctx); err != context.Canceled {
				t.Errorf("commit: %v", err)
			}
			at.wantNothing(t)
		})
	}
}

// TestCleanUnderFaults: what Clean yields is gone, what it did not see is still there,
// and there is an error where it did not see all.
func TestCleanUnderFaults(t *testing.T) {
	server := s3test.Start(t)
	all := newAtOnce(t, 8)
	defer all.wg.Wait()
	for _, c := range []struct {
		name string
		op   s3test.Op
		do   s3test.Action
		n    int
		ok   bool
	}{
		{"no fault", s3test.Abort, s3test.Action{}, 0, true},
		{"lost reply to an abort", s3test.Abort, s3test.LostReply, 1, true},
		{"no abort goes well", s3test.Abort, s3test.InternalError, forever, false},
		{"lost reply to the listing", s3test.ListUploads, s3test.LostReply, 1, true},
		{"no listing", s3test.ListUploads, s3test.InternalError, forever, false},
		{"an error for a listing", s3test.ListUploads, s3test.ErrorBody, forever, false},
	} {
		all.run(c.name, func(t *testing.T) {
			at := newSite(t, server, quick)
			for _, key := range []string{"mine/1", "mine/2", "theirs"} {
				at.leaveUpload(t, key)
			}
			at.proxy.Inject(s3test.Fault{Do: c.do, Op: c.op, Times: c.n})
			var gone []string
			var err error
			for name, failed := range at.store.Clean(t.Context(), func(name string) bool { return name != "theirs" }) {
				if err = failed; err == nil {
					gone = append(gone, name)
				}
			}
			slices.Sort(gone)
			if (err == nil) != c.ok || c.ok && !slices.Equal(gone, []string{"mine/1", "mine/2"}) {
				t.Errorf("cleaned %q, %v", gone, err)
			}
			uploads, err := at.server.Uploads("")
			if err != nil || len(uploads) != 3-len(gone) {
				t.Errorf("cleaned %q, and %v are left, %v", gone, uploads, err)
			}
		})
	}
}

// leaveUpload begins an upload as a run that is killed does.
func (at *site) leaveUpload(t *testing.T, key string) {
	t.Helper()
	if err := at.server.BeginUpload(key); err != nil {
		t.Fatal(err)
	}
}

// TestRemoveUnderFaults: a folder is removed whole, or Remove says that it was not.
func TestRemoveUnderFaults(t *testing.T) {
	server := s3test.Start(t)
	all := newAtOnce(t, 8)
	defer all.wg.Wait()
	for _, op := range []s3test.Op{s3test.DeleteMany, s3test.List} {
		for _, c := range []struct {
			do s3test.Action
			n  int
			ok bool
		}{
			{s3test.LostReply, 1, true},
			{s3test.LostRequest, 1, true},
			{s3test.SlowDown, 2, true},
			{s3test.InternalError, forever, false},
			{s3test.ErrorBody, forever, false},
		} {
			all.run(fmt.Sprintf("%s/%s", op, c.do.Name), func(t *testing.T) {
				at := newSite(t, server, quick)
				for i := range 20 {
					if _, err := at.server.Put(fmt.Sprintf("d/e/%d", i), []byte("x")); err != nil {
						t.Fatal(err)
					}
				}
				at.proxy.Inject(s3test.Fault{Do: c.do, Op: op, Times: c.n})
				err := at.store.Remove(t.Context(), "d")
				if at.proxy.Fired(c.do.Name) == 0 {
					t.Error("it never fired")
				}
				objects, listErr := at.server.Objects("")
				if listErr != nil || c.ok != (err == nil) || err == nil && len(objects) > 0 {
					t.Errorf("remove: %v; %d objects are left, %v", err, len(objects), listErr)
				}
			})
		}
	}
}
