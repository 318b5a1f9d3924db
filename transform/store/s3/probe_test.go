package s3

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
)

// TestProbe: a service that honours conditions passes, and whether it takes sums
// is known from then on.
func TestProbe(t *testing.T) {
	for _, noSums := range []bool{false, true} {
		f, s := newBucket(Options{})
		f.NoSums = noSums
		s.checksum.Store(noSums) // what it was taken for before
		if err := s.Probe(t.Context(), "_batchmill"); err != nil {
			t.Errorf("probe: %v", err)
		}
		if s.sums() == noSums {
			t.Errorf("a service without sums: %t, but they are sent: %t", noSums, s.sums())
		}
		wantEmpty(t, f)
	}
}

// TestProbeIgnored: each condition that is not honoured is told, by name.
func TestProbeIgnored(t *testing.T) {
	for ignored, says := range map[string]string{
		"put If-None-Match":      "If-None-Match: * of a put",
		"put If-Match":           "If-Match of a put",
		"get If-Match":           "If-Match of a read",
		"complete If-None-Match": "If-None-Match: * of an upload's completion",
		"complete If-Match":      "If-Match of an upload's completion",
	} {
		t.Run(ignored, func(t *testing.T) {
			f, s := newBucket(Options{})
			f.Ignores = ignored
			wantProbeError(t, s.Probe(t.Context(), ""), store.ErrUnsafe, says)
			wantEmpty(t, f)
		})
	}
}

// TestProbeRemoved: another run that ends removes all below the folder, the
// probe's object and its upload included, at any moment.
func TestProbeRemoved(t *testing.T) {
	for _, c := range []struct {
		name    string
		op      s3test.Op
		n       int // the request before which it happens, counted by the operation
		times   int // 0: before all later ones too
		uploads bool
		ignores string
		want    error // nil, and says is "": the probe passes
		says    string
	}{
		{"before the second put", "put", 2, 1, false, "", nil, ""},
		{"before a put over another version", "put", 3, 1, false, "", nil, ""},
		{"before the read", "get", 1, 1, false, "", nil, ""},
		{"before an upload is completed", "complete", 1, 1, false, "", nil, ""},
		{"before an upload over another version is completed", "complete", 2, 1, false, "", nil, ""},
		{"with the upload, before its part", "upload-part", 1, 1, true, "", nil, ""},
		{"with the upload, before its completion", "complete", 2, 1, true, "", nil, ""},
		{"three times", "get", 1, 3, false, "", nil, ""},
		{"again and again", "get", 1, 0, false, "", nil, "wait for other runs"},
		{"at a service that ignores the condition of a put", "put", 2, 1, false, "put If-None-Match", store.ErrUnsafe, "If-None-Match: * of a put"},
		{"at a service that ignores the condition of reads", "get", 1, 1, false, "get If-Match", store.ErrUnsafe, "If-Match of a read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, s := newBucket(Options{})
			f.Ignores = c.ignores
			f.Fault = before(func(op s3test.Op, n int) {
				if op == c.op && n >= c.n && (c.times == 0 || n < c.n+c.times) {
					f.Clear()
					if c.uploads {
						f.EndUploads()
					}
				}
			})
			switch err := s.Probe(t.Context(), "_batchmill"); {
			case c.says == "" && err != nil:
				t.Errorf("probe: %v", err)
			case c.says != "":
				wantProbeError(t, err, c.want, c.says)
				if c.want == nil && errors.Is(err, store.ErrUnsafe) {
					t.Errorf("probe: %v, which is a verdict", err)
				}
			}
			wantEmpty(t, f)
		})
	}
}

func wantProbeError(t *testing.T, err, want error, says string) {
	t.Helper()
	var e *store.Error
	if !errors.As(err, &e) || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), says) {
		t.Errorf("probe: %v; want %v saying %q", err, want, says)
	}
}

