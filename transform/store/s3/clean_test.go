package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// TestClean: uploads below the store's folder that are ours are ended, and no others.
func TestClean(t *testing.T) {
	f, s := newBucket(Options{})
	for _, key := range []string{"out/a", "out/b/ü +%?", "out/b/ü +%?", "out/theirs", "out/../up", "out/", "outside", "else/a"} {
		f.Begin(key)
	}
	var names []string
	for name, err := range s.Clean(t.Context(), func(name string) bool { return name != "theirs" }) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if want := []string{"a", "b/ü +%?", "b/ü +%?"}; !slices.Equal(names, want) {
		t.Errorf("cleaned %q, want %q", names, want)
	}
	left := f.Uploads()
	if want := []string{"else/a", "out/", "out/../up", "out/theirs", "outside"}; !slices.Equal(left, want) {
		t.Errorf("%q are left, want %q", left, want)
	}
}

// TestCleanErrors: what cannot be cleaned up is told.
func TestCleanErrors(t *testing.T) {
	for _, c := range []struct {
		op    s3test.Op
		fault string
		want  error
		says  string
	}{
		{"list-uploads", "NotImplemented", errors.ErrUnsupported, "cannot list"},
		{"list-uploads", "AccessDenied", nil, "s3:ListBucketMultipartUploads"},
		{"abort", "AccessDenied", nil, "s3:AbortMultipartUpload"},
		{"abort", "done NoSuchUpload", nil, ""},
	} {
		f, s := newBucket(Options{})
		f.Begin("out/a")
		f.Fault = always(c.op, c.fault)
		var last error
		for _, err := range s.Clean(t.Context(), func(string) bool { return true }) {
			last = err
		}
		if c.says == "" && last != nil || c.says != "" && (last == nil || !strings.Contains(last.Error(), c.says)) || c.want != nil && !errors.Is(last, c.want) {
			t.Errorf("%s %s: %v", c.op, c.fault, last)
		}
	}
}

// TestCleanStops: a caller that has seen enough, or whose context ends, is not kept.
func TestCleanStops(t *testing.T) {
	f, s := newBucket(Options{})
	for i := range 3 {
		f.Begin(fmt.Sprint("out/", i))
	}
	for range s.Clean(t.Context(), func(string) bool { return true }) {
		break
	}
	if left := f.Uploads(); len(left) != 2 {
		t.Errorf("%d uploads are left, want 2", len(left))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.Clean(ctx, func(string) bool { return true }) {
		if err != context.Canceled {
			t.Errorf("clean: %v", err)
		}
	}
}

// TestCleanNeverEnds: a service that lists the same again and again is left.
func TestCleanNeverEnds(t *testing.T) {
	for name, next := range map[string]func(n int) (key, id string){
		"the same":       func(int) (string, string) { return "out/a", "1" },
		"nothing":        func(int) (string, string) { return "", "" },
		"back":           func(n int) (string, string) { return fmt.Sprint("out/", 9-n%2), "1" },
		"ids by turns":   func(n int) (string, string) { return "out/a", fmt.Sprint(n % 2) },
		"undecipherable": func(n int) (string, string) { return "%zz", "1" },
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			s := storeOver(Options{}, func(r *http.Request) (*http.Response, error) {
				n++
				key, id := next(n)
				return reply(r, fmt.Sprintf("<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"+
					"<NextKeyMarker>%s</NextKeyMarker><NextUploadIdMarker>%s</NextUploadIdMarker></ListMultipartUploadsResult>", key, id)), nil
			})
			var last error
			for _, err := range s.Clean(t.Context(), func(string) bool { return true }) {
				last = err
			}
			if !errors.Is(last, errNoEnd) {
				t.Errorf("clean: %v, want %v", last, errNoEnd)
			}
		})
	}
}
