package manifest

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestCheckFindsWhatDoesNotAddUp(t *testing.T) {
	const a, b, c, d = 0, 1, 2, 3 // published, held, failed, published under skip
	for _, test := range []struct {
		name   string
		object int
		damage func(m *Manifest, o *Object)
		want   string
	}{
		{"a record lost", a, func(_ *Manifest, o *Object) { o.Answered-- }, "records are lost"},
		{"a record too many", a, func(_ *Manifest, o *Object) { o.Answered++ }, "more than was read"},
		{"output short", a, func(_ *Manifest, o *Object) { o.Out-- }, "records_out is 4, want 5"},
		{"output long under skip", d, func(_ *Manifest, o *Object) { o.Out++ }, "records_out is 3, want 2 under on_bad skip"},
		{"published with rejects under fail", d, func(_ *Manifest, o *Object) { o.OnBad = "" }, "although on_bad is fail"},
		{"placeholder under skip's counts", d, func(_ *Manifest, o *Object) { o.OnBad = "placeholder" }, "want 3 under on_bad placeholder"},
		{"no output", a, func(_ *Manifest, o *Object) { o.Output = nil }, "no output"},
		{"output without name", a, func(_ *Manifest, o *Object) { o.Output.URI = "" }, "without a uri"},
		{"rejects without file", d, func(_ *Manifest, o *Object) { o.Rejects = nil }, "no rejects file"},
		{"held rejects without file", b, func(_ *Manifest, o *Object) { o.Rejects = nil }, "no rejects file"},
		{"file without rejects", a, func(_ *Manifest, o *Object) { o.Rejects = new(Rejects) }, "no records_rejected"},
		{"held, record lost", b, func(_ *Manifest, o *Object) { o.Answered-- }, "records are lost"},
		{"held, but visible", b, func(m *Manifest, o *Object) { o.Output = &Output{URI: "x"} }, "has an output"},
		{"held, but counted", b, func(_ *Manifest, o *Object) { o.Out = 3 }, "has an output or records_out"},
		{"held without reject", b, func(_ *Manifest, o *Object) { o.Rejected, o.In, o.Rejects = 0, 3, nil }, "held without a reject"},
		{"held under skip", b, func(_ *Manifest, o *Object) { o.OnBad = "skip" }, "held, although on_bad is skip"},
		{"failed, but visible", c, func(_ *Manifest, o *Object) { o.Output = &Output{URI: "x"} }, "has an output"},
		{"failed without error", c, func(_ *Manifest, o *Object) { o.Error = "" }, "without an error"},
		{"failed with more than was read", c, func(_ *Manifest, o *Object) { o.Rejected = 3 }, "more than was read"},
		{"unknown status", a, func(_ *Manifest, o *Object) { o.Status = "done" }, `status is "done"`},
		{"no status", a, func(_ *Manifest, o *Object) { o.Status = "" }, `status is ""`},
		{"unknown policy", a, func(_ *Manifest, o *Object) { o.OnBad = "drop" }, `on_bad is "drop"`},
		{"negative", a, func(_ *Manifest, o *Object) { o.In, o.Out, o.Answered = -1, -1, -1 }, "negative"},
		{"wrapping around", c, func(_ *Manifest, o *Object) { o.Answered, o.Rejected = math.MaxInt64, 2 }, "more than was read"},
		{"negative blank lines", a, func(_ *Manifest, o *Object) { o.Blank = -1 }, "negative"},
		{"an object twice", d, func(m *Manifest, o *Object) { o.Input.URI = m.Objects[a].Input.URI }, "twice"},
		{"an output twice", d, func(m *Manifest, o *Object) { o.Output.URI = m.Objects[a].Output.URI }, "same output"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := sample()
			o := &m.Objects[test.object]
			test.damage(m, o)
			m.Sum()
			err := m.Check()
			var e *CheckError
			if !errors.As(err, &e) || e.Object != o.Input.URI || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q about %s", err, test.want, o.Input.URI)
			}
		})
	}
}

func TestCheckNamesTheFirstObject(t *testing.T) {
	m := sample()
	m.Objects[1].Answered--
	m.Objects[0].Out--
	var e *CheckError
	if err := m.Check(); !errors.As(err, &e) || e.Object != m.Objects[0].Input.URI {
		t.Errorf("error %v, want one about %s", err, m.Objects[0].Input.URI)
	}
}

func TestCheckTotals(t *testing.T) {
	for name, change := range map[string]func(*Totals){
		"records_in": func(t *Totals) { t.In++ }, "records_out": func(t *Totals) { t.Out++ },
		"records_answered": func(t *Totals) { t.Answered-- }, "records_rejected": func(t *Totals) { t.Rejected++ }, "blank_lines": func(t *Totals) { t.Blank++ }, "skipped_lines": func(t *Totals) { t.SkippedLines++ },
		"requests": func(t *Totals) { t.Requests++ }, "retries": func(t *Totals) { t.Retries-- },
		"negative": func(t *Totals) { t.Resumed = -1 },
	} {
		m := sample()
		change(&m.Totals)
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestCheckPolicyFromConfig(t *testing.T) {
	for _, test := range []struct {
		config string
		out    int64 // of 3 records, 1 rejected
		ok     bool
	}{
		{`{}`, 3, true},
		{`{"on_bad":"placeholder"}`, 3, true},
		{`{"on_bad":"placeholder"}`, 2, false},
		{`{"on_bad":"skip"}`, 2, true},
		{`{"on_bad":"skip"}`, 3, false},
		{`{"on_bad":"fail"}`, 3, false},
		{`{"on_bad":"placeholder","answers":"per-batch"}`, 2, true},
		{`{"answers":"per-batch"}`, 3, false},
		{`{"answers":"per-batch","on_bad":"fail"}`, 2, false},
		{`{"on_bad":5}`, 3, false},
		{`[]`, 3, false},
	} {
		m := &Manifest{Config: json.RawMessage(test.config), Objects: []Object{{
			Input: Input{URI: "in"}, Output: &Output{URI: "out"}, Status: Published,
			Counts: Counts{In: 3, Out: test.out, Answered: 2, Rejected: 1}, Rejects: &Rejects{URI: "rej"},
		}}}
		m.Sum()
		if err := m.Check(); (err == nil) != test.ok {
			t.Errorf("%s, %d out: %v", test.config, test.out, err)
		}
	}
}
