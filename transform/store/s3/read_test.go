package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// quick is for tests whose connections stall. A busy machine may take twice that long to answer.
var quick = Options{Stall: 250 * time.Millisecond, Attempts: 50}

func TestSmallObjectsTakeOneRequest(t *testing.T) {
	for _, size := range []int{1, 1000, firstStretch - 1, firstStretch} {
		data := randomBytes(size)
		f, s := serve(t, data, Options{})
		r := f.open(s)
		wantAll(t, r, data)
		got := make([]byte, size)
		if n, err := r.ReadAt(got, 0); n != size || err != nil || !bytes.Equal(got, data) {
			t.Errorf("read again: %d, %v", n, err)
		}
		if f.count() != 1 {
			t.Errorf("%d bytes took %d requests", size, f.count())
		}
		r.Close()
		wantFree(t, s)
	}
}

func TestReadSizes(t *testing.T) {
	for _, size := range []int{0, firstStretch + 1, firstStretch + largeStretch, firstStretch + 2*largeStretch + 1, 11_111_111} {
		for _, ignore := range []bool{false, true} {
			data := randomBytes(size)
			f, s := serve(t, data, Options{})
			f.ignoreRange = ignore
			r := f.open(s)
			wantAll(t, r, data)
			if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("behind the end: %d, %v", n, err)
			}
			if ignore && f.count() != 1 {
				t.Errorf("where ranges are ignored, %d bytes took %d requests", size, f.count())
			}
			r.Close()
			wantFree(t, s)
		}
	}
}

// TestReadFaults: whatever breaks on the way, all bytes come in order.
func TestReadFaults(t *testing.T) {
	size := int64(firstStretch + largeStretch + 123_456)
	tests := []struct {
		name  string
		fault func(asked int, from, to int64) fault
	}{
		{"every second body is cut short", func(n int, from, to int64) fault { return fault{cut: n%2 == 1, keep: (to - from) / 3} }},
		{"every second body is empty", func(n int, _, _ int64) fault { return fault{cut: n%2 == 1} }},
		{"every body is cut after some progress", func(n int, from, to int64) fault { return fault{cut: to-from > 300_000, keep: 300_000} }},
		{"stalls", func(n int, from, to int64) fault { return fault{stall: n%5 == 2, keep: (to - from) / 2} }},
		{"stalls at once", func(n int, _, _ int64) fault { return fault{stall: n%5 == 1} }},
		{"refused once", func(n int, _, _ int64) fault { return fault{status: 500 * (n % 2), code: "InternalError"} }},
	}
	for _, test := range tests {
		for _, ignore := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				data := randomBytes(int(size))
				o := quick
				o.Attempts = 8 // some of them may be the machine's fault
				f, s := serve(t, data, o)
				f.fault, f.ignoreRange = test.fault, ignore
				if ignore && strings.Contains(test.name, "progress") {
					t.Skip("a service that ignores ranges cannot go on where it ended")
				}
				r := f.open(s)
				within(t, func() { wantAll(t, r, data) })
				r.Close()
				wantFree(t, s)
			})
		}
	}
}

