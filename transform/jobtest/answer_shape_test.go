package jobtest

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
)

// A shapeCase is what a host says about a record, and how its answer stands in each output.
type shapeCase struct {
	media, columns string
	say            func(id int) string
	names          []string // of the columns in CSV and Parquet; nil: the answer's name
	csv            func(id int) string
	json           func(id int) string
	cells          func(id int) []cell
	rejects        map[int]string // id: what the message holds
}

const csvMedia, jsonMedia = "text/csv", "application/jsonlines"

// object is an answer with a label and a score, as most hosts give.
func object(id int) string { return fmt.Sprintf(`{"score":%d.5,"label":"a,%d"}`, id, id) }

func objectCSV(id int) string { return fmt.Sprintf(`%d.5,"a,%d"`, id, id) }

func objectCells(id int) []cell {
	return []cell{{'n', fmt.Sprintf("%d.5", id)}, {'s', fmt.Sprintf("a,%d", id)}}
}

func turned(id int) []cell { c := objectCells(id); return []cell{c[1], c[0]} }

func turnedCSV(id int) string { return fmt.Sprintf(`"a,%d",%d.5`, id, id) }

func turnedJSON(id int) string { return fmt.Sprintf(`{"label":"a,%d","score":%d.5}`, id, id) }

var objectNames = []string{"prediction_score", "prediction_label"}

