package jobtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
)

// tabColumn is a column of answers: its name behind "prediction", and its type.
type tabColumn struct{ name, typ string }

// learn settles, from the rejects of a job that is done, which columns its
// answers have, and which answers do not fit them.
func (w *world) learn() error {
	k := w.tab
	k.columns, k.misfit = nil, map[int]bool{}
	if k.out != "parquet" {
		return nil
	}
	var answered []int
	for i := range w.objects {
		o := &w.objects[i]
		reasons, err := w.reasonsOf(o)
		if err != nil {
			return err
		}
		for n, rec := range o.records {
			if reason, bad := reasons[int64(n+1)]; !bad || reason == "answer_shape" {
				answered = append(answered, rec.id)
			}
		}
	}
	for _, id := range answered {
		if k.learnAnswer(id) {
			break
		}
	}
	k.guess()
	for _, id := range answered {
		k.misfit[id] = !k.fits(id)
	}
	return w.checkColumns()
}

func (w *world) reasonsOf(o *simObject) (map[int64]string, error) {
	reasons := map[int64]string{}
	for line := range strings.Lines(string(w.output.Snapshot()[plan.RejectsDir+"/"+o.name+".jsonl"])) {
		rej, err := manifest.DecodeReject([]byte(line))
		if err != nil {
			return nil, err
		}
		reasons[rej.Record] = rej.Reason
	}
	return reasons, nil
}

// fields are an answer's values: by key, or under "" where it is no object. A
// null has none, but as a row of a table.
func (k *tabular) fields(id int) (names []string, types map[string]string) {
	text := k.answer(id)
	types = map[string]string{}
	if text == "null" {
		if k.accept == typeParquet && k.kind == "object" {
			return []string{"_score", "_label"}, types
		}
		return nil, types
	}
	switch {
	case k.accept == "text/csv" && strings.HasPrefix(text, `"`), text[0] == '"':
		types[""] = "string"
	case text[0] == '[' && k.odd(id):
		types[""] = "json"
	case text[0] == '[':
		types[""] = "list"
	case text[0] == '{' && k.odd(id):
		types["_score"], types["_more"] = "double", "double"
		return []string{"_score", "_more"}, types
	case text[0] == '{':
		types["_score"], types["_label"] = "double", "string"
		return []string{"_score", "_label"}, types
	case text == "true":
		types[""] = "boolean"
	default:
		types[""] = "double"
	}
	return []string{""}, types
}

// learnAnswer tells whether all is known by now.
func (k *tabular) learnAnswer(id int) bool {
	names, types := k.fields(id)
	if k.columns == nil {
		for _, name := range names {
			k.columns = append(k.columns, tabColumn{name: name})
		}
	}
	known := k.columns != nil
	for i := range k.columns {
		c := &k.columns[i]
		if c.typ == "" && k.places(names) {
			c.typ = types[c.name]
		}
		known = known && c.typ != ""
	}
	return known
}

// places tells whether an answer of these fields has the columns' shape.
func (k *tabular) places(names []string) bool {
	for _, name := range names {
		if !slices.ContainsFunc(k.columns, func(c tabColumn) bool { return c.name == name }) {
			return false
		}
	}
	return true
}

func (k *tabular) guess() {
	if k.columns == nil {
		k.columns = []tabColumn{{}}
	}
	for i := range k.columns {
		k.columns[i].typ = cmp.Or(k.columns[i].typ, "double")
	}
}

func (k *tabular) fits(id int) bool {
	names, types := k.fields(id)
	if len(k.columns) == 1 && k.columns[0].typ == "json" {
		return true
	}
	for _, c := range k.columns {
		text := c.typ == "string" && k.accept == "text/csv"
		if typ := types[c.name]; typ != "" && typ != c.typ && !text {
			return false
		}
	}
	return k.places(names)
}

// checkColumns holds the columns of what is published against the oracle's.
func (w *world) checkColumns() error {
	var want []string
	for _, c := range w.tab.columns {
		if name := "prediction" + c.name; w.tab.kept("prediction") || w.tab.kept(name) {
			if c.typ == "list" {
				name += ".list.element"
			}
			want = append(want, name)
		}
	}
	seen := w.output.Snapshot()
	for i := range w.objects {
		data, ok := seen[w.tableName(&w.objects[i])]
		if !ok {
			continue
		}
		t, err := decodeTable(data)
		if err != nil {
			return err
		}
		inputs := 0
		if w.spec.Join == "input" {
			inputs = len(w.inputPaths(w.tab.keeps))
		}
		if got := t.paths[min(inputs, len(t.paths)):]; !slices.Equal(got, want) {
			return fmt.Errorf("%s: the answers' columns are %v, want %v", w.objects[i].name, got, want)
		}
	}
	return nil
}