// TestWrongAnswers: an answer that is not what was asked for is an error.
func TestWrongAnswers(t *testing.T) {
	tests := []struct {
		name  string
		fault fault
		want  error
		text  string
	}{
		{"another ETag", fault{etag: `"two"`}, ErrChanged, "changed"},
		{"another size", fault{size: 4_000_000}, ErrChanged, "changed"},
		{"refused by its ETag", fault{status: 412, code: "PreconditionFailed"}, ErrChanged, "changed"},
		{"shorter by now", fault{status: 416, code: "InvalidRange"}, ErrChanged, "changed"},
		{"gone", fault{status: 404, code: "NoSuchKey"}, fs.ErrNotExist, "NoSuchKey"},
		{"another range", fault{span: "bytes 0-1951423/3000000"}, nil, "were asked for"},
		{"less than asked", fault{span: "bytes 1048576-1048577/3000000", length: "2"}, nil, "were asked for"},
		{"backwards", fault{span: "bytes 5-4/3000000"}, nil, "were asked for"},
		{"no size", fault{span: "bytes 1048576-2999999/*"}, nil, "were asked for"},
		{"nonsense", fault{span: "\u009b31m bytes"}, nil, "were asked for"},
		{"impossible size", fault{span: "bytes 1048576-2999999/9223372036854775807"}, nil, "were asked for"},
		{"forbidden", fault{status: 403, code: "AccessDenied"}, nil, "permission"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data := randomBytes(3_000_000)
			f, s := serve(t, data, Options{})
			f.fault = func(n int, _, _ int64) fault {
				if n == 1 {
					return fault{}
				}
				return test.fault
			}
			for what, read := range map[string]func(r *reader) ([]byte, error){
				"read": func(r *reader) ([]byte, error) { return io.ReadAll(r) },
				"read at": func(r *reader) ([]byte, error) {
					_, err := r.ReadAt(make([]byte, 1000), 2_000_000)
					return data[:firstStretch], err
				},
				"direct": func(r *reader) ([]byte, error) {
					n, err := r.ReadAt(make([]byte, 1_900_000), 1_100_000)
					return data[:firstStretch+n], err
				},
			} {
				f.set(func() { f.asked = 0 })
				r := f.open(s)
				got, err := read(r)
				wantStoreError(t, err, test.want)
				if !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "\u009b") || !bytes.Equal(got, data[:firstStretch]) {
					t.Errorf("%s: %d bytes, then %q", what, len(got), err)
				}
				r.Close()
			}
			wantFree(t, s)
		})
	}
}

func TestShortBodyIsNeverTheEnd(t *testing.T) {
	data := randomBytes(3_000_000)
	f, s := serve(t, data, Options{Attempts: 4})
	f.fault = func(n int, from, _ int64) fault {
		return fault{cut: from > 2_000_000 || n > 1, keep: max(0, 2_000_000-from)}
	}
	r := f.open(s)
	got, err := io.ReadAll(r)
	wantStoreError(t, err, nil)
	if !bytes.Equal(got, data[:firstStretch]) || !strings.Contains(err.Error(), "at byte 2000000") || !strings.Contains(err.Error(), "4 times") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if again, err2 := r.Read(make([]byte, 10)); again != 0 || err2 != err {
		t.Errorf("then %d, %v", again, err2)
	}
	if n := f.count(); n > 1+5 { // one that brings bytes, four that bring none
		t.Errorf("%d requests", n)
	}
}

func TestChangedWhileOpening(t *testing.T) {
	data := randomBytes(1000)
	f, s := serve(t, data, Options{})
	other := bytes.ToUpper(data)
	f.fault = func(n int, _, _ int64) fault {
		if n == 1 { // the rest of it is refused
			return fault{cut: true, keep: 500, then: func() { f.Put("o", other) }}
		}
		return fault{}
	}
	wantAll(t, f.open(s), other)
}

// TestWithoutETags: versions are told apart by what else is known of them.
func TestWithoutETags(t *testing.T) {
	data := randomBytes(3_000_000)
	f, s := serve(t, data, Options{})
	f.noETag = true
	wantAll(t, f.open(s), data)
	f.set(func() {
		f.fault = func(_ int, from, _ int64) fault {
			if from == 0 {
				return fault{}
			}
			return fault{modified: "Mon, 02 Jan 2006 15:04:06 GMT"}
		}
	})
	_, err := io.ReadAll(f.open(s))
	wantStoreError(t, err, ErrChanged)
}

// TestBarelyReadObjects: who is opened long before being read holds little.
func TestBarelyReadObjects(t *testing.T) {
	data := randomBytes(20_000_000)
	f, s := serve(t, data, Options{Memory: 16 << 20})
	var readers []*reader
	for range 40 {
		r := f.open(s)
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		readers = append(readers, r)
	}
	if f.count() != 40 {
		t.Errorf("40 objects were opened by %d requests", f.count())
	}
	// All memory is taken. Every reader still comes to its end, and they can
	// wait for each other.
	for _, r := range readers {
		r.pos = 0
	}
	within(t, func() {
		for range 4 {
			for _, r := range readers {
				want := data[r.pos : r.pos+400_000]
				got := make([]byte, len(want))
				if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("at %d: %v", r.pos, err)
				}
			}
		}
	})
	for _, r := range readers {
		r.Close()
	}
	wantFree(t, s)
}

