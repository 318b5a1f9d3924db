package jobtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
)

// answered are 30 records beside one or two columns of answers.
func answered(names []string, answer func(id int) []cell) *sheet {
	s := joinedRows(0, 30)
	s.names = append(s.names[:3:3], names...)
	for i := range s.rows {
		s.rows[i] = append(s.rows[i][:3:3], answer(i)...)
	}
	return s
}

// answerCases are what hosts say, and what columns and rejects come of it.
var answerCases = map[string]struct {
	types   []string
	say     func(id int) string
	columns []string
	want    func(id int) []cell
	rejects map[int]string // id: what the message holds
}{
	"nulls first": {
		say: func(id int) string {
			if id < 25 {
				return "null"
			}
			return fmt.Sprintf(`"label %d"`, id)
		},
		columns: []string{"prediction"},
		want: func(id int) []cell {
			if id < 25 {
				return []cell{nullCell}
			}
			return []cell{{'s', fmt.Sprintf("label %d", id)}}
		},
	},
	"a key that is null first": {
		say: func(id int) string {
			if id < 21 {
				return fmt.Sprintf(`{"a":%d,"b":null}`, id)
			}
			return fmt.Sprintf(`{"b":[%d,0.5],"a":%d}`, id, id)
		},
		columns: []string{"prediction_a", "prediction_b"},
		want: func(id int) []cell {
			if id < 21 {
				return []cell{{'n', fmt.Sprint(id)}, nullCell}
			}
			return []cell{{'n', fmt.Sprint(id)}, {'j', fmt.Sprintf("[%d,0.5]", id)}}
		},
	},
	"nulls alone": {
		say:     func(int) string { return "null" },
		columns: []string{"prediction"},
		want:    func(int) []cell { return []cell{nullCell} },
	},
	"misfits": {
		say: func(id int) string {
			switch id {
			case 17:
				return `"seven"`
			case 22:
				return "[1]"
			case 29:
				return "1e999"
			}
			return answerTo(id)
		},
		columns: []string{"prediction"},
		want: func(id int) []cell {
			if id == 17 || id == 22 || id == 29 {
				return []cell{nullCell}
			}
			return []cell{{'n', answerTo(id)}}
		},
		rejects: map[int]string{17: `"seven"`, 22: "[1]", 29: "1e999"},
	},
	"declared": {
		types:   []string{"score=double", "label=string", "top=integer"},
		say:     func(id int) string { return fmt.Sprintf(`{"label":"l%d","score":%s}`, id, answerTo(id)) },
		columns: []string{"prediction_score", "prediction_label", "prediction_top"},
		want: func(id int) []cell {
			return []cell{{'n', answerTo(id)}, {'s', fmt.Sprintf("l%d", id)}, nullCell}
		},
	},
	"declared otherwise": {
		types: []string{"integer"},
		say: func(id int) string {
			if id == 3 {
				return "3.5"
			}
			return fmt.Sprint(id)
		},
		columns: []string{"prediction"},
		want: func(id int) []cell {
			if id == 3 {
				return []cell{nullCell}
			}
			return []cell{{'n', fmt.Sprint(id)}}
		},
		rejects: map[int]string{3: "3.5"},
	},
	"json": {
		types:   []string{"json"},
		say:     func(id int) string { return fmt.Sprintf(`{"deep":[%d,null,{"x":10000000000000000999}]}`, id) },
		columns: []string{"prediction"},
		want: func(id int) []cell {
			return []cell{{'j', fmt.Sprintf(`{"deep":[%d,null,{"x":10000000000000000999}]}`, id)}}
		},
	},
}

var nullCell = cell{kind: '0'}

// TestAnswerColumns: what hosts say settles the answer's columns, and what does
// not fit them is a reject that says so.
func TestAnswerColumns(t *testing.T) {
	for name, c := range answerCases {
		for _, onBad := range []string{"placeholder", "skip"} {
			synctest.Test(t, func(t *testing.T) {
				w := parquetJob(t, plainFile(t, 0, 30))
				w.spec.AnswerType, w.spec.OnBad = c.types, onBad
				w.hosts[0].script = answering(c.say)
				res := w.mustRun(t)
				want := answered(c.columns, c.want)
				if onBad == "skip" {
					want = without(want, c.rejects)
				}
				mustHold(t, w.output, "o0.parquet", want)
				if res.Manifest.Totals.Rejected != int64(len(c.rejects)) {
					t.Errorf("%s: %+v", name, res.Manifest.Totals)
				}
				for _, rej := range w.rejectsIn(t, "o0.parquet") {
					said := c.rejects[int(rej.Record)-1]
					if said == "" || rej.Reason != string(formats.ReasonBadAnswer) || !strings.Contains(rej.Message, said) || !strings.Contains(rej.Message, "prediction holds ") {
						t.Errorf("%s, %s: reject %+v", name, onBad, rej)
					}
				}
			})
		}
	}
}

func without(s *sheet, gone map[int]string) *sheet {
	rest := &sheet{names: s.names}
	for i, row := range s.rows {
		if _, ok := gone[i]; !ok {
			rest.rows = append(rest.rows, row)
		}
	}
	return rest
}