var shapeCases = map[string]shapeCase{
	"objects": {media: jsonMedia, say: object, names: objectNames, csv: objectCSV, json: object, cells: objectCells},
	"objects after nulls": {
		media: jsonMedia, names: objectNames,
		say:   func(id int) string { return or(id < 7, "null", object(id)) },
		csv:   func(id int) string { return or(id < 7, ",", objectCSV(id)) },
		json:  func(id int) string { return or(id < 7, "null", object(id)) },
		cells: func(id int) []cell { return or(id < 7, []cell{nullCell, nullCell}, objectCells(id)) },
	},
	"objects of other shapes": {
		media: jsonMedia, names: objectNames,
		say: func(id int) string {
			return map[int]string{3: `{"score":1,"more":2}`, 5: `[1,"x"]`, 6: `7`, 8: `{"label":"turned, 8","score":8.5}`, 9: `{"label":"alone"}`}[id] + or(id == 0 || id == 1 || id == 2 || id == 4 || id == 7 || id > 9, object(id), "")
		},
		csv: func(id int) string {
			return or(id == 8, `8.5,"turned, 8"`, or(id == 9, ",alone", objectCSV(id)))
		},
		cells: func(id int) []cell {
			return or(id == 8, []cell{{'n', "8.5"}, {'s', "turned, 8"}}, or(id == 9, []cell{nullCell, {'s', "alone"}}, objectCells(id)))
		},
		rejects: map[int]string{3: "the answer's field more is no column", 5: "no JSON object", 6: "no JSON object"},
	},
	"nested": {
		media: jsonMedia, names: []string{"prediction_top", "prediction_by"},
		say:  func(id int) string { return fmt.Sprintf(`{"top":[%d,0.5],"by":{"a":{"b":%d}}}`, id, id) },
		json: func(id int) string { return fmt.Sprintf(`{"top":[%d,0.5],"by":{"a":{"b":%d}}}`, id, id) },
		csv:  func(id int) string { return fmt.Sprintf(`"[%d,0.5]","{""a"":{""b"":%d}}"`, id, id) },
		cells: func(id int) []cell {
			return []cell{{'j', fmt.Sprintf("[%d,0.5]", id)}, {'j', fmt.Sprintf(`{"a":{"b":%d}}`, id)}}
		},
	},
	"objects, picked": {media: jsonMedia, columns: "label,score", say: object, names: []string{"label", "score"}, csv: turnedCSV, json: turnedJSON, cells: turned},
	"objects, one picked": {
		media: jsonMedia, columns: "score", say: object, names: []string{"score"},
		csv:   func(id int) string { return fmt.Sprintf("%d.5", id) },
		json:  func(id int) string { return fmt.Sprintf(`{"score":%d.5}`, id) },
		cells: func(id int) []cell { return objectCells(id)[:1] },
	},
	"arrays, named": {
		media: jsonMedia, columns: "label,score", names: []string{"label", "score"}, csv: turnedCSV, json: turnedJSON, cells: turned,
		say:     func(id int) string { return or(id == 4, `["x"]`, fmt.Sprintf(`["a,%d",%d.5]`, id, id)) },
		rejects: map[int]string{4: "the answer has 1 fields, and --answer-columns names 2"},
	},
	"CSV, named": {
		media: csvMedia, columns: "label,score", names: []string{"label", "score"}, csv: turnedCSV, json: turnedJSON, cells: turned,
		say:     func(id int) string { return or(id == 4, "x,1,2", turnedCSV(id)) },
		rejects: map[int]string{4: "the answer has 3 fields, and --answer-columns names 2"},
	},
	"CSV": {
		media: csvMedia, names: []string{"prediction_1", "prediction_2"}, say: turnedCSV, csv: turnedCSV, cells: turned,
		json: func(id int) string { return fmt.Sprintf(`["a,%d",%d.5]`, id, id) },
	},
	"scalars": {
		media:   jsonMedia,
		say:     func(id int) string { return or(id == 5, `{"a":1}`, fmt.Sprint(id)) },
		csv:     func(id int) string { return fmt.Sprint(id) },
		cells:   func(id int) []cell { return []cell{{'n', fmt.Sprint(id)}} },
		rejects: map[int]string{5: ""},
	},
	"a vector, named": {
		media: jsonMedia, columns: "vector", names: []string{"vector"},
		say:   func(id int) string { return fmt.Sprintf("[%d,0.5]", id) },
		json:  func(id int) string { return fmt.Sprintf(`{"vector":[%d,0.5]}`, id) },
		csv:   func(id int) string { return fmt.Sprintf(`"[%d,0.5]"`, id) },
		cells: func(id int) []cell { return []cell{{'j', fmt.Sprintf("[%d,0.5]", id)}} },
	},
	"NaN": {
		media: csvMedia,
		say:   func(id int) string { return [...]string{"nan", "-inf", fmt.Sprint(id)}[id%3] },
		csv:   func(id int) string { return [...]string{"nan", "-inf", fmt.Sprint(id)}[id%3] },
		json:  func(id int) string { return [...]string{`"nan"`, `"-inf"`, fmt.Sprint(id)}[id%3] },
		cells: func(id int) []cell { return []cell{{'n', [...]string{"NaN", "-Inf", fmt.Sprint(id)}[id%3]}} },
	},
	"wide integers": {
		media: csvMedia,
		say:   func(id int) string { return fmt.Sprint(9007199254740993 + id) },
		csv:   func(id int) string { return fmt.Sprint(9007199254740993 + id) },
		json:  func(id int) string { return fmt.Sprint(9007199254740993 + id) },
		cells: func(id int) []cell { return []cell{{'n', fmt.Sprint(9007199254740993 + id)}} },
	},
}

func or[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}

const shapeRecords = 12

// job is a job whose host answers so, and stops answering at a record.
func (c *shapeCase) job(out, join string, batch int, until int) *world {
	w := smallJob(1, shapeRecords)
	w.spec.OutputFormat, w.spec.Join, w.spec.Accept, w.spec.AnswerColumns = out, join, c.media, c.columns
	w.spec.BatchRecords = job.Auto(batch)
	c.answer(w, until)
	return w
}

func (c *shapeCase) answer(w *world, until int) {
	w.hosts[0].script = func(int) fault {
		return func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
			if slices.Max(ids) >= until {
				return status(401, 0)(h, r, ids)
			}
			text := ""
			for _, id := range ids {
				text += c.say(id) + "\n"
			}
			return workers.Response{Status: 200, ContentType: c.media, Body: append(r.Into[:0], text...)}, nil
		}
	}
}

