// Package codec knows the formats by name: how a job's objects are read, what its
// hosts get and answer, and how its outputs are written. No other package
// imports single formats; a new format is one package and a case in each switch here.
//
// A [Codec] is made once for a job: [New], [Codec.Sniff] on objects until an object shows
// the schema, [Codec.Infer] on that object where [Codec.NeedsTypes], and at last [Codec.Bind].
// After that the codec does not change, and its methods may be called from many goroutines.
package codec

import (
	"cmp"
	"fmt"
	"io"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/formats/jsonl"
	"github.com/batchmill/batchmill/formats/lines"
	"github.com/batchmill/batchmill/formats/parquet"
	"github.com/batchmill/batchmill/formats/parquet/encode"
	"github.com/batchmill/batchmill/transform/job"
)

// Codec is a job's formats, made once from its spec and schema.
type Codec struct {
	In, Out string // the formats of inputs and outputs

	// Encoder, Joiner and RejectText are made by Bind. RejectText renders a record of columns for its reject; nil
	// where a record's bytes show it.
	Encoder    formats.Encoder
	Joiner     formats.Joiner
	RejectText formats.Encoder

	spec    *job.Spec
	payload payload
	answers answers
	inputs
	types []csv.Type // of CSV input's columns, where its records become JSON
	path  jsonl.Path

	filters
	naming
	encodings encodings

	outputPacking

	parquet parquet.Schema      // of Parquet input
	need    []int               // columns of Parquet input that are looked at; nil for all
	records *encode.Records     // text input's, where its records become Parquet
	columns encode.JoinerConfig // of Parquet outputs
}

// outputPacking is how outputs are compressed: as a whole, or a Parquet file's pages.
type outputPacking struct {
	compression compress.Codec
	pages       string
}

// inputs are how text inputs are read, where their names have a say.
type inputs struct {
	dialect csv.Dialect
	// documents: some may be JSON documents, whose elements are records and come out as JSON Lines.
	documents bool
}

// filters are the fields or names that hosts get, and the names in JSONL outputs; nil for all.
type filters struct {
	sentFields              csv.Filter
	sentNames, writtenNames jsonl.Filter
}

// New begins the codec of a job whose input has the format in. What names say
// together decides what the format leaves open. New settles s.Join where it is not said.
func New(s *job.Spec, in string, names *Survey) (*Codec, error) {
	documents := in == formatJSON || s.InputFormat == "" && names.documents
	if in == formatJSON {
		in = FormatJSONL
	}
	c := &Codec{spec: s, In: in, Out: cmp.Or(s.OutputFormat, in)}
	s.Join = cmp.Or(s.Join, c.usualJoin())
	c.inputs = inputs{documents: documents, dialect: dialectOf(s)}
	said := s.InputFormat != ""
	if err := unpackedParquet(s, names.whole(said)); in == FormatParquet && err != nil {
		return nil, err
	}
	if in == FormatCSV && c.dialect.Delimiter == 0 && names.tabs && !(said && names.others) {
		c.dialect.Delimiter = '\t'
	}
	err := c.checkDialect()
	if err != nil {
		return nil, err
	}
	if c.payload, err = payloadOf(s, in); err != nil {
		return nil, err
	}
	accept := cmp.Or(s.Accept, c.payload.media)
	if c.answers, err = answersOf(accept); err != nil {
		return nil, job.Usagef("write for example text/csv, or text/csv, text/html", "--accept %q is no list of media types: %w", accept, err)
	}
	if c.answers.names, err = answerNames(s, c.Out); err != nil {
		return nil, err
	}
	return c, c.nameEncoding()
}

// unpackedParquet is why Parquet files that are compressed as a whole are refused: they are read here
// and there. Packed is what the names say.
func unpackedParquet(s *job.Spec, packed error) error {
	switch s.InputCodec {
	case "auto":
		return packed
	case "none":
		return nil
	}
	return job.Usagef("unpack the files first; Parquet compresses its own pages", "--input-compression %s: a Parquet file inside of another compression cannot be read in place", s.InputCodec)
}

// An Input is what formats have to know of an object beside its bytes.
type Input struct {
	path     string         // below the job's input
	document bool           // the name is that of a JSON document
	size     int64          // bytes, as stored
	packed   compress.Codec // of the stored bytes, as the name says
	encoding string         // of the stored bytes, as the store says
}

// InputOf describes the object of a name. Encoding is its Content-Encoding, where its store has one.
func InputOf(path, name, encoding string, size int64) Input {
	packed, _ := compress.OfFileName(name)
	return Input{path: path, size: size, packed: packed, encoding: encoding, document: isDocument(name)}
}

// OutputName is where the output goes of the object whose path below the input is rel.
func (c *Codec) OutputName(rel string) string {
	return outputName(rel, c.inputFormat(), c.Out, c.compression)
}

// inputFormat is the format of inputs as it binds the job: documents are not what lines are.
func (c *Codec) inputFormat() string {
	if c.documents {
		return formatJSON
	}
	return c.In
}

// Blank tells whether an object of size bytes holds no record, and needs no look inside.
func (c *Codec) Blank(size int64) bool { return size == 0 && c.In != FormatParquet }

// LearnsLayout tells whether answers decide about the output's layout.
func (c *Codec) LearnsLayout() bool {
	return c.spec.Answers != "per-batch" && (c.Out == FormatCSV || c.Out == FormatParquet)
}

// Media are the Content-Type of payloads and the Accept of requests, exactly as asked.
func (c *Codec) Media() (contentType, accept string) { return c.payload.media, c.answers.accept }

// Names are the names of the input's columns; nil without.
func (c *Codec) Names() []string { return c.schema.Names }

