package jobtest

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
)

// TestColumnTypeIsCheckedFirst: what --column-type gets wrong is found before
// anything is asked or written, with the fix.
func TestColumnTypeIsCheckedFirst(t *testing.T) {
	for _, c := range []struct {
		change func(*job.Spec)
		want   string // "" is no error
	}{
		{func(s *job.Spec) { s.ColumnType = []string{"text=string"} }, ""},
		{func(s *job.Spec) { s.ColumnType = []string{"0=number"} }, ""},
		{func(s *job.Spec) { s.ColumnType, s.Join, s.OutputFormat = []string{"text=string"}, "none", "csv" }, ""},
		{func(s *job.Spec) { s.ColumnType, s.ContentType = []string{"text=string"}, "text/csv" }, ""},
		{func(s *job.Spec) { s.ColumnType = []string{"nope=string"} }, `no column "nope"; there are "id", "text"`},
		{func(s *job.Spec) { s.ColumnType = []string{"2=string"} }, "index 2: the fields are 0 to 1"},
		{func(s *job.Spec) { s.ColumnType = []string{"text=str"} }, `"str" is no type; use string, number, bool, json`},
		{func(s *job.Spec) { s.ColumnType = []string{"text"} }, "write NAME=TYPE"},
		{func(s *job.Spec) { s.ColumnType, s.Header = []string{"id=string"}, "no" }, "the columns have no names; use indexes"},
		{func(s *job.Spec) {
			s.ColumnType, s.ContentType, s.OutputFormat = []string{"text=string"}, "text/csv", "csv"
		}, "how fields become JSON"},
		{func(s *job.Spec) { s.ColumnType, s.ContentType, s.Join = []string{"text=string"}, "text/csv", "none" }, "how fields become JSON"},
		{func(s *job.Spec) { s.ColumnType, s.InputFormat = []string{"text=string"}, "jsonl" }, "is for CSV input, or for text that becomes Parquet, and the input is jsonl"},
		{func(s *job.Spec) { s.ColumnType, s.InputFormat, s.Join = []string{"text=string"}, "lines", "none" }, "for text that becomes Parquet, and the input is lines"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := csvJob(3, 0)
			w.spec.ContentType, w.spec.OutputFormat = "application/jsonlines", "jsonl"
			c.change(&w.spec)
			_, err := w.runOn(t.Context(), w.input, w.output)
			if c.want == "" {
				if err != nil {
					t.Errorf("%+v: %v", w.spec, err)
				}
				return
			}
			if err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
			if w.hosts[0].count > 0 || len(w.output.Snapshot()) > 0 {
				t.Errorf("%q: %d requests, %d files", c.want, w.hosts[0].count, len(w.output.Snapshot()))
			}
		})
	}
}

// TestColumnTypeRejectsAreNotAsked: a field that is not of its type is a reject
// before its record costs a request, and its neighbours are answered.
func TestColumnTypeRejectsAreNotAsked(t *testing.T) {
	for _, c := range []struct{ output, join, want string }{
		{"jsonl", "input", `{"id":0,"text":true,"prediction":0.5}` + "\n" + `{"prediction":null}` + "\n" + `{"id":2,"text":null,"prediction":2.5}` + "\n"},
		{"jsonl", "none", "0.5\nnull\n2.5\n"},
		{"csv", "input", "id,text,prediction\n0,true,0.5\n1,good,\n2,,2.5\n"}, // its bytes can stand there
	} {
		synctest.Test(t, func(t *testing.T) {
			w := csvJob(3, 0)
			if err := w.input.Put("o0", []byte("id,text\n0,true\n1,good\n2,\n")); err != nil {
				t.Fatal(err)
			}
			w.spec.ContentType, w.spec.OutputFormat, w.spec.Join = "application/jsonlines", c.output, c.join
			w.spec.ColumnType = []string{"text=bool"}
			if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
				t.Fatal(err)
			}
			seen := w.output.Snapshot()
			name := map[string]string{"jsonl": "o0.jsonl", "csv": "o0"}[c.output]
			if got := string(seen[name]); got != c.want {
				t.Errorf("%s, join %s: %q, want %q", c.output, c.join, got, c.want)
			}
			rejects := string(seen[plan.RejectsDir+"/o0.jsonl"])
			if !strings.Contains(rejects, `"record":2,"offset":15,"reason":"column_type"`) || strings.Count(rejects, "\n") != 1 {
				t.Errorf("rejects %q", rejects)
			}
			if w.hosts[0].asked[1] > 0 {
				t.Error("the reject was sent")
			}
		})
	}
}
