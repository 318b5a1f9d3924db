package jobtest

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
)

// prefixed is a matrixHost that puts something before its answers.
type prefixed struct {
	*matrixHost
	before string
}

func (h prefixed) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	resp, err := h.matrixHost.Invoke(ctx, r)
	if resp.Status == 200 {
		resp.Body = append([]byte(h.before), resp.Body...)
	}
	return resp, err
}

// TestMarkedResponses: a byte order mark at the beginning of a response is no part of an
// answer, in every form of answer and every output.
func TestMarkedResponses(t *testing.T) {
	oneBubble(t, func(t *testing.T) {
		inputs := matrixInputs(t)
		cells := 0
		defer func() { t.Attr("format_cells", strconv.Itoa(cells)) }()
		for _, in := range matrixFormats {
			for _, out := range matrixFormats {
				for _, response := range matrixResponses {
					if response == "parquet" {
						continue // has no text
					}
					c := pairing{in: in, out: out, join: "none", packing: "none", response: response, answer: []string{"number", "string"}[cells%2]}
					c.payload = map[string]string{codec.FormatCSV: "csv", codec.FormatJSONL: "jsonl", codec.FormatLines: "lines", codec.FormatParquet: "array"}[in]
					cells++
					c.runWith(t, inputs[[2]string{in, "none"}], func(s *job.Spec) {}, prefixed{c.host(t), "\xef\xbb\xbf"})
				}
			}
		}
	})
}

// TestAnswerHeaderInEveryOutput: a header before answers in CSV is none of them.
func TestAnswerHeaderInEveryOutput(t *testing.T) {
	oneBubble(t, func(t *testing.T) {
		inputs := matrixInputs(t)
		for _, in := range matrixFormats {
			for _, out := range matrixFormats {
				for _, before := range []string{"prediction\n", "\xef\xbb\xbf\r\nprediction\r\n", "\"prediction\"\n"} {
					for _, mode := range []string{"yes", "auto"} {
						c := pairing{in: in, out: out, join: "none", packing: "none", response: "csv", answer: "number"}
						c.payload = map[string]string{codec.FormatCSV: "csv", codec.FormatJSONL: "jsonl", codec.FormatLines: "lines", codec.FormatParquet: "array"}[in]
						c.runWith(t, inputs[[2]string{in, "none"}], func(s *job.Spec) { s.AnswerHeader = mode }, prefixed{c.host(t), before})
					}
				}
			}
		}
	})
}

// TestAnswerHeader: which first records are headers, and what becomes of the others.
func TestAnswerHeader(t *testing.T) {
	const all, none = 40, 0
	for _, c := range []struct {
		mode, name, before string // a name that begins with a colon is of --answer-columns
		answered           int64
	}{
		{"auto", ":score", "score\n", all},
		{"auto", ":score", "prediction\n", none},
		{"yes", ":score", "other\n", all},
		{"no", "", "score\n", none},
		{"yes", "", "score\n", all},
		{"auto", "", "score\n", none},
		{"auto", "score", "score\n", all},
		{"auto", "score", "score_1\n", all},
		{"auto", "score", "score,x\n", none},
		{"auto", "", "0.5\n", none},
		{"auto", "", "", all},
		{"no", "", "", all},
		{"yes", "", "", none}, // the first answer is lost, and so the count is wrong: nothing is shifted
	} {
		t.Run(fmt.Sprintf("%s %s %q", c.mode, c.name, c.before), func(t *testing.T) {
			oneBubble(t, func(t *testing.T) {
				good := numbered("text/csv", nil)
				res, got, err := numbers(t, 40, func(s *job.Spec) {
					s.AnswerHeader, s.AnswerName = c.mode, c.name
					if names, given := strings.CutPrefix(c.name, ":"); given {
						s.AnswerName, s.AnswerColumns = "", names
					}
				}, &lineHost{"host", func(records []string) (string, string) {
					_, body := good(records)
					return "text/csv", c.before + body
				}})
				if c.answered == none {
					if err == nil || transform.ClassOf(err) != job.BadInput || bytes.Contains(got["n.csv"], []byte("0")) {
						t.Errorf("error %v, output %s", err, got["n.csv"])
					}
					if c.mode == "no" && !strings.Contains(fmt.Sprint(err), "say --answer-header yes") {
						t.Errorf("%v does not say what to do", err)
					}
					return
				}
				if err != nil || res.Manifest.Totals.Answered != c.answered {
					t.Fatalf("%v, %+v", err, res)
				}
				checkNumbers(t, got["n.csv"], 40, nil)
			})
		})
	}
}

// TestAnswerHeaderIsRefused: where no answer is CSV that is counted, there is no header to skip.
func TestAnswerHeaderIsRefused(t *testing.T) {
	for name, change := range map[string]func(*job.Spec){
		"--accept":  func(s *job.Spec) { s.Accept = "application/json" },
		"per-batch": func(s *job.Spec) { s.Answers, s.Join = "per-batch", "none" },
		"sometimes": func(s *job.Spec) { s.AnswerHeader = "sometimes" },
	} {
		w := csvJob(3, 0)
		w.spec.AnswerHeader = "yes"
		change(&w.spec)
		_, err := w.runOn(t.Context(), w.input, w.output)
		if err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(err.Error(), "--answer") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}