// TestProbeFaults: what is no answer to the question is no verdict.
func TestProbeFaults(t *testing.T) {
	for _, c := range []struct {
		op    s3test.Op
		fault string
		times int
		want  error
		says  string // "": the probe passes
	}{
		{"put", "done lost", 1, nil, ""}, // the second attempt meets a 412, which is our own
		{"complete", "lost", 1, nil, ""},
		{"put", "SlowDown", 1, nil, ""},
		{"put", "AccessDenied", 0, nil, "s3:PutObject"},
		{"create-upload", "AccessDenied", 0, nil, "s3:PutObject"},
		{"get", "AccessDenied", 0, nil, "s3:GetObject"},
		{"delete", "AccessDenied", 0, nil, "s3:DeleteObject"},
		{"abort", "AccessDenied", 0, nil, "s3:AbortMultipartUpload"},
		{"put", "NotImplemented", 0, store.ErrUnsafe, "does not know"},
		{"complete", "NotImplemented", 0, store.ErrUnsafe, "does not know"},
	} {
		t.Run(string(c.op)+" "+c.fault, func(t *testing.T) {
			f, s := newBucket(Options{})
			f.Fault = func(op s3test.Op, _ string, n int) string {
				if op == c.op && (c.times == 0 || n <= c.times) {
					return c.fault
				}
				return ""
			}
			err := s.Probe(t.Context(), "_batchmill")
			if c.says == "" && err != nil {
				t.Errorf("probe: %v", err)
			}
			if c.says != "" {
				wantProbeError(t, err, c.want, c.says)
				if c.want == nil && errors.Is(err, store.ErrUnsafe) {
					t.Errorf("probe: %v, which is a verdict", err)
				}
			}
			if c.op != "abort" && c.op != "delete" {
				wantEmpty(t, f)
			}
		})
	}
}

// TestProbeCancelled: a probe that is cut off removes what it made.
func TestProbeCancelled(t *testing.T) {
	for _, at := range []s3test.Op{"put", "get", "upload-part", "complete"} {
		t.Run(string(at), func(t *testing.T) {
			f, s := newBucket(Options{})
			ctx, cancel := context.WithCancel(t.Context())
			f.Fault = before(func(op s3test.Op, n int) {
				if op == at && (op != "put" || n == 2) {
					cancel()
				}
			})
			if err := s.Probe(ctx, "dir"); err != context.Canceled {
				t.Errorf("probe: %v", err)
			}
			wantEmpty(t, f)
		})
	}
}

// TestProbeBesideAnother: a run that begins at the same time ends the probe's upload,
// and leaves its object, or removes the object where the answer to making it anew is lost.
func TestProbeBesideAnother(t *testing.T) {
	for op, other := range map[s3test.Op]func(*bucket.Bucket){
		s3test.UploadPart: (*bucket.Bucket).EndUploads,
		s3test.Complete:   (*bucket.Bucket).Clear,
	} {
		f, s := newBucket(Options{})
		f.Fault = func(now s3test.Op, _ string, n int) string {
			if now == op && n == 1 {
				other(f)
			}
			return map[bool]string{true: "done lost"}[now == s3test.Put && n == 4]
		}
		if err := s.Probe(t.Context(), "_batchmill"); err != nil {
			t.Errorf("interfered with before a %s: %v", op, err)
		}
		wantEmpty(t, f)
	}
}

// TestProbeRemovedUnseen: the answer to the put that makes the probe's object is lost, and
// another run removes the object before the probe has looked whose it is.
func TestProbeRemovedUnseen(t *testing.T) {
	f, s := newBucket(Options{})
	removed := false
	f.Fault = func(now s3test.Op, _ string, n int) string {
		if now == s3test.Head && !removed {
			removed = true
			f.Clear()
		}
		return map[bool]string{true: "done lost"}[now == s3test.Put && n == 1]
	}
	if err := s.Probe(t.Context(), "_batchmill"); err != nil || !removed {
		t.Errorf("probe: %v, removed: %v", err, removed)
	}
	wantEmpty(t, f)
}
