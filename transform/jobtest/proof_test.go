package jobtest

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// lineHost answers each record with a line, in its own way; the rest is an HTTP host's.
type lineHost struct {
	name   string
	answer func(records []string) (contentType, body string)
}

func (h *lineHost) Name() string { return h.name }

func (h *lineHost) Ready(context.Context) (workers.Parameters, error) {
	return workers.Parameters{}, nil
}

func (h *lineHost) Invoke(_ context.Context, r *workers.Request) (workers.Response, error) {
	contentType, body := h.answer(strings.Split(strings.TrimSuffix(string(r.Body), "\n"), "\n"))
	return workers.Response{Status: 200, ContentType: contentType, Body: append(r.Into[:0], body...)}, nil
}

// page7 is a page of seven lines.
const page7 = "<html>\r\n<head><title>Maintenance</title></head>\r\n<body>\r\n<center><h1>Back soon</h1></center>\r\n<hr><center>proxy</center>\r\n</body>\r\n</html>\r\n"

// numbered answers each record with ten times its number, but for the records that skip names.
func numbered(contentType string, skip func(n int) bool) func([]string) (string, string) {
	return func(records []string) (string, string) {
		var b strings.Builder
		for _, r := range records {
			n, _ := strconv.Atoi(strings.Trim(r, `"`))
			if skip == nil || !skip(n) {
				fmt.Fprintf(&b, "%d\n", 10*n)
			}
		}
		return contentType, b.String()
	}
}