// misfits are the answers that cannot stand in an output: in JSON Lines any can, but for named columns.
func (c *shapeCase) misfits(out string) map[int]string {
	if out == codec.FormatJSONL && c.columns == "" {
		return nil
	}
	return c.rejects
}

// text is the whole output in a text format.
func (c *shapeCase) text(out, join string) string {
	names := c.names
	if names == nil {
		names = []string{"prediction"}
	}
	var b strings.Builder
	if out == codec.FormatCSV {
		b.WriteString(or(join == "input", "id,text,", "") + strings.Join(names, ",") + "\n")
	}
	for id := range shapeRecords {
		_, rejected := c.misfits(out)[id]
		if out == codec.FormatCSV {
			b.WriteString(or(join == "input", fmt.Sprintf("%d,good,", id), ""))
			cell := or(rejected, strings.Repeat(",", len(names)-1), "")
			if !rejected {
				cell = c.csv(id)
			}
			b.WriteString(or(cell == "" && join == "none", `""`, cell) + "\n")
			continue
		}
		value := "null"
		if !rejected && c.json != nil {
			value = c.json(id)
		} else if !rejected {
			value = c.say(id)
		}
		b.WriteString(or(join == "input", fmt.Sprintf(`{"id":%d,"text":"good","prediction":%s}`, id, value), value) + "\n")
	}
	return b.String()
}

func (c *shapeCase) check(t *testing.T, out, join string, data []byte) {
	t.Helper()
	if out != codec.FormatParquet {
		if want := c.text(out, join); string(data) != want {
			t.Errorf("%s, %s:\n%s\nwant\n%s", out, join, data, want)
		}
		return
	}
	got, err := readParquet(data)
	if err != nil {
		t.Fatal(err)
	}
	want := &sheet{names: c.names}
	if c.names == nil {
		want.names = []string{"prediction"}
	}
	columns := len(want.names)
	if join == "input" {
		want.names = append([]string{"id", "text"}, want.names...)
	}
	for id := range shapeRecords {
		var row []cell
		if join == "input" {
			row = []cell{{'n', fmt.Sprint(id)}, {'s', "good"}}
		}
		if _, rejected := c.rejects[id]; rejected {
			row = append(row, slices.Repeat([]cell{nullCell}, columns)...)
		} else {
			row = append(row, c.cells(id)...)
		}
		want.rows = append(want.rows, row)
	}
	if d := got.differs(want); d != "" {
		t.Errorf("%s: %s", join, d)
	}
}

var shapeOutputs = []string{codec.FormatCSV, codec.FormatJSONL, codec.FormatParquet}

// TestAnswerShapes: an answer has the same columns in CSV and Parquet and is one value in JSON Lines, whatever the
// batches are; an answer of another shape is a reject that says why. A resumed job has the layout of the log.
func TestAnswerShapes(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(shapeCases)) {
		c := shapeCases[name]
		for _, out := range shapeOutputs {
			for _, join := range []string{"none", "input"} {
				t.Run(name+", "+out+", "+join, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { c.run(t, out, join) })
				})
			}
		}
	}
}

