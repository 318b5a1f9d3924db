package codec

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	pqpayload "github.com/batchmill/batchmill/formats/parquet/payload"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/formats/jsonl"
	"github.com/batchmill/batchmill/formats/lines"
	"github.com/batchmill/batchmill/formats/parquet/encode"
	"github.com/batchmill/batchmill/transform/job"
)

// Bind makes the encoder and the joiner, and finds what in filters and names cannot be.
func (c *Codec) Bind() (err error) {
	if c.spec.AnswerPath != "" {
		if c.path, err = jsonl.ParsePath(c.spec.AnswerPath); err != nil {
			return job.Usagef("write it like outputs.scores", "--answer-path: %w", err)
		}
	}
	c.bindCompression()
	if c.answers.isHeader, err = c.answerHeader(); err != nil {
		return err
	}
	if c.types, err = c.newTypes(); err != nil {
		return err
	}
	if c.Encoder, err = c.newEncoder(); err != nil {
		return err
	}
	if c.Joiner, err = c.newJoiner(); err != nil || c.In != FormatParquet {
		return err
	}
	return c.project()
}

// bindCompression finds what compresses the outputs: whole files, or pages in files.
func (c *Codec) bindCompression() {
	if c.Out == FormatParquet {
		c.pages = cmp.Or(c.spec.Compression, encode.DefaultCodec)
		return
	}
	c.compression, _ = compress.ByName(cmp.Or(c.spec.Compression, compress.None.String())) // Spec.Validate has checked the name
}

// newTypes resolves --column-type, which must have something to say, for JSON.
func (c *Codec) newTypes() ([]csv.Type, error) {
	json := c.In == FormatCSV && (c.payload.format == FormatJSONL || c.Out == FormatJSONL && c.joined())
	switch {
	case len(c.spec.ColumnType) == 0:
		return nil, nil
	case c.In == FormatParquet || c.In == FormatLines || c.In == FormatJSONL && !c.NeedsTypes():
		return nil, job.Usagef("leave it out", "--column-type is for CSV input, or for text that becomes Parquet, and the input is %s", c.In)
	case json:
		types, err := csv.ResolveTypes(jsonTypes(c.spec.ColumnType), c.schema.Names, c.schema.Width)
		return orUsage(types, ofFlag("--column-type", err))
	case !c.NeedsTypes():
		return nil, job.Usagef("leave it out, or use --content-type application/jsonlines, or --output-format jsonl or parquet with --join input",
			"--column-type says how fields become JSON or Parquet, and no record of this job does")
	}
	return nil, nil
}

func (c *Codec) newEncoder() (_ formats.Encoder, err error) {
	if c.spec.SendHeader && c.payload.format != FormatCSV {
		return nil, job.Usagef("leave it out, or use --content-type text/csv with CSV, JSON Lines or Parquet input",
			"--send-header: only a payload of CSV has a header line, and this one is %s of %s", c.payload.media, c.In)
	}
	if c.In == FormatLines && c.spec.InputFilter != "" {
		return nil, job.Usagef("leave it out", "--input-filter: lines are never parsed, so they cannot be filtered")
	}
	switch c.payload.format {
	case FormatLines:
		return orUsage(lines.NewEncoder(lines.EncoderConfig{Verbatim: c.In == FormatLines}))
	case FormatCSV:
		return c.newCSVEncoder()
	}
	if c.sentNames, err = parseFilter("--input-filter", c.spec.InputFilter, jsonl.ParseFilter); err != nil {
		return nil, err
	}
	c.sentNames = c.byName(c.sentNames)
	if c.payload.format == FormatParquet {
		return c.newParquetEncoder()
	}
	return orUsage(jsonl.NewEncoder(jsonl.EncoderConfig{Wrap: c.payload.wrap, Verbatim: c.In == FormatJSONL,
		Names: c.rows, Fixed: c.In == FormatParquet, Filter: c.sentNames}))
}

func (c *Codec) newCSVEncoder() (formats.Encoder, error) {
	var err error
	if c.sentFields, err = parseFilter("--input-filter", c.spec.InputFilter, csv.ParseFilter); err != nil {
		return nil, err
	}
	// A payload of text/csv is plain CSV, whatever dialect the files have.
	plain := c.plainRecords()
	cfg := csv.EncoderConfig{Names: c.schema.Names, Width: c.schema.Width, Verbatim: c.In == FormatCSV && plain, Filter: c.sentFields}
	if c.spec.SendHeader {
		cfg.Header = c.header
		if c.In == FormatParquet || cfg.Header != nil && !plain {
			cfg.Header = csv.HeaderLine(csv.Dialect{}, c.schema.Names)
		}
		if cfg.Header == nil {
			return nil, job.Usagef("leave it out, or use --header yes", "--send-header: the input has no header")
		}
	}
	e, err := csv.NewEncoder(cfg)
	return orUsage(e, ofFlag("--input-filter", err))
}