// TestAnswerTypeIsCheckedFirst: what --answer-type gets wrong costs no request.
func TestAnswerTypeIsCheckedFirst(t *testing.T) {
	for _, c := range []struct {
		types  []string
		out    string
		filter string
		want   string
	}{
		{[]string{"float"}, "", "", "float"},
		{[]string{"a=double", "a=string"}, "", "", "a"},
		{[]string{"double"}, codec.FormatCSV, "", "--answer-type: only columns of Parquet have types"},
		{nil, "", "id,nope", "nope"},
		{nil, "", "id,id", "id"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := parquetJob(t, plainFile(t, 0, 3))
			w.spec.AnswerType, w.spec.OutputFormat, w.spec.OutputFilter = c.types, c.out, c.filter
			_, err := w.runOn(t.Context(), w.input, w.output)
			if err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(err.Error(), c.want) || w.hosts[0].count > 0 || len(w.output.Snapshot()) > 0 {
				t.Errorf("%+v: error %v, %d requests, %d files", c, err, w.hosts[0].count, len(w.output.Snapshot()))
			}
		})
	}
}

// TestAnswersAreFiltered: without a join, --output-filter picks from answers.
func TestAnswersAreFiltered(t *testing.T) {
	object := func(id int) string { return fmt.Sprintf(`{"a":%d, "b":"x%d"}`, id, id) }
	list := func(id int) string { return fmt.Sprintf("[%d,%s]", id, answerTo(id)) }
	for _, c := range []struct {
		out, filter string
		say         func(int) string
		want        string // of the first record, the whole line or the cell
	}{
		{codec.FormatParquet, "prediction_b", object, "[sx0]"},
		{codec.FormatParquet, "prediction", object, "[n0 sx0]"},
		{codec.FormatJSONL, "b", object, `{"b":"x0"}` + "\n"},
		{codec.FormatCSV, "prediction_2,prediction_1", list, "prediction_2,prediction_1\n0.5,0\n"},
		{codec.FormatCSV, "-1", list, "prediction_2\n0.5\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := parquetJob(t, plainFile(t, 0, 1))
			w.spec.Join, w.spec.OutputFormat, w.spec.OutputFilter = "none", c.out, c.filter
			w.hosts[0].script = answering(c.say)
			res := w.mustRun(t)
			got := string(w.output.Snapshot()["o0"+matrixExtension[c.out]])
			if c.out == codec.FormatParquet {
				s, err := readParquet([]byte(got))
				if err != nil || len(s.rows) != 1 {
					t.Fatalf("%+v: %+v, %v", c, s, err)
				}
				got = fmt.Sprint(s.rows[0])
			}
			if got != c.want || res.Manifest.Totals.Answered != 1 {
				t.Errorf("%s, %s: %q, want %q; %+v", c.out, c.filter, got, c.want, res.Manifest.Totals)
			}
		})
	}
}

// TestColumnMisfitIsAReject: a value that is not of its column's type is found
// before its record is asked about, and named.
func TestColumnMisfitIsAReject(t *testing.T) {
	for _, c := range []struct {
		in, first, later string
		types            []string
		misfit           string
	}{
		{"csv", "id,n\n0,5\n1,\n", "id,n\n2,7\n3,seven\n4,8\n", nil, `column n: "seven"`},
		{"csv", "id,n\n0,5\n1,\n", "id,n\n2,7\n3,7.5\n4,8\n", nil, "column n: 7.5"},
		{"csv", "id,n\n0,x\n1,\n", "id,n\n2,7\n3,no\n4,8\n", []string{"n=double"}, `column n: "no"`},
		{"jsonl", `{"id":0,"n":5}` + "\n" + `{"id":1,"n":null}` + "\n", `{"id":2,"n":7}` + "\n" + `{"id":3,"n":"7"}` + "\n" + `{"id":4,"n":8}` + "\n", nil, `column n: "7"`},
		{"jsonl", `{"id":0,"n":5}` + "\n" + `{"id":1}` + "\n", `{"id":2,"n":7}` + "\n" + `{"id":3,"n":7,"m":1}` + "\n" + `{"id":4,"n":8}` + "\n", nil, `key "m" is no column`},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(0, 0)
			w.spec.InputFormat, w.spec.OutputFormat, w.spec.ColumnType = c.in, codec.FormatParquet, c.types
			if c.in == "csv" {
				w.spec.Header = "yes"
			}
			for i, text := range []string{c.first, c.later} {
				if err := w.input.Put(fmt.Sprintf("o%d", i), []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			res := w.mustRun(t)
			if o := res.Manifest.Objects[1]; o.Counts != (manifest.Counts{In: 3, Out: 3, Answered: 2, Rejected: 1}) {
				t.Errorf("%+v", o)
			}
			rejects := w.rejectsIn(t, "o1")
			if len(rejects) != 1 || rejects[0].Record != 2 || !strings.Contains(strings.ReplaceAll(rejects[0].Message, `column "n"`, "column n"), c.misfit) {
				t.Errorf("rejects %+v, want one about %q", rejects, c.misfit)
			}
			if w.hosts[0].asked[3] > 0 {
				t.Error("the reject was sent")
			}
			s, err := readParquet(w.output.Snapshot()["o1.parquet"])
			if err != nil {
				t.Fatal(err)
			}
			want := [][]cell{{{'n', "2"}, {'n', "7"}, {'n', "2.5"}}, {{kind: '0'}, {kind: '0'}, {kind: '0'}}, {{'n', "4"}, {'n', "8"}, {'n', "4.5"}}}
			if !slices.EqualFunc(s.rows, want, slices.Equal) {
				t.Errorf("%s: the output holds %v, want %v", c.misfit, s.rows, want)
			}
		})
	}
}
