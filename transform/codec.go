package transform

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/formats/jsonl"
	"github.com/batchmill/batchmill/formats/lines"
	"github.com/batchmill/batchmill/formats/parquet"
	"github.com/batchmill/batchmill/formats/parquet/encode"
	pqpayload "github.com/batchmill/batchmill/formats/parquet/payload"
)

// codec is a job's formats, made once from its spec and schema.
type codec struct {
	spec    *Spec
	in, out string
	payload payload
	accept  string
	dialect csv.Dialect
	schema  formats.Schema
	types   []csv.Type // of CSV input's columns, where its records become JSON
	path    jsonl.Path

	compression compress.Codec      // of text outputs
	pages       string              // the compression of pages in Parquet outputs
	parquet     parquet.Schema      // of Parquet input
	need        []int               // columns of Parquet input that are looked at; nil for all
	records     *encode.Records     // text input's, where its records become Parquet
	columns     encode.JoinerConfig // of Parquet outputs

	encoder formats.Encoder
	joiner  formats.Joiner
	rejects formats.Encoder // renders a record of columns for its reject
}

// open tells whether answers decide about the output's layout.
func (c *codec) open() bool {
	return c.spec.Answers != "per-batch" && (c.out == formatCSV || c.out == formatParquet)
}

// joined tells whether input records stand in the output.
func (c *codec) joined() bool { return c.spec.Join == "input" }

// rowGroup is the size of row groups where the job decides it.
func (c *codec) rowGroup() string {
	if c.out != formatParquet || c.spliced() {
		return ""
	}
	return strconv.Itoa(cmp.Or(c.spec.RowGroup, DefaultRowGroup))
}

// spliced tells whether outputs are made of the input's own column chunks.
func (c *codec) spliced() bool { return c.in == formatParquet && c.out == formatParquet && c.joined() }

// typed tells whether text records become Parquet, in the output or on the wire.
func (c *codec) typed() bool {
	return c.in != formatParquet && c.in != formatLines &&
		(c.payload.format == formatParquet || c.out == formatParquet && c.joined())
}

func (c *codec) csvOptions() csv.Options {
	modes := map[string]csv.HeaderMode{"auto": csv.HeaderAuto, "yes": csv.HeaderYes, "no": csv.HeaderNo}
	return csv.Options{Dialect: c.dialect, Header: modes[c.spec.Header], Ragged: c.spec.Ragged, MaxRecord: int(c.spec.MaxRecord), Types: c.types}
}

func (c *codec) jsonlOptions() jsonl.Options { return jsonl.Options{MaxRecord: int(c.spec.MaxRecord)} }

func (c *codec) parquetOptions() parquet.Options {
	return parquet.Options{MaxRecord: int(c.spec.MaxRecord), MaxPage: int(c.spec.Memory / 4), Memory: int(c.spec.Memory / 2)}
}

// source is an object's bytes, as formats read them.
type source interface {
	io.Reader
	io.ReaderAt
}

// text is the object's text, decompressed where its name says so. The reader
// above it reads small pieces of what is decompressed.
func (c *codec) text(o *object, src io.Reader) io.Reader {
	if o.compression == compress.None {
		return src
	}
	return bufio.NewReaderSize(compress.NewReader(src, o.compression, c.spec.unpackLimits()), 64<<10)
}

// sniff learns the schema from the beginning of an object.
func (c *codec) sniff(o *object, src source) (formats.Schema, error) {
	switch c.in {
	case formatCSV:
		return csv.Sniff(c.text(o, src), c.csvOptions())
	case formatJSONL:
		return jsonl.Sniff(c.text(o, src), c.jsonlOptions())
	case formatParquet:
		var err error
		c.parquet, err = parquet.Sniff(src, o.info.Size, c.parquetOptions())
		return c.parquet.Schema, err
	}
	return formats.Schema{}, nil
}

// reader cuts one object of the job.
func (c *codec) reader(o *object, src source) (formats.Reader, error) {
	switch c.in {
	case formatCSV:
		return csv.NewReader(c.text(o, src), c.csvOptions(), c.schema), nil
	case formatJSONL:
		return jsonl.NewReader(c.text(o, src), c.jsonlOptions()), nil
	case formatParquet:
		f, err := parquet.Open(src, o.info.Size, c.parquetOptions())
		if err != nil {
			return nil, err
		}
		return parquet.NewReader(f, c.parquet, c.need), nil
	}
	return lines.NewReader(c.text(o, src), int(c.spec.MaxRecord)), nil
}

