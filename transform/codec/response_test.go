package codec

import (
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/job"
)

// testCodec is the codec of a job with CSV input.
func testCodec(t *testing.T, change func(*job.Spec)) (*Codec, error) {
	t.Helper()
	s := job.Spec{Input: []string{"in"}, Output: "out", Join: "none"}
	if change != nil {
		change(&s)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	return New(&s, FormatCSV, new(Survey))
}

// TestAcceptNamesTypes: which responses may hold answers, by their type and by --accept.
func TestAcceptNamesTypes(t *testing.T) {
	for _, c := range []struct {
		accept, contentType string
		asked, foreign      bool
	}{
		{"", "text/csv", true, false},
		{"", "Text/CSV; charset=utf-8; header=absent", true, false},
		{"", "", false, false},
		{"", "text/plain", false, false},
		{"", "application/octet-stream", false, false},
		{"", "no type at all", false, false},
		{"", "application/json", false, false},
		{"", "text/html", false, true},
		{"", "image/png", false, true},
		{"", "image/svg+xml", false, true},
		{"", "application/atom+xml", false, true},
		{"", "application/grpc+proto", false, true},
		{"text/html", "text/html; charset=utf-8", true, false},
		{"text/csv, text/html;q=0.1", "text/html", true, false},
		{"text/csv, text/html", "image/png", false, true},
		{"*/*", "text/html", false, true},
		{"text/*", "text/html", false, true},
		{"application/*", "application/pdf", false, true},
		{"image/*", "image/png", true, false},
		{"image/*", "video/mp4", false, true},
		{"application/x-ndjson", "application/jsonl", true, false},
	} {
		codec, err := testCodec(t, func(s *job.Spec) { s.Accept = c.accept })
		if err != nil {
			t.Fatalf("--accept %q: %v", c.accept, err)
		}
		if r := codec.Response(c.contentType); r.Asked != c.asked || r.Foreign != c.foreign {
			t.Errorf("--accept %q, response %q: asked %v, foreign %v", c.accept, c.contentType, r.Asked, r.Foreign)
		}
	}
	for _, accept := range []string{"text/csv,,", "text/csv, text html"} {
		if _, err := testCodec(t, func(s *job.Spec) { s.Accept = accept }); err == nil || !strings.Contains(err.Error(), "--accept") {
			t.Errorf("--accept %q: error is %v", accept, err)
		}
	}
}

// TestAcceptOfSeveralTypes: the first type that names a format is how a response without a telling type is read.
func TestAcceptOfSeveralTypes(t *testing.T) {
	for accept, want := range map[string]string{"text/html, application/json": formatJSON, "text/html": "", "text/plain, text/csv": FormatCSV} {
		codec, err := testCodec(t, func(s *job.Spec) { s.Accept = accept })
		if err != nil || codec.answers.format != want {
			t.Errorf("--accept %q is read as %q, want %q (%v)", accept, codec.answers.format, want, err)
		}
	}
}

// TestShapes: answers of one kind have one shape, others another.
func TestShapes(t *testing.T) {
	kinds := [][]string{
		{"csv 1", "csv 0.5", `csv "7"`, "csv 1e-7", "csv  12 "},
		{"csv nan", "csv -inf", `csv ""`, "csv N/A", "csv ,", "csv nan,", "json null"},
		{"csv cat", `csv "a, b"`, "csv 1 000 000", "csv 12:30"},
		{"csv <html>", "csv <p>a</p>"},
		{"csv 1,2", "csv nan,0.5"},
		{"csv cat,0.5", "csv dog,"},
		{"json 1", "json -1.5e3"},
		{`json "a"`, `json "<html>"`},
		{"json true", "json false"},
		{"json [1,2]", "json []"},
		{`json {"score": 1}`, `json { "score":null}`},
		{`json {"error": "busy"}`},
		{`json {"label":"a","score":1}`},
		{"line a", "line 7"},
		{"line <a>"},
	}
	forms := map[string]formats.Form{"csv": formats.CSVForm, "json": formats.JSONForm, "line": formats.LineForm}
	shapes := map[uint64]int{}
	for i, kind := range kinds {
		for _, text := range kind {
			form, answer, _ := strings.Cut(text, " ")
			shape, _, _ := ShapeOf([]byte(answer), forms[form])
			if k, seen := shapes[shape]; seen && k != i {
				t.Errorf("%q looks like %q", text, kinds[k][0])
			}
			form, answer, _ = strings.Cut(kind[0], " ")
			if first, _, _ := ShapeOf([]byte(answer), forms[form]); first != shape {
				t.Errorf("%q does not look like %q", text, kind[0])
			}
			shapes[shape] = i
		}
	}
}

// TestPagesAndSentences: what makes one answer alone suspect.
func TestPagesAndSentences(t *testing.T) {
	for text, want := range map[string][2]bool{
		"<!doctype html><p>": {true, false}, " <HTML>": {true, false}, "<body>": {true, false}, "<p>": {}, "htm": {},
		"upstream connect error or reset": {false, true}, "the service is busy": {false, true}, "cat": {}, "very big cat": {false, true},
		"1 1:0.5 2:0.7 3:1": {}, "0.5 0.25 0.25": {}, "": {},
	} {
		if _, page, prose := ShapeOf([]byte(text), formats.LineForm); page != want[0] || prose != want[1] {
			t.Errorf("%q: page %v, sentence %v", text, page, prose)
		}
	}
}

// BenchmarkShapeOf is what one answer costs; of a response few are looked at.
func BenchmarkShapeOf(b *testing.B) {
	for name, c := range map[string]struct {
		text string
		form formats.Form
	}{"csv": {"0.731", formats.CSVForm}, "json": {`{"score":0.731,"label":"cat"}`, formats.JSONForm}, "line": {"1 1:0.5", formats.LineForm}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ShapeOf([]byte(c.text), c.form)
			}
		})
	}
}