func TestReadAfterClose(t *testing.T) {
	f, s := serve(t, randomBytes(3_000_000), Options{})
	r := f.open(s)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := r.Read(make([]byte, 1))
	wantStoreError(t, err, fs.ErrClosed)
	_, err = r.ReadAt(make([]byte, 1), 0)
	wantStoreError(t, err, fs.ErrClosed)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsWaiting(t *testing.T) {
	f, s := serve(t, randomBytes(3_000_000), Options{})
	waiting := make(chan struct{}, 10)
	f.fault = func(_ int, from, _ int64) fault {
		if from == 0 {
			return fault{}
		}
		waiting <- struct{}{}
		return fault{stall: true}
	}
	r := f.open(s)
	errs := make(chan error, 2)
	go func() { _, err := io.ReadAll(r); errs <- err }()
	go func() { _, err := r.ReadAt(make([]byte, 9), 2_500_000); errs <- err }()
	<-waiting
	<-waiting
	within(t, func() { r.Close() })
	wantStoreError(t, <-errs, fs.ErrClosed)
	wantStoreError(t, <-errs, fs.ErrClosed)
	wantFree(t, s)
}

func TestReadContext(t *testing.T) {
	f, s := serve(t, randomBytes(3_000_000), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	f.fault = func(_ int, from, _ int64) fault {
		if from > 0 {
			cancel()
		}
		return fault{stall: from > 0}
	}
	r, _, err := s.Open(ctx, "o")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); err != context.Canceled {
		t.Errorf("read: %v", err)
	}
	if _, err := r.ReadAt(make([]byte, 9), 2_500_000); err != context.Canceled {
		t.Errorf("read at: %v", err)
	}
	if _, _, err := s.Open(ctx, "o"); err != context.Canceled {
		t.Errorf("open: %v", err)
	}
}

// TestOpenOnServer reads from a real service, and sees an object change under it.
func TestOpenOnServer(t *testing.T) {
	server := s3test.Start(t)
	s, err := Open(t.Context(), Location{Bucket: server.Bucket, Key: "p"}, Options{Endpoint: server.Endpoint})
	if err != nil {
		t.Fatal(err)
	}
	data := randomBytes(7_654_321)
	put := func(name string, data []byte) {
		_, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &s.bucket, Key: aws.String(s.key(name)), Body: bytes.NewReader(data),
			Metadata: map[string]string{metaJob: "job7"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put("d/large", data)
	put("d/empty", nil)
	put("d/a b+%41&é", []byte("x"))
	seen := 0
	for info, err := range s.List(t.Context(), "d") {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		r, opened, err := s.Open(t.Context(), info.Name)
		if err != nil {
			t.Fatal(err)
		}
		stat, err := s.Stat(t.Context(), info.Name)
		if err != nil || stat != info || opened != info {
			t.Errorf("listed %+v, opened %+v, stat %+v, %v", info, opened, stat, err)
		}
		if owner, err := s.OwnerOf(t.Context(), info.Name); owner != "job7" || err != nil {
			t.Errorf("owner %q, %v", owner, err)
		}
		if info.Size == int64(len(data)) {
			wantAll(t, r, data)
			put(info.Name, data[1:])
			_, err := r.ReadAt(make([]byte, 10), 5_000_000)
			wantStoreError(t, err, ErrChanged)
		}
		r.Close()
	}
	if seen != 3 {
		t.Errorf("%d objects listed", seen)
	}
	wantFree(t, s)
	if _, _, err := s.Open(t.Context(), "none"); !errors.Is(err, fs.ErrNotExist) || status(err) != http.StatusNotFound {
		t.Errorf("open of nothing: %v", err)
	}
}
