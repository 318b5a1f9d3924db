package transform

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/formats/jsonl"
	"github.com/batchmill/batchmill/formats/parquet"
	"github.com/batchmill/batchmill/formats/parquet/encode"
	"github.com/batchmill/batchmill/formats/parquet/splice"
	"github.com/batchmill/batchmill/transform/store"
)

// project finds which columns of Parquet input are looked at: those that go
// to hosts, and those that stand in text outputs. Copied chunks need no look.
func (c *codec) project() error {
	if len(c.schema.Names) == 0 {
		return nil // every object is empty, or fails
	}
	sent, err := c.sentColumns()
	if err != nil {
		return err
	}
	c.need = sent
	if c.joined() && !c.spliced() {
		c.need = merged(sent, c.writtenColumns())
	}
	filter := make(jsonl.Filter, 0, len(sent))
	for _, i := range sent {
		filter = append(filter, c.schema.Names[i])
	}
	c.rejects, err = jsonl.NewEncoder(jsonl.EncoderConfig{Names: c.schema.Names, Fixed: true, Filter: filter})
	return err
}

// sentColumns are the indexes of the columns that go to hosts, ascending. The
// encoder has resolved the filter before, so that it can be resolved.
func (c *codec) sentColumns() ([]int, error) {
	if c.payload.format != formatCSV {
		names, err := parseFilter("--input-filter", c.spec.InputFilter, jsonl.ParseFilter)
		return c.columnsOf(names), err
	}
	filter, err := parseFilter("--input-filter", c.spec.InputFilter, csv.ParseFilter)
	if err != nil {
		return nil, err
	}
	picks, err := orUsage(filter.Resolve(c.schema.Names, c.schema.Width))
	if picks == nil {
		return c.columnsOf(nil), err
	}
	slices.Sort(picks)
	return slices.Compact(picks), err
}

// writtenColumns are the columns that can stand in a text output.
func (c *codec) writtenColumns() []int {
	if c.out == formatCSV { // its indexes count the answer's fields, which are not known yet
		return c.columnsOf(nil)
	}
	names, err := parseFilter("--output-filter", c.spec.OutputFilter, jsonl.ParseFilter)
	if err != nil {
		return c.columnsOf(nil) // the joiner has refused it
	}
	return c.columnsOf(names)
}

// columnsOf are the indexes of the named columns, ascending; of all for nil.
func (c *codec) columnsOf(names jsonl.Filter) []int {
	var found []int
	for i, name := range c.schema.Names {
		if names == nil || slices.Contains(names, name) {
			found = append(found, i)
		}
	}
	return found
}

func merged(a, b []int) []int {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// newParquetJoiner makes what turns answers, and text records, into columns.
func (c *codec) newParquetJoiner() (formats.Joiner, error) {
	filter, err := parseFilter("--output-filter", c.spec.OutputFilter, jsonl.ParseFilter)
	if err != nil {
		return nil, err
	}
	c.columns = encode.JoinerConfig{Spliced: c.spliced(), AnswerName: c.spec.AnswerName, AnswerTypes: c.spec.AnswerType, Filter: filter}
	if c.joined() {
		c.columns.Records = c.records
	}
	if c.spliced() {
		c.columns.Names = c.schema.Names
	}
	return orUsage(encode.NewJoiner(c.columns))
}

// writers puts between f and the output what makes an output file of o of
// joined records.
func (c *codec) writers(ctx context.Context, r *run, o *object, f *outFile) error {
	switch {
	case c.spliced():
		return c.splicer(ctx, r, o, f)
	case c.out == formatParquet:
		columns := slices.Concat(c.columns.Columns(), c.columns.AnswerColumns(&r.layout.Layout))
		w, err := encode.NewWriter(f.Writer, encode.WriterConfig{Columns: columns, Codec: c.pages, RowGroup: c.spec.RowGroup, KeyValue: c.lineage(o)})
		if err != nil {
			return err
		}
		f.push(w)
	case c.compression != compress.None:
		f.push(compress.NewWriter(f.Writer, c.compression))
	}
	return nil
}

// splicer makes the output of the input's column chunks and the answers'.
func (c *codec) splicer(ctx context.Context, r *run, o *object, f *outFile) (err error) {
	if f.src, err = openPinned(ctx, o); err != nil {
		return err
	}
	file, err := splice.Open(f.src, o.info.Size)
	if err != nil {
		return err
	}
	// For row groups that are written anew. Records of them may hold columns
	// that are not sent, which --max-record does not bound.
	options := c.parquetOptions()
	options.MaxRecord = options.MaxPage
	input, err := parquet.Open(f.src, o.info.Size, options)
	if err != nil {
		return err
	}
	w, err := encode.NewSplicedWriter(f.Writer, encode.SplicedConfig{
		Source: file, Input: input, Reader: f.src, Size: o.info.Size, Keep: c.kept(), Columns: c.columns.AnswerColumns(&r.layout.Layout),
		Codec: c.pages, KeyValue: c.lineage(o), Memory: int(c.spec.Memory / 16), Spill: func() (_ encode.Spill, err error) {
			f.spill, err = r.state.spill(ctx, o)
			return f.spill, err
		},
	})
	if err != nil {
		return err
	}
	f.push(w)
	return nil
}

// kept are the places of the input's columns in a spliced output; nil for all.
func (c *codec) kept() []int {
	if c.columns.Filter == nil {
		return nil
	}
	keep := []int{}
	for _, name := range c.columns.Filter {
		if i := slices.Index(c.schema.Names, name); i >= 0 {
			keep = append(keep, i)
		}
	}
	return keep
}

// lineageKey is the key of batchmill's own metadata in Parquet outputs.
const lineageKey = "batchmill"

// lineage says where an output comes from. Nothing in it may differ between
// two runs of one job: outputs are compared byte by byte.
func (c *codec) lineage(o *object) []encode.KeyValue {
	text, _ := json.Marshal(struct {
		Tool   string `json:"tool"`
		Input  string `json:"input"`
		Join   string `json:"join"`
		Answer string `json:"answer"`
	}{"batchmill " + Version, o.rel, c.spec.Join, c.spec.AnswerName}) // strings only
	return []encode.KeyValue{{Key: lineageKey, Value: string(text)}}
}

// jsonTypeOf is what a type of --column-type is in JSON, where it is called otherwise.
var jsonTypeOf = map[string]string{
	"integer": "number", "int64": "number", "double": "number", "boolean": "bool", "list": "json",
}

// jsonTypes are the settings of --column-type with types as JSON knows them.
func jsonTypes(settings []string) []string {
	out := slices.Clone(settings)
	for i, s := range settings {
		at := strings.LastIndexByte(s, '=') + 1
		if json, other := jsonTypeOf[s[at:]]; at > 0 && other {
			out[i] = s[:at] + json
		}
	}
	return out
}

// spillDir holds spill files. What a killed run left there goes when the next run begins.
const spillDir = workDir + "/spill"

// spill begins a spill file in the working state. One object has one at a time.
func (st *state) spill(ctx context.Context, o *object) (store.Spill, error) {
	return st.keeper.Spill(ctx, fmt.Sprintf("%s/%d", spillDir, o.index))
}
