package jobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
)

// late is a job whose last requests hang at one of two hosts, which is a
// hundred times slower from the second second on.
func late() fleetCase {
	return fleetCase{hosts: playing(1, plays(moment{sec(2), slowed(100)})), records: 600}
}

// TestHedgeLosers: whatever a second host says, however the first one ends, the
// output is whole, and the memory of both is given back.
func TestHedgeLosers(t *testing.T) {
	type second = func(context.Context, *actor, *workers.Request) (workers.Response, error)
	says := func(code int) second {
		return func(ctx context.Context, _ *actor, r *workers.Request) (workers.Response, error) {
			return workers.Response{Status: code, Body: append(r.Into[:0], "as told"...)}, think(ctx, time.Millisecond)
		}
	}
	for name, f := range map[string]second{
		"answers": nil,
		"429":     says(429), "503": says(503), "500": says(500), "400": says(400), "413": says(413), "401": says(401), "302": says(302),
		"a page": func(ctx context.Context, _ *actor, r *workers.Request) (workers.Response, error) {
			page := strings.Repeat("<p>\n", bytes.Count(r.Body, []byte("\n")))
			return workers.Response{Status: 200, ContentType: "text/html", Body: append(r.Into[:0], page...)}, think(ctx, time.Millisecond)
		},
		"too few answers": func(ctx context.Context, h *actor, r *workers.Request) (workers.Response, error) {
			ids, _ := payloadIDs(r)
			return h.answer(ctx, r, ids[1:])
		},
		"breaks off with memory": func(ctx context.Context, h *actor, r *workers.Request) (workers.Response, error) {
			err := r.Reserve(ctx, 5000)
			return workers.Response{}, errors.Join(err, h.fails(workers.Broken, errors.New("connection reset")))
		},
		"cannot be reached": func(_ context.Context, h *actor, _ *workers.Request) (workers.Response, error) {
			return workers.Response{}, h.fails(workers.Unreachable, errors.New("connection refused"))
		},
		"is silent too": func(ctx context.Context, _ *actor, _ *workers.Request) (workers.Response, error) {
			<-ctx.Done()
			return workers.Response{}, ctx.Err()
		},
		"is as slow": func(ctx context.Context, h *actor, r *workers.Request) (workers.Response, error) {
			ids, _ := payloadIDs(r)
			if err := think(ctx, sec(19.5)); err != nil {
				return workers.Response{}, err
			}
			return h.answer(ctx, r, ids)
		},
	} {
		for _, memory := range []func(*job.Spec){fixed, all(fixed, little)} {
			t.Run(name, func(t *testing.T) {
				c := late()
				c.spec, c.extra, c.why = memory, 40, "the slow ones twice, and what the second one makes of them"
				if name == "400" || name == "413" || name == "500" {
					// Five slow batches of ten are heard to be bad, and each may be taken
					// apart for 2*log2(10)+4 requests.
					c.extra, c.why = 60, "the slow ones twice, and then by halves"
				}
				c.hosts[0].second = f
				c.also = func(t *testing.T, o *outcome) {
					if o.hedges == 0 {
						t.Error("no second host was asked")
					}
					for key, n := range o.account.times {
						if name == "a page" && n > 2 { // the slow answer is waited for
							t.Errorf("%s was asked %d times", key, n)
						}
					}
				}
				c.test(t)
			})
		}
	}
}

// TestHedgeTail: the end of a job is not put off by a host that stalls: it comes
// in seconds, not after --timeout. The same key is asked about twice.
func TestHedgeTail(t *testing.T) {
	c := late()
	c.hosts[1].script[0].mood = silent
	c.extra, c.within, c.plus = 2, 1, sec(2)
	c.also = func(t *testing.T, o *outcome) {
		if o.hedges != 2 {
			t.Errorf("%d second hosts were asked, want one for each place at the one that stalls", o.hedges)
		}
		for key, n := range o.account.times {
			if n > 2 {
				t.Errorf("%s was asked %d times", key, n)
			}
		}
	}
	c.test(t)
}

// TestOneHostIsNotHedged: there is no other to ask.
func TestOneHostIsNotHedged(t *testing.T) {
	c := fleetCase{hosts: []*actor{plays(moment{sec(3), slowed(20)}, moment{sec(9), up})}, records: 400, spec: all(fixed, little)}
	c.also = func(t *testing.T, o *outcome) {
		if o.hedges != 0 {
			t.Errorf("%d second hosts", o.hedges)
		}
	}
	c.test(t)
}

// TestHedgedAnswersComeFromOneHost: hosts answer in words of their own, and so
// late that both answers to a request are there. No batch has words of two.
func TestHedgedAnswersComeFromOneHost(t *testing.T) {
	for _, stubborn := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := late()
			for i, h := range c.hosts {
				h.say = func(id int) string { return fmt.Sprintf(`"host%d-%d"`, i, id) }
			}
			if stubborn { // it answers although it was given up
				c.hosts[0].second = func(ctx context.Context, h *actor, r *workers.Request) (workers.Response, error) {
					ids, _ := payloadIDs(r)
					err := think(context.WithoutCancel(ctx), sec(30))
					resp, _ := h.answer(context.WithoutCancel(ctx), r, ids)
					return resp, err
				}
			}
			w := c.job()
			o, err := c.once(t, w)
			if err != nil || o.hedges == 0 {
				t.Fatalf("%d second hosts, %v", o.hedges, err)
			}
			lines := bytes.Split(bytes.TrimSpace(w.output.Snapshot()["o0"]), []byte("\n"))
			if len(lines) != c.records {
				t.Fatalf("%d lines", len(lines))
			}
			for i, line := range lines {
				first := string(lines[i-i%10])
				host := first[strings.Index(first, `"host`):][:len(`"host0`)]
				if want := fmt.Sprintf(`"prediction":%s-%d"}`, host, i); !strings.HasSuffix(string(line), want) {
					t.Errorf("record %d: %s, want %s", i, line, want)
				}
			}
		})
	}
}

// TestHedgedJobIsEnded: the caller ends the job while both hosts are asked.
// Nothing goes on, and the same job run again makes the same bytes.
func TestHedgedJobIsEnded(t *testing.T) {
	for _, at := range []float64{3, 3.7, 3.8, 3.85, 3.9, 3.95, 4, 6} {
		synctest.Test(t, func(t *testing.T) {
			c := late()
			c.hosts[0].second = func(ctx context.Context, h *actor, r *workers.Request) (workers.Response, error) {
				ids, _ := payloadIDs(r)
				if err := r.Reserve(ctx, 1000); err != nil {
					return workers.Response{}, err
				}
				if err := think(ctx, sec(30)); err != nil {
					return workers.Response{}, err
				}
				return h.answer(ctx, r, ids)
			}
			c.spec = func(sp *job.Spec) { sp.Grace = job.Duration(sec(1)) }
			c.ends = sec(at)
			w := c.job()
			o, err := c.once(t, w)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("ended with %v", err)
			}
			if o.took > c.ends+sec(1.1) {
				t.Errorf("it went on for %v", o.took-c.ends)
			}
			if at > 5 && o.hedges == 0 {
				t.Error("no second host was asked yet")
			}
			c.ends = 0
			for _, h := range c.hosts {
				h.script, h.second = nil, nil
			}
			if o, err = c.once(t, w); err != nil {
				t.Fatal(err)
			}
			c.check(t, w, o)
			o.exact(t)
		})
	}
}
