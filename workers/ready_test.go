package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestReady(t *testing.T) {
	ping, status, body := 503, 404, ""
	h := served(t, HTTPOptions{}, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "GET /ping":
			w.WriteHeader(ping)
		case "GET /execution-parameters":
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		default:
			t.Errorf("asked for %s %s", r.Method, r.URL)
		}
	})
	for _, ping = range []int{503, 404, 204, 302} {
		if _, err := h.Ready(t.Context()); err == nil {
			t.Errorf("ready after a ping with status %d", ping)
		}
	}
	ping = 200
	for _, c := range []struct {
		status int
		body   string
		want   Parameters
	}{
		{404, `{"MaxConcurrentTransforms":8}`, Parameters{}},
		{500, "", Parameters{}},
		{200, `{"MaxConcurrentTransforms":8,"BatchStrategy":"MULTI_RECORD","MaxPayloadInMB":6}`, Parameters{MaxConcurrent: 8, MaxPayload: 6 << 20}},
		{200, `{"MaxConcurrentTransforms":"8","BatchStrategy":"SINGLE_RECORD","MaxPayloadInMB":"0.5"}`, Parameters{MaxConcurrent: 8, SingleRecord: true, MaxPayload: 1 << 19}},
		{200, `{"BatchStrategy":"SingleRecord"}`, Parameters{SingleRecord: true}},
		{200, `{"MaxConcurrentTransforms":-1,"MaxPayloadInMB":"NaN"}`, Parameters{}},
		{200, `{"MaxConcurrentTransforms":1e300,"MaxPayloadInMB":0}`, Parameters{}},
		{200, `{"MaxConcurrentTransforms":[1]}`, Parameters{}},
		{200, `null`, Parameters{}},
		{200, `not json`, Parameters{}},
		{200, strings.Repeat("[", 1<<20), Parameters{}},
	} {
		status, body = c.status, c.body
		if got, err := h.Ready(t.Context()); err != nil || got != c.want {
			t.Errorf("%d %.80s: %+v, %v, want %+v", c.status, c.body, got, err, c.want)
		}
	}
}

func TestPathIsTakenAsItIs(t *testing.T) {
	h := served(t, HTTPOptions{}, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Method+" "+r.RequestURI) })
	h = hostFor(t, HTTPOptions{URL: h.Name() + "/v1/score?key=abc"})
	if _, err := h.Ready(t.Context()); err != nil {
		t.Errorf("a host without ping: %v", err)
	}
	if resp, err := h.Invoke(t.Context(), &Request{Body: []byte("x")}); err != nil || string(resp.Body) != "POST /v1/score?key=abc" {
		t.Errorf("%q, %v", resp.Body, err)
	}
	if strings.Contains(h.Name(), "abc") || strings.Contains(fmt.Sprintf("%+v %s", h, h), "abc") {
		t.Errorf("the name %q shows the query", h.Name())
	}
}

func TestOptionsAreChecked(t *testing.T) {
	url := "http://h:1"
	for want, o := range map[string]HTTPOptions{
		"--host-basic": {URL: "http://me:hunter2@h:1"}, "http://": {URL: "h:8080"}, "https://": {URL: "ftp://h"}, "name a host": {URL: "http://"},
		"not a URL": {URL: "http://h:1/%zz"}, "fragment": {URL: "http://h:1/x#y"}, "query": {URL: "http://h:1/?a=b"},
		"--timeout": {URL: url, Timeout: -1}, "--max-response": {URL: url, MaxResponse: -1}, "connections": {URL: url, MaxConns: -1},
		"set by batchmill": {URL: url, Headers: []HeaderValue{{"content-TYPE", "x"}}}, "not a header name": {URL: url, Headers: []HeaderValue{{"a b", "x"}}},
		"line break": {URL: url, Headers: []HeaderValue{{"X-Key", "hunter2\n"}}},
	} {
		_, err := NewHTTPHost(o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error is %v, want one about %q", err, want)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	o := HTTPOptions{URL: "http://h:1", Headers: []HeaderValue{{"X-Key", "hunter2"}}}
	h := hostFor(t, o)
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	said := string(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		said += fmt.Sprintf(verb, o) + fmt.Sprintf(verb, o.Headers[0]) + fmt.Sprintf(verb, h)
	}
	if strings.Contains(said, "hunter2") || strings.Contains(said, "68756e74657232") || !strings.Contains(said, "[redacted]") {
		t.Errorf("printed: %s", said)
	}
}

func TestWarmPingsUntilReady(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := &fake{name: "a", notYet: 6, params: Parameters{MaxConcurrent: 7}}
		p := NewPool(Fleet{Hosts: []Host{f}}, Limits{})
		start := time.Now()
		if err := p.warm(t.Context(), p.Members()[0]); err != nil {
			t.Fatal(err)
		}
		// 0.25 + 0.5 + 1 + 2 + 2 + 2
		if got := time.Since(start); got != 7750*time.Millisecond || len(f.pings) != 7 {
			t.Errorf("ready after %v and %d pings", got, len(f.pings))
		}
		params, err := p.Await(t.Context())
		if err != nil || params.MaxConcurrent != 7 || p.members[0].limiter.maxLimit != 7 {
			t.Errorf("%+v, %v, capacity %d", params, err, p.Capacity())
		}
	})
}

