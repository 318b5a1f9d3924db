package workers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

func TestTimeout(t *testing.T) {
	for name, early := range map[string]string{"before the header": "", "in the body": "1\n"} {
		inBubble(t, func(t *testing.T) {
			h := piped(t, HTTPOptions{Timeout: 100 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // only then does the server see who leaves
				if early != "" {
					_, _ = io.WriteString(w, early)
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
			})
			began := time.Now()
			_, err := h.Invoke(t.Context(), &Request{Body: []byte("x")})
			if o := Classify(Response{}, err); o.Cause != Broken || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(o.Message, "--timeout") {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(began); took != 100*time.Millisecond {
				t.Errorf("%s: it took %v", name, took)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := served(t, HTTPOptions{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	if _, err := h.Invoke(ctx, &Request{Body: []byte("x")}); err != context.Canceled {
		t.Errorf("error is %v, want the context's own", err)
	}
}

// Waiting for memory is not the host's time.
func TestReserveStopsTheClock(t *testing.T) {
	inBubble(t, testReserveStopsTheClock)
}

func testReserveStopsTheClock(t *testing.T) {
	const size = 300 << 10
	h := piped(t, HTTPOptions{Timeout: 300 * time.Millisecond}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), size))
	})
	total, calls := 0, 0
	resp, err := h.Invoke(t.Context(), &Request{Body: []byte("x"), Into: make([]byte, 0, 1000), Reserve: func(_ context.Context, n int) error {
		total += n
		if calls++; calls <= 2 {
			time.Sleep(400 * time.Millisecond)
		}
		return nil
	}})
	if err != nil || len(resp.Body) != size {
		t.Fatalf("%d bytes, %v", len(resp.Body), err)
	}
	if total != cap(resp.Body)-1000 {
		t.Errorf("reserved %d for a growth of %d", total, cap(resp.Body)-1000)
	}
	no := errors.New("no memory")
	_, err = h.Invoke(t.Context(), &Request{Reserve: func(context.Context, int) error { return no }})
	if !errors.Is(err, no) {
		t.Errorf("a refused reservation gave %v", err)
	}
}

// A host that answers while the payload is still on its way: after Invoke the
// payload's memory is ours again. The race detector is the judge.
func TestEarlyAnswerLetsGoOfThePayload(t *testing.T) {
	h := served(t, HTTPOptions{}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	})
	payload := make([]byte, 8<<20)
	for i := range 20 {
		resp, err := h.Invoke(t.Context(), &Request{Body: payload})
		for j := range payload {
			payload[j] = byte(i)
		}
		if o := Classify(resp, err); o.Cause != TooLarge && o.Cause != Broken {
			t.Errorf("%v: %+v, %v", o.Cause, resp, err)
		}
	}
}

// Nothing is sent twice, not even on a connection that turns out to be dead.
func TestNothingIsResent(t *testing.T) {
	var requests atomic.Int64
	h := served(t, HTTPOptions{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if requests.Add(1) == 1 {
			return // and the connection is kept
		}
		panic(http.ErrAbortHandler)
	})
	if _, err := h.Invoke(t.Context(), &Request{Body: []byte("x"), Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Invoke(t.Context(), &Request{Body: []byte("x"), Key: "k"}); Classify(Response{}, err).Cause != Broken {
		t.Errorf("error is %v", err)
	}
	if got := requests.Load(); got != 2 {
		t.Errorf("%d requests arrived, want 2", got)
	}
}

func TestReadAll(t *testing.T) {
	broke := errors.New("broke")
	for size := range 70 {
		text := strings.Repeat("x", size)
		for name, src := range map[string]io.Reader{
			"plain": strings.NewReader(text), "byte": iotest.OneByteReader(strings.NewReader(text)),
			"half": iotest.HalfReader(strings.NewReader(text)), "eof": iotest.DataErrReader(strings.NewReader(text)),
		} {
			for _, into := range []int{0, 1, 63, 64, 65, 200} {
				got, err := readAll(make([]byte, 0, into), src, 64, int64(size), func(int) error { return nil })
				if size <= 64 && (err != nil || string(got) != text) || size > 64 && err != errLimit {
					t.Errorf("%s, %d into %d: %d bytes, %v", name, size, into, len(got), err)
				}
				src = strings.NewReader(text)
			}
		}
		src := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broke))
		if _, err := readAll(nil, src, 1000, -1, func(int) error { return nil }); err != broke {
			t.Errorf("a read error after %d bytes became %v", size, err)
		}
	}
}

// However large the declared size, memory is taken in steps.
func FuzzLeap(f *testing.F) {
	f.Add(0, int64(64<<20), int64(64<<20))
	f.Add(1<<20, int64(64<<20), int64(-1))
	f.Add(64<<20, int64(64<<20), int64(64<<20))
	f.Fuzz(func(t *testing.T, have int, limit, declared int64) {
		if have < 0 || limit < 1 || limit > 1<<40 || int64(have) > limit {
			t.Skip()
		}
		n := growth(have, limit, declared)
		if n < 1 || int64(have)+int64(n) > limit+1 || n > max(have, maxDeclared) {
			t.Errorf("leap(%d, %d, %d) = %d", have, limit, declared, n)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-5": 0, "1.5": 0, "soon": 0, "99999999999999999999": 0,
		"9223372036854775807":           24 * time.Hour,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second, "Sun, 01 Mar 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(s, now); got != want {
			t.Errorf("Retry-After %q is %v, want %v", s, got, want)
		}
	}
}