func (c *shapeCase) run(t *testing.T, out, join string) {
	file := "o0" + or(out == codec.FormatJSONL, "", matrixExtension[out])
	var first []byte
	for _, batch := range []int{1, 5, shapeRecords} {
		w := c.job(out, join, batch, shapeRecords)
		res := w.mustRun(t)
		data := w.output.Snapshot()[file]
		c.check(t, out, join, data)
		if first == nil {
			first = data
		} else if !bytes.Equal(first, data) {
			t.Errorf("batches of %d give other bytes", batch)
		}
		misfits := c.misfits(out)
		if res.Manifest.Totals.Rejected != int64(len(misfits)) {
			t.Errorf("%d rejects, want %d", res.Manifest.Totals.Rejected, len(misfits))
		}
		for _, reject := range w.rejectsIn(t, file) {
			if said, ok := misfits[int(reject.Record)-1]; !ok || reject.Reason != string(formats.ReasonBadAnswer) || !strings.Contains(reject.Message, said) {
				t.Errorf("reject %+v, want %q", reject, said)
			}
		}
	}
	// The first run ends after eight answers, the second has other batches and only the rest of the answers.
	w := c.job(out, join, 4, 8)
	if _, err := w.runOn(t.Context(), w.input, w.output); err == nil {
		t.Fatal("the first run should stop half way")
	}
	w.spec.BatchRecords = 3
	c.answer(w, shapeRecords)
	w.mustRun(t)
	if data := w.output.Snapshot()[file]; !bytes.Equal(first, data) {
		t.Errorf("a resumed job gives other bytes:\n%s", data)
	}
}