func TestNobodyReady(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := NewPool(Fleet{Hosts: []Host{&fake{name: "a", notYet: -1}, &fake{name: "b", notYet: -1}}}, Limits{ReadyTimeout: time.Minute})
		var wg sync.WaitGroup
		check := func(ask func() error) {
			wg.Go(func() {
				un, ok := errors.AsType[*UnavailableError](ask())
				if !ok || !un.NeverReady || !strings.Contains(un.Error(), "still loading") || !strings.Contains(un.Error(), "--ready-timeout") {
					t.Errorf("error is %v", un)
				}
			})
		}
		for _, m := range p.Members() {
			check(func() error { return p.warm(t.Context(), m) })
		}
		check(func() error { _, err := p.Await(t.Context()); return err })
		check(func() error { _, err := p.Acquire(t.Context(), Wish{Order: 0}); return err })
		wg.Wait()
	})
}

// A host that is late is welcome, for as long as another one carries the job.
func TestLateHost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		late := &fake{name: "late", notYet: 1000, params: Parameters{MaxPayload: 5, MaxConcurrent: 9}}
		p := NewPool(Fleet{Hosts: []Host{&fake{name: "a", params: Parameters{MaxPayload: 9, MaxConcurrent: 2}}, late}}, Limits{ReadyTimeout: time.Minute})
		var wg sync.WaitGroup
		for _, m := range p.Members() {
			wg.Go(func() {
				if err := p.warm(t.Context(), m); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if params, err := p.Await(t.Context()); err != nil || params.MaxPayload != 9 {
			t.Errorf("%+v, %v", params, err)
		}
		wg.Wait()
		if params, err := p.Await(t.Context()); err != nil || params.MaxPayload != 5 || params.MaxConcurrent != 2 || p.members[0].limiter.maxLimit != 2 || p.members[1].limiter.maxLimit != 9 {
			t.Errorf("%+v, %v, capacity %d", params, err, p.Capacity())
		}
	})
}

func TestWarmIsCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := NewPool(Fleet{Hosts: []Host{&fake{name: "a", notYet: -1}}}, Limits{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.warm(ctx, p.Members()[0]); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := p.Await(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// pinging is a host that can tell that it is back.
type pinging struct{ *fake }

func (pinging) Pings() bool { return true }

// TestBackBeforeItsRestEnds: a host that could not be reached rests for longer each time;
// one that can be pinged is asked as soon as it answers that.
func TestBackBeforeItsRestEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := pinging{&fake{name: "a"}}
		p := NewPool(Fleet{Hosts: []Host{f}}, Limits{Concurrency: 1})
		m := p.Members()[0]
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Watch(ctx, m) }()
		synctest.Wait()
		l := acquire(t, p, 0, nil)
		f.mu.Lock()
		f.notYet = 3
		f.mu.Unlock()
		o := Outcome{Cause: Unreachable, RetryAfter: time.Minute}
		l.Release(o, Blame(o, State{Records: 1, Tries: 1}))
		began := time.Now()
		finish(acquire(t, p, 0, nil), Good)
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("asked again %v later, want soon after the ping", took)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
