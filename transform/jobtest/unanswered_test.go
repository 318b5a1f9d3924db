package jobtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// runTexts runs a job over objects by their names, with one host that answers lines.
func runTexts(t *testing.T, objects map[string]string, change func(*job.Spec), answer func([]string) (string, string)) (*transform.Result, *store.Memory, error) {
	t.Helper()
	in, out := store.NewMemory(), store.NewMemory()
	for name, text := range objects {
		if err := in.Put(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	s := job.Spec{Input: []string{"mem:in"}, Output: "mem:out", Join: "none", BatchRecords: 10, Concurrency: 1,
		MaxRejects: &job.Allowance{Percent: 100, IsShare: true}}
	change(&s)
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	run := func() (*transform.Result, error) {
		p, err := plan.New(t.Context(), s, []plan.Source{{Store: in}}, out, nil)
		if err != nil {
			return nil, err
		}
		res, err := transform.Run(t.Context(), closing(t, p), workers.Fleet{Hosts: []workers.Host{&lineHost{"host", answer}}}, nil)
		return whole(out, res, err)
	}
	res, err := run()
	if err == nil && res.Manifest.Totals.Unanswered() && res.Objects.Failed == 0 { // such a job is over: it ends again as it did
		again, err := run()
		if err != nil || !again.AlreadyDone || !again.Manifest.Totals.Unanswered() {
			t.Errorf("the second run of a job without answers: %+v, %v", again, err)
		}
		if s, err := ledger.ReadStatus(t.Context(), out, false); err != nil || s.State != ledger.JobFinished || s.Success {
			t.Errorf("the status of a job without answers: %+v, %v", s, err)
		}
	}
	return res, out, err
}

// broken are objects whose records are good (g) or cannot be sent (b), in each input format.
func brokenObject(format, records string) string {
	var b strings.Builder
	for i, r := range records {
		b.WriteString(map[string]map[rune]string{
			codec.FormatCSV:   {'g': fmt.Sprintf("%d,2\n", i), 'b': "1,2\"x\n"},
			codec.FormatJSONL: {'g': fmt.Sprintf("{\"id\":%d}\n", i), 'b': "{bad\n"},
			codec.FormatLines: {'g': "a\n", 'b': strings.Repeat("x", 2000) + "\n"},
		}[format][r])
	}
	return b.String()
}

// TestRefusedObjects: an object of two records or more of which not one can be sent has failed,
// whatever the policy and the formats; other objects go on.
func TestRefusedObjects(t *testing.T) {
	published, failed := manifest.Published, manifest.Failed
	for _, format := range []string{codec.FormatCSV, codec.FormatJSONL, codec.FormatLines} {
		for _, out := range []string{codec.FormatCSV, codec.FormatJSONL, codec.FormatLines, codec.FormatParquet} {
			for _, policy := range []string{"placeholder", "skip", "fail"} {
				for records, want := range map[string]manifest.Status{"": published, "b": published, "g": published, "bb": failed, "bbbbbbbbbbbbbbbbbbbbbbbbb": failed, "bg": published, "gbbb": published} {
					name := fmt.Sprintf("%s to %s, %s, %q", format, out, policy, records)
					if policy == "fail" && strings.Contains(records, "b") && want == published {
						want = manifest.Held
					}
					oneBubble(t, func(t *testing.T) {
						objects := map[string]string{"a": brokenObject(format, "gg"), "b": brokenObject(format, records)}
						res, store, err := runTexts(t, objects, func(s *job.Spec) {
							s.InputFormat, s.OutputFormat, s.OnBad, s.Header, s.MaxRecord = format, out, policy, "no", 1000
							s.ContentType = map[string]string{codec.FormatCSV: "text/csv", codec.FormatJSONL: "application/jsonlines", codec.FormatLines: "text/plain"}[format]
							s.Accept = "text/csv"
						}, func(records []string) (string, string) { return "text/csv", strings.Repeat("1\n", len(records)) })
						if err != nil {
							t.Fatalf("%s: %v", name, err)
						}
						o := res.Manifest.Objects[1]
						if o.Status != want {
							t.Errorf("%s: the object is %s (%s), want %s", name, o.Status, o.Error, want)
						}
						if want == failed && (!strings.Contains(o.Error, "not one of its") || len(o.Reasons) != 1 || !strings.Contains(o.Error, o.Reasons[0].Reason)) {
							t.Errorf("%s: the error is %q, for %+v", name, o.Error, o.Reasons)
						}
						if res.Manifest.Objects[0].Status != published {
							t.Errorf("%s: its neighbour is %s", name, res.Manifest.Objects[0].Status)
						}
						if _, marked := store.Snapshot()[plan.SuccessName]; marked != (want == published) {
							t.Errorf("%s: marked as a success: %v", name, marked)
						}
					})
				}
			}
		}
	}
}

// TestUnansweredJobs: a job with records and not one answer is no success, whoever refused the
// records; a job without records is one.
func TestUnansweredJobs(t *testing.T) {
	answers := map[string]func([]string) (string, string){
		"none": func([]string) (string, string) { return "text/csv", "" },
		"page": func([]string) (string, string) { return "text/html", "<html>\n" },
		"good": func(records []string) (string, string) { return "text/csv", strings.Repeat("1\n", len(records)) },
	}
	for _, c := range []struct {
		records, answer string
		marked          bool
	}{
		{"", "none", true}, {"b", "none", false}, {"b", "good", false}, {"g", "none", false}, {"g", "page", false}, {"g", "good", true},
		{"ggg", "none", false}, {"gbg", "none", false}, {"gbg", "good", true}, {"bb", "good", false},
	} {
		for _, policy := range []string{"placeholder", "skip"} {
			for _, format := range []string{codec.FormatCSV, codec.FormatJSONL} {
				oneBubble(t, func(t *testing.T) {
					res, out, err := runTexts(t, map[string]string{"a": brokenObject(format, c.records)}, func(s *job.Spec) {
						s.InputFormat, s.OnBad, s.Header, s.Accept = format, policy, "no", "text/csv"
					}, answers[c.answer])
					if err != nil {
						t.Fatalf("%+v: %v", c, err)
					}
					if _, marked := out.Snapshot()[plan.SuccessName]; marked != c.marked {
						t.Errorf("%+v, %s, %s: marked as a success: %v", c, policy, format, marked)
					}
					if got := res.Manifest.Totals.Unanswered(); got == c.marked {
						t.Errorf("%+v, %s: unanswered: %v", c, policy, got)
					}
				})
			}
		}
	}
}

// TestReasonsAddUp: rejects stand in the manifest by reason, with a count and the first of them, of
// each object and of the job, also where an earlier run settled the object.
func TestReasonsAddUp(t *testing.T) {
	oneBubble(t, func(t *testing.T) {
		objects := map[string]string{"a": "1,1\n2,bad\n3,1\n4\n5,bad\n", "b": "6,1\n7\n8\n9,long\n"}
		res, _, err := runTexts(t, objects, func(s *job.Spec) { s.InputFormat, s.Header, s.BatchRecords = "csv", "no", 3 },
			func(records []string) (string, string) {
				var b strings.Builder
				for _, r := range records {
					if strings.HasSuffix(r, "1") {
						b.WriteString("1\n")
					}
				}
				return "text/csv", b.String()
			})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, o := range append(res.Manifest.Objects, manifest.Object{Reasons: res.Manifest.Totals.Reasons}) {
			for _, r := range o.Reasons {
				got += fmt.Sprintf("%s %d %s; ", r.Reason, r.Count, r.Sample)
			}
			got += "\n"
		}
		want := "bad_answer 2 a: record 2: status 200 of host; ragged 1 a: record 4; \n" +
			"ragged 2 b: record 2; bad_answer 1 b: record 4: status 200 of host; \n" +
			"bad_answer 3 a: record 2: status 200 of host; ragged 3 a: record 4; \n"
		if got != want {
			t.Errorf("reasons are\n%swant\n%s", got, want)
		}
	})
}

// TestLoneFailureIsTold: the end of a job for lone failures shows the status, what the host said, and what was sent.
func TestLoneFailureIsTold(t *testing.T) {
	oneBubble(t, func(t *testing.T) {
		w := csvJob(30, 0)
		w.spec.OutputFormat, w.spec.ContentType, w.spec.Accept = "jsonl", "application/json", "application/json"
		w.hosts[0].script = func(int) fault { return status(422, 0) }
		_, err := w.runOn(t.Context(), w.input, w.output)
		for _, want := range []string{"status 422: as told", "sent was a payload of ", " bytes, application/json, with records: 1"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not tell %q", err, want)
			}
		}
	})
}
