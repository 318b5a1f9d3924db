package codec

import (
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/job"
)

// TestInputOf: an object's name says how its bytes are compressed.
func TestInputOf(t *testing.T) {
	for name, want := range map[string]string{"in/b.csv.gz": "gzip", "b.jsonl.zst": "zstd", "b.gz/c": "none", "b.csv": "none"} {
		if got := InputOf("b", name, "", 7); got.packed.String() != want || got.path != "b" || got.size != 7 {
			t.Errorf("%s: %+v, want %s", name, got, want)
		}
	}
}

// TestNamesOfDocuments: what comes out of JSON documents is called JSON Lines; what is lines keeps its name.
func TestNamesOfDocuments(t *testing.T) {
	for _, c := range []struct{ rel, in, out, want string }{
		{"b/a.json", formatJSON, FormatJSONL, "b/a.jsonl"}, {"a.JSON.gz", formatJSON, FormatJSONL, "a.jsonl"},
		{"a.ndjson", formatJSON, FormatJSONL, "a.ndjson"}, {"a", formatJSON, FormatJSONL, "a"}, {"a.json", formatJSON, FormatCSV, "a.csv"},
		{"a.json", FormatJSONL, FormatJSONL, "a.json"}, {"a.ndjson", formatJSON, FormatParquet, "a.parquet"},
	} {
		if got := OutputNames(c.in, c.out, "none")(c.rel); got != c.want {
			t.Errorf("%s of %s as %s: %s, want %s", c.rel, c.in, c.out, got, c.want)
		}
	}
}

// TestDocumentsBindTheJob: reading documents by their elements is another job than reading lines.
func TestDocumentsBindTheJob(t *testing.T) {
	identity := func(format string, names ...string) string {
		s := &job.Spec{InputFormat: format}
		if err := s.Complete(); err != nil {
			t.Fatal(err)
		}
		survey := NewSurvey()
		for _, name := range names {
			survey.Add(name, name, 1)
		}
		in := format
		if in == "" {
			in, _ = survey.Format()
		}
		c, err := New(s, in, survey)
		if err != nil {
			t.Fatal(err)
		}
		return c.Identity()["input-format"]
	}
	for _, c := range []struct{ format, names, want string }{
		{"", "a.jsonl", "jsonl"}, {"", "a.json", "json"}, {"", "a.ndjson a.json.gz", "json"},
		{"jsonl", "a.json", "jsonl"}, {"json", "a.jsonl", "json"}, {"", "a.csv", "csv"},
	} {
		if got := identity(c.format, strings.Fields(c.names)...); got != c.want {
			t.Errorf("--input-format %q, %s: %s, want %s", c.format, c.names, got, c.want)
		}
	}
}
