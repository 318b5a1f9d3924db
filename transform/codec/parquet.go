package codec

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/formats/jsonl"
	"github.com/batchmill/batchmill/formats/parquet"
	"github.com/batchmill/batchmill/formats/parquet/encode"
	"github.com/batchmill/batchmill/formats/parquet/splice"
	"github.com/batchmill/batchmill/transform/job"
)

// project finds which columns of Parquet input are looked at: columns that go
// to hosts, and columns that stand in text outputs. Copied chunks need no look.
func (c *Codec) project() error {
	if len(c.schema.Names) == 0 {
		return nil // every object is empty, or fails
	}
	sent, err := c.sentColumns()
	if err != nil {
		return err
	}
	c.need = sent
	if c.joined() && !c.Spliced() {
		// In CSV outputs all columns may stand: an --output-filter counts the answer's
		// fields too, which are not known yet.
		c.need = ascending(slices.Concat(sent, c.columnsOf(c.writtenNames)))
	}
	filter := make(jsonl.Filter, 0, len(sent))
	for _, i := range sent {
		filter = append(filter, c.rows[i])
	}
	c.RejectText, err = jsonl.NewEncoder(jsonl.EncoderConfig{Names: c.rows, Fixed: true, Filter: filter})
	return err
}

// sentColumns are the indexes of the columns that go to hosts, ascending.
func (c *Codec) sentColumns() ([]int, error) {
	picks, err := c.sentFields.Resolve(c.schema.Names, c.schema.Width)
	picks, err = orUsage(picks, ofFlag("--input-filter", err))
	if picks == nil {
		return c.columnsOf(c.sentNames), err
	}
	return ascending(picks), err
}

// columnsOf are the indexes of the named columns, ascending; of all for nil.
func (c *Codec) columnsOf(names jsonl.Filter) []int {
	var found []int
	for i, name := range c.rows {
		if names == nil || slices.Contains(names, name) {
			found = append(found, i)
		}
	}
	return found
}

// ascending sorts columns, each once.
func ascending(columns []int) []int {
	slices.Sort(columns)
	return slices.Compact(columns)
}

// newParquetJoiner makes what turns answers, and text records, into columns.
func (c *Codec) newParquetJoiner() (formats.Joiner, error) {
	filter, err := parseFilter("--output-filter", c.spec.OutputFilter, jsonl.ParseFilter)
	if err != nil {
		return nil, err
	}
	c.columns = encode.JoinerConfig{Spliced: c.Spliced(), AnswerName: c.spec.AnswerName, AnswerColumns: c.answers.names.Columns, AnswerTypes: c.spec.AnswerType, Filter: filter}
	if c.joined() {
		c.columns.Records = c.records
	}
	if c.Spliced() {
		c.columns.Names = c.schema.Names
	}
	joiner, err := orUsage(encode.NewJoiner(c.columns))
	if err != nil {
		return nil, err
	}
	const answers = 1 // at least
	if n := max(len(c.columns.Names), len(c.columns.Columns())) + answers; n > parquet.MaxColumns {
		return nil, job.Usagef("use --output-format csv or jsonl, pick columns with --output-filter, or write the answers alone with --join none",
			"a Parquet file has at most %d columns, and the output would have %d", parquet.MaxColumns, n)
	}
	return joiner, nil
}

// A Spill holds what does not fit the memory.
type Spill = encode.Spill

// An Output is what an output file of one object's joined records is made with.
type Output struct {
	Layout *formats.Layout // of the job's answers
	Input  Input
	// Source is the input's bytes, and Spill begins a file for what does not fit the
	// memory. Both are needed only where outputs are made of their inputs: see [Codec.Spliced].
	Source io.ReaderAt
	Spill  func() (Spill, error)
}

// Writer makes an output file in dst of an object's joined records, which are written to
// the result; its Close writes the file's end. The Writer is nil where the records are the file.
func (c *Codec) Writer(dst io.Writer, o Output) (io.WriteCloser, error) {
	switch {
	case c.Spliced():
		return c.splicer(dst, o)
	case c.Out == FormatParquet:
		columns := slices.Concat(c.columns.Columns(), c.columns.Written(o.Layout))
		return encode.NewWriter(dst, encode.WriterConfig{Columns: columns, Codec: c.pages, RowGroup: c.rowGroup(), KeyValue: c.lineage(o.Input.path)})
	case c.compression != compress.None:
		return compress.NewWriter(dst, c.compression), nil
	}
	return nil, nil
}

// splicer makes the output of the input's column chunks and the answers'.
func (c *Codec) splicer(dst io.Writer, o Output) (io.WriteCloser, error) {
	cfg, err := c.splicing(o)
	if err != nil {
		return nil, err
	}
	return encode.NewSplicedWriter(dst, cfg)
}

// spliceable tells what in an object's footer would keep its columns from being copied.
// An output of answers alone needs no copy.
func (c *Codec) spliceable(in Input, src Source) error {
	cfg, err := c.splicing(Output{Layout: new(formats.Layout), Input: in, Source: src})
	if err == nil && (cfg.Keep == nil || len(cfg.Keep) > 0) {
		err = encode.CheckSpliced(cfg)
	}
	if err != nil {
		return fmt.Errorf("its columns cannot be copied into the output: %w", err)
	}
	return nil
}

// splicing is how an object becomes its joined output.
func (c *Codec) splicing(o Output) (cfg encode.SplicedConfig, err error) {
	file, err := splice.Open(o.Source, o.Input.size)
	if err != nil {
		return cfg, err
	}
	// Input is for row groups that are written anew. Their records may hold columns
	// that are not sent, which --max-record does not bound.
	options := c.parquetOptions()
	options.MaxRecord = options.MaxPage
	input, err := parquet.Open(o.Source, o.Input.size, options)
	if err != nil {
		return cfg, err
	}
	return encode.SplicedConfig{
		Source: file, Input: input, Keep: c.kept(), Columns: c.columns.Written(o.Layout),
		Codec: c.pages, KeyValue: c.lineage(o.Input.path), Memory: int(c.spec.Memory / 16), Spill: o.Spill,
	}, nil
}

// kept are the places of the input's columns in a spliced output; nil for all.
func (c *Codec) kept() []int {
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

// LineageKey is the key of batchmill's own metadata in Parquet outputs.
const LineageKey = "batchmill"

// lineage says where an output comes from. Nothing in the lineage may differ between
// two runs of one job: outputs are compared byte by byte.
func (c *Codec) lineage(path string) []encode.KeyValue {
	text, _ := json.Marshal(struct {
		Tool   string `json:"tool"`
		Input  string `json:"input"`
		Join   string `json:"join"`
		Answer string `json:"answer"`
	}{"batchmill " + job.Version, path, c.spec.Join, c.spec.AnswerName}) // strings only
	return []encode.KeyValue{{Key: LineageKey, Value: string(text)}}
}

// jsonTypeOf is what a type of --column-type is called in JSON, where the names differ.
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