// TestNaNInParquetAnswers: doubles that a host sends as Parquet are doubles in Parquet, NaN too, and first.
func TestNaNInParquetAnswers(t *testing.T) {
	type number struct {
		P float64   `parquet:"p"`
		L []float64 `parquet:"l,list"`
	}
	for _, c := range []struct {
		columns string
		want    string
	}{
		{"", "[prediction_p prediction_l] [[nNaN j[NaN,1]] [n-Inf j[]] [n0.5 j[2]]]"},
		{"p", "[p] [[nNaN] [n-Inf] [n0.5]]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(1, 3)
			w.spec.OutputFormat, w.spec.Join, w.spec.Accept, w.spec.AnswerColumns = "parquet", "none", "application/x-parquet", c.columns
			body := parquetFile(t, []number{{math.NaN(), []float64{math.NaN(), 1}}, {math.Inf(-1), []float64{}}, {0.5, []float64{2}}})
			w.hosts[0].script = func(int) fault {
				return func(_ *fakeHost, r *workers.Request, _ []int) (workers.Response, error) {
					return workers.Response{Status: 200, ContentType: "application/x-parquet", Body: append(r.Into[:0], body...)}, nil
				}
			}
			w.mustRun(t)
			s, err := readParquet(w.output.Snapshot()["o0.parquet"])
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(s.names, s.rows); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestAnswerColumnsAreCheckedFirst: what --answer-columns gets wrong costs no request.
func TestAnswerColumnsAreCheckedFirst(t *testing.T) {
	for name, c := range map[string]struct {
		columns string
		change  func(*job.Spec)
		want    string
	}{
		"twice":             {"a,b,a", nil, "twice"},
		"empty":             {"a,,b", nil, "--answer-columns"},
		"empty in quotes":   {`a,""`, nil, "empty"},
		"no quotes":         {`a,"b`, nil, "--answer-columns"},
		"no UTF-8":          {"a,\xff", nil, "UTF-8"},
		"clash":             {"score,id", nil, `"id"`},
		"clash in Parquet":  {"score,id", func(s *job.Spec) { s.OutputFormat = "parquet" }, `"id"`},
		"lines":             {"score", func(s *job.Spec) { s.OutputFormat, s.Join = "lines", "none" }, "lines have no columns"},
		"per batch":         {"score", func(s *job.Spec) { s.Answers, s.Join = "per-batch", "none" }, "leave out --answer-columns"},
		"types of others":   {"score", func(s *job.Spec) { s.OutputFormat, s.AnswerType = "parquet", []string{"label=string"} }, `"score"`},
		"too many types":    {"score", func(s *job.Spec) { s.OutputFormat, s.AnswerType = "parquet", []string{"double", "string"} }, "2 columns"},
		"too few types":     {"a,b", func(s *job.Spec) { s.OutputFormat, s.AnswerType = "parquet", []string{"double"} }, `"b"`},
		"a filter of other": {"a,b", func(s *job.Spec) { s.OutputFilter = "id,prediction_a" }, "prediction_a"},
		"a filter of keys":  {"a,b", func(s *job.Spec) { s.OutputFormat, s.Join, s.OutputFilter = "jsonl", "none", "c" }, `"c"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := csvJob(3, 0)
			w.spec.AnswerColumns = c.columns
			if c.change != nil {
				c.change(&w.spec)
			}
			_, err := w.runOn(t.Context(), w.input, w.output)
			said := ""
			if err != nil {
				said = err.Error() + transform.HintOf(err)
			}
			if transform.ClassOf(err) != job.Usage || !strings.Contains(said, c.want) || !strings.Contains(said, "--") || w.hosts[0].count > 0 || len(w.output.Snapshot()) > 0 {
				t.Errorf("%s: error is %v (%s), %d requests", name, err, transform.HintOf(err), w.hosts[0].count)
			}
		})
	}
}

// TestAnswerColumnsWithOtherFlags: types, filters and names that a column may have.
func TestAnswerColumnsWithOtherFlags(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*job.Spec)
		want   string // the second line of CSV or the first of JSON, or the cells
	}{
		"the answer's name": {func(s *job.Spec) { s.AnswerColumns = "prediction,score" }, "id,text,prediction,score\n0,good,a,0.5\n"},
		"a comma in a name": {func(s *job.Spec) { s.AnswerColumns = `"a,b",c` }, "id,text,\"a,b\",c\n0,good,a,0.5\n"},
		"a filter":          {func(s *job.Spec) { s.AnswerColumns, s.OutputFilter = "a,b", "b,id" }, "b,id\n0.5,0\n"},
		"a filter of all":   {func(s *job.Spec) { s.AnswerColumns, s.OutputFilter = "a,b", "prediction,id" }, "a,b,id\na,0.5,0\n"},
		"a filter in JSON": {func(s *job.Spec) {
			s.AnswerColumns, s.OutputFormat, s.Join, s.OutputFilter = "a,b", "jsonl", "none", "b"
		}, `{"b":0.5}` + "\n"},
		"an input's name": {func(s *job.Spec) { s.AnswerColumns, s.OutputFormat = "id,b", "jsonl" }, `{"id":0,"text":"good","prediction":{"id":"a","b":0.5}}` + "\n"},
		"alone":           {func(s *job.Spec) { s.AnswerColumns, s.Join = "id,text", "none" }, "id,text\na,0.5\n"},
		"types by name": {func(s *job.Spec) {
			s.AnswerColumns, s.OutputFormat, s.AnswerType = "a,b", "parquet", []string{"b=string", "a=string"}
		}, "[n0 sgood sa s0.5]"},
		"types by position": {func(s *job.Spec) {
			s.AnswerColumns, s.OutputFormat, s.AnswerType = "a,b", "parquet", []string{"string", "double"}
		}, "[n0 sgood sa n0.5]"},
		"a filter in Parquet": {func(s *job.Spec) { s.AnswerColumns, s.OutputFormat, s.OutputFilter = "a,b", "parquet", "id,b" }, "[n0 n0.5]"},
		"all in Parquet":      {func(s *job.Spec) { s.AnswerColumns, s.OutputFormat, s.OutputFilter = "a,b", "parquet", "prediction" }, "[sa n0.5]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := csvJob(1, 0)
			c.change(&w.spec)
			w.hosts[0].script = func(int) fault {
				return func(_ *fakeHost, r *workers.Request, _ []int) (workers.Response, error) {
					return workers.Response{Status: 200, ContentType: csvMedia, Body: append(r.Into[:0], "a,0.5\n"...)}, nil
				}
			}
			w.mustRun(t)
			got := string(w.output.Snapshot()["o0"+or(w.spec.OutputFormat == "", "", matrixExtension[w.spec.OutputFormat])])
			if w.spec.OutputFormat == codec.FormatParquet {
				s, err := readParquet([]byte(got))
				if err != nil || len(s.rows) != 1 {
					t.Fatal(err, s)
				}
				got = fmt.Sprint(s.rows[0])
			}
			if got != c.want {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
		})
	}
}
