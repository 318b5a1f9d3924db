package jobtest

import (
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/workers"
)

// crossesIn tells whether records become another format, or claim to be JSON.
func (c *pairing) crossesIn() bool {
	switch c.in {
	case codec.FormatJSONL, codec.FormatParquet:
		return true
	case codec.FormatLines:
		return c.payload != "lines" && c.payload != "csv" // which sends lines as they are
	}
	return c.payload != "csv" || c.join == "input" && c.out != codec.FormatCSV
}

// crossesOut tells the same of answers.
func (c *pairing) crossesOut() bool {
	switch c.response {
	case "csv", "lines":
		return c.out != codec.FormatLines && c.out != c.response
	}
	return true
}

// reason is why a record has to be a reject, "" if it has to be answered.
func (c *pairing) reason(r *textRecord) string {
	isJSON := c.response == "jsonl" || c.response == "array" || c.response == "predictions"
	switch {
	case (r.lone || !utf8.ValidString(r.Text)) && c.crossesIn():
		return "not_unicode"
	case !utf8.ValidString(r.answer()) && c.crossesOut(), r.loneAnswer && isJSON:
		return "bad_answer"
	}
	return ""
}

// TestNotUTF8Changed: the shared case 04. A byte of Latin-1 reaches neither hosts nor
// outputs as U+FFFD; its record is a reject, and its neighbour is answered.
func TestNotUTF8Changed(t *testing.T) {
	const csvText, jsonText = "id,city\n1,Orl\xe9ans\n2,Paris\n", "{\"id\":1,\"city\":\"Orl\xe9ans\"}\n{\"id\":2,\"city\":\"Paris\"}\n"
	const fieldByte, recordByte = `column \"city\": byte 4 (0xe9) is not UTF-8`, `column \"city\": byte 20: 0xe9 is not UTF-8`
	for _, c := range []struct{ name, data, payload, out, want, why string }{
		{"a.csv", csvText, "application/jsonlines", "jsonl", `{"prediction":null}` + "\n" + `{"id":2,"city":"Paris","prediction":1}` + "\n", fieldByte},
		{"a.csv", csvText, "text/csv", "jsonl", `{"prediction":null}` + "\n" + `{"id":2,"city":"Paris","prediction":1}` + "\n", fieldByte},
		{"a.csv", csvText, "application/jsonlines", "csv", "id,city,prediction\n1,Orl\xe9ans,\n2,Paris,1\n", fieldByte},
		{"a.csv", csvText, "text/csv", "csv", "id,city,prediction\n1,Orl\xe9ans,1\n2,Paris,1\n", ""},
		{"a.jsonl", jsonText, "application/jsonlines", "csv", "id,city,prediction\n,,\n2,Paris,1\n", recordByte},
		{"a.jsonl", jsonText, "text/csv", "jsonl", `{"prediction":null}` + "\n" + `{"id":2,"city":"Paris","prediction":1}` + "\n", recordByte},
		{"a.jsonl", jsonText, "text/csv", "parquet", "", recordByte},
		{"a.csv", csvText, "text/csv", "parquet", "", fieldByte},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, out, err := planOf(t, c.name, []byte(c.data), func(s *job.Spec) {
				s.ContentType, s.Accept, s.OutputFormat = c.payload, "text/csv", c.out
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transform.Run(t.Context(), p, workers.Fleet{Hosts: []workers.Host{onesHost{}}}, new(transform.Progress)); err != nil {
				t.Fatal(err)
			}
			seen := out.Snapshot()
			if got := string(seen["a."+c.out]); c.out != "parquet" && got != c.want {
				t.Errorf("%s as %s to %s: %q, want %q", c.name, c.payload, c.out, got, c.want)
			}
			rejects := string(seen[plan.RejectsDir+"/"+c.name+".jsonl"])
			if c.why == "" && rejects != "" || c.why != "" && (!strings.Contains(rejects, `"record":1,`) || !strings.Contains(rejects, `"reason":"not_unicode"`) ||
				!strings.Contains(rejects, c.why) || strings.Count(rejects, "\n") != 1) {
				t.Errorf("%s as %s to %s: rejects %q, want %q", c.name, c.payload, c.out, rejects, c.why)
			}
		})
	}
}
