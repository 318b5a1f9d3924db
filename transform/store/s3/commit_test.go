package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// small are options under which a few KiB make an upload of several parts.
var small = Options{Part: 8 << 10, Memory: 1 << 20}

// write creates out/name and writes data to it.
func begin(t *testing.T, s *Store, name string, mode store.Mode, data string) *object {
	t.Helper()
	made, err := s.Create(t.Context(), name, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = made.Abort() })
	if n, err := made.Write([]byte(data)); n != len(data) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
	return made.(*object)
}

// An ambiguity is what a service may answer to the request that makes the object.
type ambiguity struct {
	name    string
	fault   string // of the request that makes the object
	times   int    // how often; 0 for always
	foreign string // what somebody else puts there before it
	mode    store.Mode
	want    error // nil: the object was made
	says    string
}

var errAny = errors.New("any error")

var ambiguities = []ambiguity{
	{name: "lost request", fault: "lost", times: 1},
	{name: "lost reply", fault: "done lost", times: 1},
	{name: "every reply lost", fault: "done lost"},
	{name: "lost reply of a replacement", fault: "done lost", times: 1, mode: store.Replace},
	{name: "every reply of a replacement lost", fault: "done lost", mode: store.Replace},
	{name: "every request lost", fault: "lost", want: errAny},
	{name: "200 with error body, made", fault: "done 200 InternalError"},
	{name: "200 with error body, once", fault: "200 InternalError", times: 1},
	{name: "200 with error body", fault: "200 InternalError", want: errAny, says: "InternalError"},
	{name: "409", fault: "ConditionalRequestConflict", times: 2},
	{name: "409 of what was made", fault: "done ConditionalRequestConflict", times: 1},
	{name: "409 always", fault: "ConditionalRequestConflict", want: errAny, says: "ConditionalRequestConflict"},
	{name: "409 and foreign", fault: "ConditionalRequestConflict", foreign: "theirs", want: fs.ErrExist},
	{name: "412 own", fault: "done PreconditionFailed", times: 1},
	{name: "412 foreign", foreign: "theirs", want: fs.ErrExist, says: "somebody else"},
	{name: "412 foreign replacement", foreign: "theirs", mode: store.Replace, want: fs.ErrExist, says: "somebody else"},
	{name: "412 of nothing", fault: "PreconditionFailed", times: 1},
	{name: "lost reply and foreign", fault: "lost", foreign: "theirs", want: fs.ErrExist},
	{name: "SlowDown", fault: "SlowDown", times: 2},
	{name: "SlowDown, though made", fault: "done SlowDown", times: 1},
	{name: "SlowDown always", fault: "SlowDown", want: errAny, says: "SlowDown"},
	{name: "500, though made", fault: "done InternalError"},
	{name: "BadDigest once", fault: "BadDigest", times: 1},
	{name: "denied", fault: "AccessDenied", want: errAny, says: "s3:PutObject"},
}

// TestAmbiguous: whatever the answer, Commit tells what is there.
func TestAmbiguous(t *testing.T) {
	uploads := []ambiguity{
		{name: "NoSuchUpload after a lost reply", fault: "done lost", times: 1},
		{name: "NoSuchUpload of what was made", fault: "done NoSuchUpload"},
		{name: "NoSuchUpload", fault: "NoSuchUpload", want: errAny, says: "ended from elsewhere"},
		{name: "NoSuchUpload and foreign", fault: "NoSuchUpload", foreign: "theirs", want: fs.ErrExist},
	}
	for _, a := range ambiguities {
		t.Run("put/"+a.name, func(t *testing.T) { a.run(t, "put", "all that there is") })
	}
	for _, a := range append(uploads, ambiguities...) {
		if a.name == "BadDigest once" {
			continue // a completion brings no bytes that it would be worth sending again
		}
		t.Run("complete/"+a.name, func(t *testing.T) { a.run(t, "complete", strings.Repeat("0123456789abcdef", 2000)) })
	}
}

func (a ambiguity) run(t *testing.T, making s3test.Op, data string) {
	f, s := newBucket(small)
	if a.mode == store.Replace {
		f.Put("out/o.csv", []byte("old"))
	}
	f.Fault = func(op s3test.Op, _ string, n int) string {
		if op == making && (a.times == 0 || n <= a.times) {
			return a.fault
		}
		return ""
	}
	o := begin(t, s, "o.csv", a.mode, data)
	if a.foreign != "" {
		f.Put("out/o.csv", []byte(a.foreign))
	}
	err := o.Commit(t.Context())
	wantOutcome(t, err, a.want, a.says)
	got, _ := content(f, "out/o.csv")
	want := map[bool]string{true: data, false: a.foreign}[a.want == nil]
	if got != want {
		t.Errorf("%.40q is there, want %.40q", got, want)
	}
	wantNoUploads(t, f)
	if err := o.Abort(); err != nil {
		t.Errorf("abort after commit: %v", err)
	}
	wantGiven(t, s)
}