// numbers is a job of one object of numbers from 1 on, one to a line, sent and answered as CSV.
func numbers(t *testing.T, records int, change func(*job.Spec), hosts ...workers.Host) (*transform.Result, map[string][]byte, error) {
	t.Helper()
	in, out := store.NewMemory(), store.NewMemory()
	var b strings.Builder
	for i := range records {
		fmt.Fprintf(&b, "%d\n", i+1)
	}
	if err := in.Put("n.csv", []byte(b.String())); err != nil {
		t.Fatal(err)
	}
	s := job.Spec{Input: []string{"mem:in"}, Output: "mem:out", Header: "no", Join: "input", BatchRecords: 100, Concurrency: 1,
		MaxRejects: &job.Allowance{Percent: 100, IsShare: true}}
	if change != nil {
		change(&s)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(t.Context(), s, []plan.Source{{Store: in}}, out, nil)
	if err != nil {
		return nil, nil, err
	}
	res, err := transform.Run(t.Context(), closing(t, p), workers.Fleet{Hosts: hosts}, nil)
	res, err = whole(out, res, err)
	return res, out.Snapshot(), err
}

// TestPageThatFits: a page of seven lines under another type than its own, at a host that gives
// nothing else, for a while, or beside a good one, is never beside a record. After it, and beside it, all records get
// their own answers.
func TestPageThatFits(t *testing.T) {
	for _, media := range []string{"text/plain", "text/csv", "", "application/octet-stream"} {
		for _, kind := range []string{"always", "begins", "later", "between", "beside"} {
			t.Run(kind+" as "+media, func(t *testing.T) {
				oneBubble(t, func(t *testing.T) {
					asked := 0
					good := numbered(media, nil)
					host := &lineHost{"host", func(records []string) (string, string) {
						asked++
						paged := map[string]bool{"always": true, "begins": asked <= 15, "later": asked > 3 && asked < 20, "between": asked%3 == 2, "beside": true}[kind]
						if paged {
							return media, page7
						}
						return good(records)
					}}
					hosts := []workers.Host{host}
					if kind == "beside" {
						hosts = append(hosts, &lineHost{"good", good})
					}
					_, got, err := numbers(t, 300, func(s *job.Spec) { s.BatchRecords = 28 }, hosts...) // halved twice: seven
					if text := got["n.csv"]; bytes.Contains(text, []byte("<")) {
						t.Fatalf("a page stands beside records:\n%.500s", text)
					}
					if kind == "always" {
						if err == nil || transform.ClassOf(err) != job.BadInput {
							t.Errorf("error is %v", err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					checkNumbers(t, got["n.csv"], 300, nil)
				})
			})
		}
	}
}

// checkNumbers holds an output of numbers against what hosts answer; records that lost names have no answer.
func checkNumbers(t *testing.T, text []byte, records int, lost map[int]bool) {
	t.Helper()
	var want strings.Builder
	for n := 1; n <= records; n++ {
		if lost[n] {
			fmt.Fprintf(&want, "%d,\n", n)
		} else {
			fmt.Fprintf(&want, "%d,%d\n", n, 10*n)
		}
	}
	if string(text) != want.String() {
		t.Error(difference(text, []byte(want.String())))
	}
}

// TestMiscountedNeighboursAreAnswered: a model that leaves out the lines of some records costs
// these records alone, from the first batch on.
func TestMiscountedNeighboursAreAnswered(t *testing.T) {
	for _, lost := range []map[int]bool{{1: true}, {100: true}, {7: true, 8: true, 9: true}, {1: true, 2: true, 3: true, 4: true}, {50: true, 250: true}} {
		for _, media := range []string{"text/csv", "text/csv; charset=utf-8", ""} {
			t.Run(fmt.Sprintf("%v as %s", lost, media), func(t *testing.T) {
				oneBubble(t, func(t *testing.T) {
					res, got, err := numbers(t, 300, func(s *job.Spec) {
						if media == "" { // a single line without a type, after wrong counts, needs a proof
							s.BatchRecords = 0
						}
					}, &lineHost{"host", numbered(media, func(n int) bool { return lost[n] })})
					if err != nil {
						t.Fatal(err)
					}
					checkNumbers(t, got["n.csv"], 300, lost)
					if res.Manifest.Totals.Rejected != int64(len(lost)) {
						t.Errorf("%d rejects, want %d", res.Manifest.Totals.Rejected, len(lost))
					}
				})
			})
		}
	}
}

// TestOneLineHosts: a host that answers one line whatever it is asked is used record by record.
func TestOneLineHosts(t *testing.T) {
	oneBubble(t, func(t *testing.T) {
		res, got, err := numbers(t, 400, func(s *job.Spec) { s.BatchRecords = 0 }, &lineHost{"host", func(records []string) (string, string) {
			return numbered("text/csv", nil)(records[:1])
		}})
		if err != nil {
			t.Fatal(err)
		}
		checkNumbers(t, got["n.csv"], 400, nil)
		if n := res.Manifest.Totals.Requests; n > 450 {
			t.Errorf("%d requests for 400 records: that batches get one answer is not learned", n)
		}
	})
}

// TestUnprovedRecord: a record that spoils the count of its batches, and gets a line alone that is like no
// answer of its host, is a reject with the reason unproved; its neighbours are answered.
func TestUnprovedRecord(t *testing.T) {
	for line, media := range map[string]string{"record not scored, no such user\n": "text/csv", "<p>\n": "text/csv", "1,2\n": "text/csv", "250\n": "text/plain"} {
		t.Run(line, func(t *testing.T) {
			oneBubble(t, func(t *testing.T) {
				good := numbered("text/csv", func(n int) bool { return n == 150 })
				_, got, err := numbers(t, 300, nil, &lineHost{"host", func(records []string) (string, string) {
					if len(records) == 1 && records[0] == "150" {
						return media, line
					}
					return good(records)
				}})
				if err != nil {
					t.Fatal(err)
				}
				checkNumbers(t, got["n.csv"], 300, map[int]bool{150: true})
				if rejects := string(got["_rejects/n.csv.jsonl"]); !strings.Contains(rejects, `"record":150,`) || !strings.Contains(rejects, `"reason":"unproved"`) || strings.Count(rejects, "\n") != 1 {
					t.Errorf("rejects are %s", rejects)
				}
			})
		})
	}
}

// TestLoneForeignAnswer: where bodies are about one record each, their type and shape decide.
func TestLoneForeignAnswer(t *testing.T) {
	for body, media := range map[string]string{
		"<!DOCTYPE html><title>busy</title>\n": "text/plain", "<HTML>\n": "text/csv", "the service is busy\n": "text/plain", "<html>": "text/html",
	} {
		t.Run(body, func(t *testing.T) {
			oneBubble(t, func(t *testing.T) {
				good := numbered("text/csv", nil)
				_, got, err := numbers(t, 50, func(s *job.Spec) { s.BatchRecords = 1 }, &lineHost{"host", func(records []string) (string, string) {
					if records[0] == "33" {
						return media, body
					}
					return good(records)
				}})
				if err != nil {
					t.Fatal(err)
				}
				checkNumbers(t, got["n.csv"], 50, map[int]bool{33: true})
			})
		})
	}
}

// TestBrokenHostsAtTheEnd: the last record of a job is not rejected because broken hosts, which are always free,
// fail it in turns: the host that answers is asked, however slow.
func TestBrokenHostsAtTheEnd(t *testing.T) {
	for _, code := range []int{500, 400, 502} {
		for _, hosts := range []int{2, 4, 7} {
			t.Run(fmt.Sprintf("%d hosts say %d", hosts-1, code), func(t *testing.T) {
				c := fleetCase{hosts: playing(hosts), records: 12, spec: func(sp *job.Spec) { sp.BatchRecords, sp.Concurrency = 1, 1 }}
				for _, h := range c.hosts[1:] {
					h.script = []moment{{0, says(code)}}
				}
				c.hosts[0].base = sec(3)
				oneBubble(t, func(t *testing.T) {
					w := c.job()
					o, err := c.once(t, w)
					if err != nil {
						t.Fatal(err)
					}
					o.exact(t)
					if o.result.Manifest.Totals.Rejected > 0 {
						t.Errorf("%d records are rejected, and one host answers well", o.result.Manifest.Totals.Rejected)
					}
				})
			})
		}
	}
}