func (c *Codec) newParquetEncoder() (formats.Encoder, error) {
	if c.In == FormatParquet {
		e, err := pqpayload.NewEncoder(pqpayload.EncoderConfig{Names: c.rows, Filter: c.sentNames})
		if err != nil {
			return nil, job.Usagef("", "--input-filter: %w", err)
		}
		return e, nil
	}
	if c.records == nil { // no object holds a record or names, so nothing will be sent
		return orUsage(lines.NewEncoder(lines.EncoderConfig{Verbatim: true}))
	}
	return orUsage(encode.NewEncoder(encode.EncoderConfig{Records: *c.records, Filter: c.sentNames}))
}

func (c *Codec) newJoiner() (_ formats.Joiner, err error) {
	switch {
	case c.spec.Answers == "per-batch" && c.Out == FormatParquet:
		return nil, job.Usagef("use --output-format csv, jsonl or lines", "--answers per-batch writes responses as they come, and Parquet output has columns")
	case c.spec.Answers == "per-batch":
		return wholeResponses{}, nil
	case c.joined() && c.In == FormatLines:
		return nil, job.Usagef("use --join none, or another --input-format", "--join input: lines are never parsed, so nothing can be joined to them")
	case len(c.spec.AnswerType) > 0 && c.Out != FormatParquet:
		return nil, job.Usagef("leave it out, or use --output-format parquet", "--answer-type: only columns of Parquet have types")
	case c.spec.RowGroup > 0 && c.Out != FormatParquet:
		return nil, job.Usagef("leave it out, or use --output-format parquet", "--row-group-records: only Parquet has row groups")
	case c.Out == FormatCSV:
		filter, err := parseFilter("--output-filter", c.spec.OutputFilter, csv.ParseFilter)
		if err != nil {
			return nil, err
		}
		schema := c.schema
		schema.Header = c.header
		j, err := csv.NewJoiner(csv.JoinerConfig{Dialect: c.dialect, Answers: csv.Dialect{}, Input: c.joined(), Verbatim: c.In == FormatCSV,
			Schema: schema, AnswerName: c.spec.AnswerName, AnswerColumns: c.answers.names.Columns, Keys: c.answers.keyed(), Filter: filter})
		return orUsage(j, ofFlag("--output-filter", err))
	case c.Out == FormatJSONL:
		if c.writtenNames, err = parseFilter("--output-filter", c.spec.OutputFilter, jsonl.ParseFilter); err != nil {
			return nil, err
		}
		return orUsage(jsonl.NewJoiner(jsonl.JoinerConfig{Input: c.joined(), Verbatim: c.In == FormatJSONL,
			Schema: c.schema, AnswerName: c.spec.AnswerName, AnswerColumns: c.answers.names.Columns, Filter: c.writtenNames}))
	case c.Out == FormatParquet:
		return c.newParquetJoiner()
	case c.spec.OutputFilter != "":
		return nil, job.Usagef("leave it out", "--output-filter: lines are never parsed, so they cannot be filtered")
	}
	return orUsage(lines.NewJoiner(lines.JoinerConfig{Input: c.joined()}))
}

// Infer takes the types of columns from a sample, the first records of an object.
func (c *Codec) Infer(in Input, src Source) error {
	reader, err := c.open(in, src)
	if err != nil {
		return err
	}
	b := new(formats.Batch)
	if err := reader.Next(b, formats.Caps{Records: encode.SampleRecords, Bytes: encode.SampleBytes}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	reader.Check(b)
	records := encode.Infer(b, c.fieldSchema(), c.In == FormatCSV)
	settings, err := c.typeSettings(records.Columns)
	if err != nil {
		return err
	}
	records, err = orUsage(encode.Resolve(records, settings))
	c.records = &records
	return err
}

// typeSettings are the settings of --column-type by columns' names. For CSV the settings
// may pick columns as filters do.
func (c *Codec) typeSettings(columns []formats.Column) (settings []string, err error) {
	if c.In != FormatCSV {
		return c.spec.ColumnType, nil
	}
	for _, s := range c.spec.ColumnType {
		at := strings.LastIndexByte(s, '=')
		if at <= 0 {
			return nil, job.Usagef("write NAME=TYPE, as in zip=string", "--column-type %q lacks a name or a type", s)
		}
		filter, err := parseFilter("--column-type", s[:at], csv.ParseFilter)
		if err != nil {
			return nil, err
		}
		picks, err := filter.Resolve(c.schema.Names, len(columns))
		if err != nil {
			return nil, job.Usagef("", "%w", ofFlag("--column-type "+strconv.Quote(s), err))
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
		return all, job.Usagef("", "%w", ofFlag(flag, err))
	}
	return f, nil
}

// ofFlag is err under the name of the flag whose value is wrong, once.
func ofFlag(flag string, err error) error {
	var option *csv.OptionError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &option) && (option.Option == "filter" || option.Option == "column type"):
		return fmt.Errorf("%s: %s", flag, option.Message)
	case errors.As(err, &option):
		return err // about another setting, which the message names
	}
	return fmt.Errorf("%s: %w", flag, err)
}

// orUsage makes a constructor's error a failure of the configuration.
func orUsage[T any](v T, err error) (T, error) {
	if err != nil {
		err = &job.Failure{Class: job.Usage, Err: err}
	}
	return v, err
}