// decoder reads a response: by its Content-Type if that is known, else by Accept.
func (c *codec) decoder(contentType string) formats.Decoder {
	format := answerFormat(contentType)
	if format == answersUnknown {
		format = answerFormat(c.accept)
	}
	if c.spec.Answers == "per-batch" {
		format = answersUnknown
	}
	switch format {
	case answersCSV:
		return &csv.Decoder{}
	case answersJSONL:
		return jsonl.Decoder{}
	case answersJSON:
		return jsonl.Decoder{Doc: true, Path: c.path}
	case answersParquet:
		most := max(int(c.spec.MaxResponse), 8<<20) // for what it decodes to, too: many may be at work
		return pqpayload.Decoder{Options: parquet.Options{MaxRecord: most, MaxPage: most, MaxFooter: most, Memory: most}, MaxText: most}
	}
	return lines.Decoder{}
}

// bind makes the encoder and the joiner, and finds what in filters and names cannot be.
func (c *codec) bind() (err error) {
	if c.spec.AnswerPath != "" {
		if c.path, err = jsonl.ParsePath(c.spec.AnswerPath); err != nil {
			return usage("write it like outputs.scores", "--answer-path: %w", err)
		}
	}
	c.bindCompression()
	if c.types, err = c.newTypes(); err != nil {
		return err
	}
	if c.encoder, err = c.newEncoder(); err != nil {
		return err
	}
	if c.joiner, err = c.newJoiner(); err != nil || c.in != formatParquet {
		return err
	}
	return c.project()
}

// bindCompression finds what compresses the outputs: the whole file, or the
// pages in it.
func (c *codec) bindCompression() {
	if c.out == formatParquet {
		c.pages = cmp.Or(c.spec.Compression, encode.DefaultCodec)
		return
	}
	c.compression, _ = compress.ByName(cmp.Or(c.spec.Compression, compress.None.String())) // Validate knows them all
}

// newTypes resolves --column-type, which must have something to say, for JSON.
func (c *codec) newTypes() ([]csv.Type, error) {
	json := c.in == formatCSV && (c.payload.format == formatJSONL || c.out == formatJSONL && c.joined())
	switch {
	case len(c.spec.ColumnType) == 0:
		return nil, nil
	case c.in == formatParquet || c.in == formatLines || c.in == formatJSONL && !c.typed():
		return nil, usage("leave it out", "--column-type is for CSV input, or for text that becomes Parquet, and the input is %s", c.in)
	case json:
		return orUsage(csv.ResolveTypes(jsonTypes(c.spec.ColumnType), c.schema.Names, c.schema.Width))
	case !c.typed():
		return nil, usage("leave it out, or use --content-type application/jsonlines, or --output-format jsonl or parquet with --join input",
			"--column-type says how fields become JSON or Parquet, and no record of this job does")
	}
	return nil, nil
}

func (c *codec) newEncoder() (formats.Encoder, error) {
	if c.in == formatLines && c.spec.InputFilter != "" {
		return nil, usage("leave it out", "--input-filter: lines are never parsed, so they cannot be filtered")
	}
	switch c.payload.format {
	case formatCSV:
		return c.newCSVEncoder()
	case formatJSONL:
		return c.newJSONEncoder()
	case formatParquet:
		return c.newParquetEncoder()
	}
	return orUsage(lines.NewEncoder(lines.EncoderConfig{Verbatim: c.in == formatLines}))
}

func (c *codec) newCSVEncoder() (formats.Encoder, error) {
	filter, err := parseFilter("--input-filter", c.spec.InputFilter, csv.ParseFilter)
	if err != nil {
		return nil, err
	}
	// What travels as text/csv is plain CSV, whatever dialect the files have.
	plain := c.dialect.Plain()
	cfg := csv.EncoderConfig{Names: c.schema.Names, Width: c.schema.Width, Verbatim: c.in == formatCSV && plain, Filter: filter}
	if c.spec.SendHeader {
		cfg.Header = c.schema.Header
		if c.in == formatParquet || cfg.Header != nil && !plain {
			cfg.Header = csv.HeaderLine(csv.Dialect{}, c.schema.Names)
		}
		if cfg.Header == nil {
			return nil, usage("leave it out, or use --header yes", "--send-header: the input has no header")
		}
	}
	return orUsage(csv.NewEncoder(cfg))
}

func (c *codec) newJSONEncoder() (formats.Encoder, error) {
	filter, err := parseFilter("--input-filter", c.spec.InputFilter, jsonl.ParseFilter)
	if err != nil {
		return nil, err
	}
	return orUsage(jsonl.NewEncoder(jsonl.EncoderConfig{Wrap: c.payload.wrap, Verbatim: c.in == formatJSONL,
		Names: c.schema.Names, Fixed: c.in == formatParquet, Filter: filter}))
}

