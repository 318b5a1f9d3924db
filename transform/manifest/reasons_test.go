package manifest

import (
	"encoding/json"
	"testing"
)

// TestSampleHoldsNoRecord: a sample says where a reject is, and repeats nothing of the record.
func TestSampleHoldsNoRecord(t *testing.T) {
	r := &Reject{Object: "a.csv", Record: 7, Offset: 9, Reason: "host_refused", Status: 400, Host: "http://h", Message: "secret", Data: []byte("secret")}
	text, err := json.Marshal(r.Sample())
	if want := `{"object":"a.csv","record":7,"status":400,"host":"http://h"}`; err != nil || string(text) != want {
		t.Errorf("the sample is %s (%v), want %s", text, err, want)
	}
	if got, want := r.Sample().String(), "a.csv: record 7: status 400 of http://h"; got != want {
		t.Errorf("the sample reads %q, want %q", got, want)
	}
	if got, want := (Sample{Object: "a", Record: 1}).String(), "a: record 1"; got != want {
		t.Errorf("the sample reads %q, want %q", got, want)
	}
}

// TestReasonsAreChecked: reasons that do not add up are a manifest that contradicts itself.
func TestReasonsAreChecked(t *testing.T) {
	for _, c := range []struct {
		reasons Reasons
		good    bool
	}{
		{nil, true},
		{Reasons{{Reason: "ragged", Count: 3}}, true},
		{Reasons{{Reason: "ragged", Count: 2}, {Reason: "bad_quote", Count: 1}}, true},
		{Reasons{{Reason: "ragged", Count: 2}}, false},
		{Reasons{{Reason: "ragged", Count: 4}}, false},
		{Reasons{{Reason: "ragged", Count: 2}, {Reason: "ragged", Count: 1}}, false},
		{Reasons{{Reason: "ragged", Count: 3}, {Reason: "bad_quote", Count: 0}}, false},
	} {
		if msg := c.reasons.wrong(3); (msg == "") != c.good {
			t.Errorf("%+v of 3 rejects: %q", c.reasons, msg)
		}
	}
	var sum Reasons
	sum.merge(Reasons{{Reason: "a", Count: 1, Sample: Sample{Record: 7}}})
	sum.merge(Reasons{{Reason: "b", Count: 2}, {Reason: "a", Count: 5, Sample: Sample{Record: 8}}})
	if sum.Sum() != 8 || sum[0].Count != 6 || sum[0].Sample.Record != 7 || sum[1].Reason != "b" {
		t.Errorf("the sum is %+v", sum)
	}
}