func wantOutcome(t *testing.T, err, want error, says string) {
	t.Helper()
	var e *store.Error
	switch {
	case want == nil && err != nil:
		t.Errorf("commit: %v", err)
	case want == nil:
	case !errors.As(err, &e):
		t.Errorf("commit: %v (%T), want a *store.Error", err, err)
	case want != errAny && !errors.Is(err, want), want == errAny && errors.Is(err, fs.ErrExist), !strings.Contains(err.Error(), says):
		t.Errorf("commit: %v, want %v saying %q", err, want, says)
	}
}

// TestCompletedForeign: a service takes the completion of an upload that is no
// more for the repetition of one that went well, and the object is another's.
func TestCompletedForeign(t *testing.T) {
	f, s := newBucket(small)
	f.Fault = before(func(op s3test.Op, n int) {
		if op == "head" {
			f.Put("out/o", []byte("theirs"))
		}
	})
	o := begin(t, s, "o", store.New, strings.Repeat("x", 20_000))
	if err := o.Commit(t.Context()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("commit: %v, want %v", err, fs.ErrExist)
	}
}

// TestReplaceRemoved: what was to be replaced is gone, so nothing stands in the way.
func TestReplaceRemoved(t *testing.T) {
	for size, data := range map[string]string{"put": "new", "complete": strings.Repeat("new", 5_000)} {
		t.Run(size, func(t *testing.T) {
			f, s := newBucket(small)
			f.Put("out/o", []byte("old"))
			o := begin(t, s, "o", store.Replace, data)
			f.Delete("out/o")
			if err := o.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, _ := content(f, "out/o"); got != data {
				t.Errorf("%.20q is there", got)
			}
		})
	}
}

// TestUnseen: where nobody can look, Commit tells both what failed and that.
func TestUnseen(t *testing.T) {
	f, s := newBucket(Options{})
	o := begin(t, s, "o", store.New, "x")
	f.Fault = func(s3test.Op, string, int) string { return "AccessDenied" }
	err := o.Commit(t.Context())
	if err == nil || !strings.Contains(err.Error(), "could not be seen") || !strings.Contains(err.Error(), "s3:ListBucket") {
		t.Errorf("commit: %v", err)
	}
}

// TestCancelled: the end of a context is told as it is, at whichever request it
// comes, and leaves no object, no upload and no memory taken.
func TestCancelled(t *testing.T) {
	for _, at := range []string{"put 1", "create-upload 1", "upload-part 1", "upload-part 3", "complete 1"} {
		t.Run(at, func(t *testing.T) {
			f, s := newBucket(small)
			ctx, cancel := context.WithCancel(t.Context())
			f.Fault = func(op s3test.Op, _ string, n int) string {
				if fmt.Sprintf("%s %d", op, n) == at {
					cancel()
					return "lost"
				}
				return ""
			}
			size := 100
			if at != "put 1" {
				size = 40_000
			}
			made, err := s.Create(ctx, "o", store.New)
			if err != nil {
				t.Fatal(err)
			}
			_, err = made.Write(make([]byte, size))
			if err == nil {
				err = made.Commit(ctx)
			}
			if err != context.Canceled {
				t.Errorf("%v, want %v", err, context.Canceled)
			}
			if err := made.Abort(); err != nil {
				t.Errorf("abort: %v", err)
			}
			if _, ok := content(f, "out/o"); ok {
				t.Error("an object is there")
			}
			wantNoUploads(t, f)
			wantGiven(t, s)
		})
	}
}

// TestCancelledBeginning: an upload whose beginning is under way when the context
// ends is waited for, and ended.
func TestCancelledBeginning(t *testing.T) {
	f, s := newBucket(small)
	ctx, cancel := context.WithCancel(t.Context())
	f.Fault = before(func(op s3test.Op, n int) {
		if op == "create-upload" {
			cancel()
		}
	})
	made, err := s.Create(ctx, "o", store.New)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := made.Write(make([]byte, 40_000)); err != context.Canceled {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	if err := made.Abort(); err != nil {
		t.Errorf("abort: %v", err)
	}
	wantNoUploads(t, f)
}