// usualJoin is what a job writes that does not say so: each record with its answer,
// where both formats have records that can be joined, and an answer belongs to one record.
func (c *Codec) usualJoin() string {
	if c.In == FormatLines || c.Out == FormatLines || c.spec.Answers == "per-batch" {
		return "none"
	}
	return "input"
}

// joined tells whether input records stand in the output.
func (c *Codec) joined() bool { return c.spec.Join == "input" }

// rowGroup is how many rows a row group has where the job decides it.
func (c *Codec) rowGroup() int { return cmp.Or(c.spec.RowGroup, job.DefaultRowGroup) }

// Spliced tells whether outputs are made of the input's own column chunks.
func (c *Codec) Spliced() bool { return c.In == FormatParquet && c.Out == FormatParquet && c.joined() }

// NeedsTypes tells whether text records become Parquet, in the output or on the wire.
func (c *Codec) NeedsTypes() bool {
	return c.In != FormatParquet && c.In != FormatLines &&
		(c.payload.format == FormatParquet || c.Out == FormatParquet && c.joined())
}

func (c *Codec) csvOptions() csv.Options {
	modes := map[string]csv.HeaderMode{"auto": csv.HeaderAuto, "yes": csv.HeaderYes, "no": csv.HeaderNo}
	return csv.Options{Dialect: c.dialect, Header: modes[c.spec.Header], Ragged: c.spec.Ragged, MaxRecord: int(c.spec.MaxRecord), Types: c.types,
		Guessed: c.spec.Delimiter == "", SkipRows: c.spec.SkipRows, Null: c.spec.Null}
}

func (c *Codec) jsonlOptions(in Input) jsonl.Options {
	return jsonl.Options{MaxRecord: int(c.spec.MaxRecord), Documents: c.spec.InputFormat == formatJSON || c.documents && in.document}
}

func (c *Codec) parquetOptions() parquet.Options {
	return parquet.Options{MaxRecord: int(c.spec.MaxRecord), MaxPage: int(c.spec.Memory / pageShare), Memory: int(c.spec.Memory / pagesShare),
		Advice: memoryFor}
}

// A page of Parquet may take a quarter of --memory, all pages of a reader a half.
const (
	pageShare  = 4
	pagesShare = 2
)

// memoryFor says which --memory makes room for a page of page bytes, or for all
// bytes of pages. One page is not all that a file needs, so the text says "at least".
func memoryFor(page, all int64) string {
	const mebibyte = 1 << 20
	need := max(pageShare*page, pagesShare*all)
	return fmt.Sprintf("give it at least --memory %dMiB, or leave columns out with --input-filter", (need+mebibyte-1)/mebibyte)
}

// leastWindow is a window that every zstd file may ask for (RFC 8878, 3.1.1.1.2).
const leastWindow = 8 << 20

// unpackLimits bound what a compressed input can cost: a zstd window takes half
// of the memory at most.
func unpackLimits(s *job.Spec) compress.Limits {
	return compress.Limits{Window: max(leastWindow, int64(s.Memory/2))}
}

// A Source is an object's bytes, as formats read them.
type Source interface {
	io.Reader
	io.ReaderAt
}

// Sniff learns the job's schema from the beginning of an object, and tells
// whether the object shows a schema.
func (c *Codec) Sniff(in Input, src Source) (found bool, err error) {
	var schema formats.Schema
	text := c.text(in, src)
	switch c.In {
	case FormatCSV:
		if schema, err = csv.Sniff(text, c.csvOptions()); err == nil {
			err = headerError(text.CheckHeader(schema.Header))
		}
	case FormatJSONL:
		schema, err = jsonl.Sniff(text, c.jsonlOptions(in))
	case FormatParquet:
		if c.parquet, err = parquet.Sniff(src, in.size, c.parquetOptions()); err != nil {
			err = notParquet(src, err)
		}
		schema = c.parquet.Schema
	}
	c.schema.Why = cmp.Or(c.schema.Why, schema.Why)
	if err = asked(err); err != nil || schema.Width == 0 && schema.Names == nil && c.In != FormatLines {
		return false, err
	}
	c.schema = schema
	return true, c.settleNames()
}

// Reader cuts one object of the job. What the object's own bytes would keep from
// becoming its output is an error here, before a record of the object is sent.
func (c *Codec) Reader(in Input, src Source) (formats.Reader, error) {
	r, err := c.open(in, src)
	if err == nil && c.Spliced() {
		err = c.spliceable(in, src)
	}
	if err != nil {
		return nil, err
	}
	if d, ok := r.(*decoded); ok {
		d.told = c.encodings.note
	}
	return r, nil
}

// open is Reader for an object that is only looked at.
func (c *Codec) open(in Input, src Source) (formats.Reader, error) {
	if c.In == FormatParquet {
		f, err := parquet.Open(src, in.size, c.parquetOptions())
		if err != nil {
			return nil, notParquet(src, err)
		}
		return parquet.NewReader(f, c.parquet, c.need), nil
	}
	d := &decoded{src: c.text(in, src)}
	switch c.In {
	case FormatCSV:
		d.Reader = csv.NewReader(d.src, c.csvOptions(), c.fieldSchema())
	case FormatJSONL:
		d.Reader = jsonl.NewReader(d.src, c.jsonlOptions(in))
	default:
		d.Reader = lines.NewReader(d.src, int(c.spec.MaxRecord))
	}
	return d, nil
}

// fieldSchema is the schema by which records of CSV are read.
func (c *Codec) fieldSchema() formats.Schema {
	schema := c.schema
	schema.Names = c.rows
	return schema
}