func (c *codec) newParquetEncoder() (formats.Encoder, error) {
	filter, err := parseFilter("--input-filter", c.spec.InputFilter, jsonl.ParseFilter)
	if err != nil {
		return nil, err
	}
	if c.in == formatParquet {
		e, err := pqpayload.NewEncoder(pqpayload.EncoderConfig{Names: c.schema.Names, Filter: filter})
		if err != nil {
			return nil, usage("", "--input-filter: %w", err)
		}
		return e, nil
	}
	if c.records == nil { // no object holds a record or names, so nothing will be sent
		return orUsage(lines.NewEncoder(lines.EncoderConfig{Verbatim: true}))
	}
	return orUsage(encode.NewEncoder(encode.EncoderConfig{Records: *c.records, Filter: filter}))
}

func (c *codec) newJoiner() (formats.Joiner, error) {
	switch {
	case c.spec.Answers == "per-batch" && c.out == formatParquet:
		return nil, usage("use --output-format csv, jsonl or lines", "--answers per-batch writes responses as they come, and Parquet output has columns")
	case c.spec.Answers == "per-batch":
		return wholeResponses{}, nil
	case c.joined() && c.in == formatLines:
		return nil, usage("use --join none, or another --input-format", "--join input: lines are never parsed, so nothing can be joined to them")
	case len(c.spec.AnswerType) > 0 && c.out != formatParquet:
		return nil, usage("leave it out, or use --output-format parquet", "--answer-type: only columns of Parquet have types")
	case c.spec.RowGroup > 0 && c.out != formatParquet:
		return nil, usage("leave it out, or use --output-format parquet", "--row-group-records: only Parquet has row groups")
	case c.out == formatCSV:
		filter, err := parseFilter("--output-filter", c.spec.OutputFilter, csv.ParseFilter)
		if err != nil {
			return nil, err
		}
		return orUsage(csv.NewJoiner(csv.JoinerConfig{Dialect: c.dialect, Answers: csv.Dialect{}, Input: c.joined(), Verbatim: c.in == formatCSV,
			Schema: c.schema, AnswerName: c.spec.AnswerName, Filter: filter}))
	case c.out == formatJSONL:
		filter, err := parseFilter("--output-filter", c.spec.OutputFilter, jsonl.ParseFilter)
		if err != nil {
			return nil, err
		}
		return orUsage(jsonl.NewJoiner(jsonl.JoinerConfig{Input: c.joined(), Verbatim: c.in == formatJSONL,
			Schema: c.schema, AnswerName: c.spec.AnswerName, Filter: filter}))
	case c.out == formatParquet:
		return c.newParquetJoiner()
	case c.spec.OutputFilter != "":
		return nil, usage("leave it out", "--output-filter: lines are never parsed, so they cannot be filtered")
	}
	return orUsage(lines.NewJoiner(lines.JoinerConfig{Input: c.joined()}))
}

// infer takes the types of columns from a sample, the first records of an object.
func (c *codec) infer(o *object, src source) error {
	reader, err := c.reader(o, src)
	if err != nil {
		return err
	}
	b := new(formats.Batch)
	if err := reader.Next(b, formats.Caps{Records: encode.SampleRecords, Bytes: encode.SampleBytes}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	reader.Check(b)
	records := encode.Infer(b, c.schema, c.in == formatCSV)
	settings, err := c.typeSettings(records.Columns)
	if err != nil {
		return err
	}
	records, err = orUsage(encode.Resolve(records, settings))
	c.records = &records
	return err
}

// typeSettings are those of --column-type by columns' names. For CSV they may
// pick columns as filters do.
func (c *codec) typeSettings(columns []formats.Column) (settings []string, err error) {
	if c.in != formatCSV {
		return c.spec.ColumnType, nil
	}
	for _, s := range c.spec.ColumnType {
		at := strings.LastIndexByte(s, '=')
		if at <= 0 {
			return nil, usage("write NAME=TYPE, as in zip=string", "--column-type %q lacks a name or a type", s)
		}
		filter, err := parseFilter("--column-type", s[:at], csv.ParseFilter)
		if err != nil {
			return nil, err
		}
		picks, err := filter.Resolve(c.schema.Names, len(columns))
		if err != nil {
			return nil, usage("", "--column-type %q: %w", s, err)
		}
		for _, k := range picks {
			settings = append(settings, columns[k].Name+s[at:])
		}
	}
	return settings, nil
}

// parseFilter parses a filter that is set; the zero filter takes everything.
func parseFilter[F any](flag, text string, parse func(string) (F, error)) (F, error) {
	var all F
	if text == "" {
		return all, nil
	}
	f, err := parse(text)
	if err != nil {
		return all, usage("", "%s: %w", flag, err)
	}
	return f, nil
}

// orUsage makes a constructor's error one of the configuration.
func orUsage[T any](v T, err error) (T, error) {
	if err != nil {
		err = &Failure{Class: Usage, Err: err}
	}
	return v, err
}
