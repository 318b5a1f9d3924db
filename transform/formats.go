package transform

import (
	"bytes"
	"io"
	"mime"
	"path"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/formats/jsonl"
	"github.com/batchmill/batchmill/formats/lines"
)

// The formats by name. The switches of this file are the only places that
// list them: a new format is one package and one case in each.
const (
	formatCSV   = "csv"
	formatJSONL = "jsonl"
	formatLines = "lines"
)

// extensions map a name's end to its format. The first extension of a format
// is the one that outputs get.
var extensions = []struct{ ext, format string }{
	{".csv", formatCSV}, {".tsv", formatCSV},
	{".jsonl", formatJSONL}, {".ndjson", formatJSONL}, {".json", formatJSONL},
	{".txt", formatLines}, {".libsvm", formatLines}, {".svm", formatLines},
}

func formatOfName(name string) string {
	ext := strings.ToLower(path.Ext(name))
	for _, e := range extensions {
		if e.ext == ext {
			return e.format
		}
	}
	return ""
}

// formatOfContent guesses from an object's first bytes; "" when it cannot.
func formatOfContent(head []byte) string {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(head) > 0 && head[0] == '{' {
		return formatJSONL
	}
	return ""
}

// outputName is where the object whose path below the input is rel goes: the
// same path, with the extension of the output's format where that is another.
func outputName(rel, inFormat, outFormat string) string {
	if inFormat == outFormat {
		return rel
	}
	if formatOfName(rel) != "" {
		rel = strings.TrimSuffix(rel, path.Ext(rel))
	}
	for _, e := range extensions {
		if e.format == outFormat {
			return rel + e.ext
		}
	}
	return rel
}

// payload is what hosts get: a format and how records are put together in it.
type payload struct {
	format string
	wrap   jsonl.Wrap
	media  string // the Content-Type, exactly as asked
}

// defaultMedia is the Content-Type of an input format.
func defaultMedia(format string) string {
	switch format {
	case formatCSV:
		return "text/csv"
	case formatLines:
		return "text/plain"
	}
	return "application/jsonlines"
}

// payloadOf finds the payload's format for a content type.
func payloadOf(s *Spec, inFormat string) (payload, error) {
	p := payload{media: s.ContentType}
	if p.media == "" {
		p.media = defaultMedia(inFormat)
		if s.PayloadWrap != "none" {
			p.media = "application/json"
		}
	}
	switch answerFormat(p.media) {
	case answersCSV:
		p.format = formatCSV
	case answersJSONL:
		p.format = formatJSONL
	case answersJSON:
		p.format, p.wrap = formatJSONL, jsonl.WrapArray
		if s.PayloadWrap == "instances" {
			p.wrap = jsonl.WrapInstances
		}
	default:
		p.format = formatLines
	}
	if inFormat == formatLines && p.format != formatJSONL {
		p.format = formatLines // lines are what their content type says they are
	}
	switch {
	case p.format == formatLines && inFormat != formatLines:
		return p, usage("use text/csv, application/jsonlines or application/json, or read the input with --input-format lines",
			"--content-type %s: %s records cannot be rendered as that", p.media, inFormat)
	case s.PayloadWrap == "instances" && p.wrap != jsonl.WrapInstances:
		return p, usage("use --content-type application/json", "--payload-wrap instances does not go with --content-type %s", p.media)
	}
	return p, nil
}

// The ways a response can be read.
const (
	answersUnknown = ""
	answersCSV     = "csv"
	answersJSONL   = "jsonl"
	answersJSON    = "json"
	answersLines   = "lines"
)

// answerFormat is how text of a media type is read, parameters aside.
func answerFormat(media string) string {
	base, _, err := mime.ParseMediaType(media)
	if err != nil {
		return answersUnknown
	}
	switch base {
	case "text/csv":
		return answersCSV
	case "application/jsonlines", "application/x-jsonlines", "application/jsonl",
		"application/x-ndjson", "application/ndjson":
		return answersJSONL
	case "application/json":
		return answersJSON
	}
	return answersUnknown
}

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

	encoder formats.Encoder
	joiner  formats.Joiner
}

func (c *codec) csvOptions() csv.Options {
	modes := map[string]csv.HeaderMode{"auto": csv.HeaderAuto, "yes": csv.HeaderYes, "no": csv.HeaderNo}
	return csv.Options{Dialect: c.dialect, Header: modes[c.spec.Header], Ragged: c.spec.Ragged, MaxRecord: int(c.spec.MaxRecord), Types: c.types}
}

// sniff learns the schema from the beginning of an object.
func (c *codec) sniff(r io.Reader) (formats.Schema, error) {
	switch c.in {
	case formatCSV:
		return csv.Sniff(r, c.csvOptions())
	case formatJSONL:
		return jsonl.Sniff(r, jsonl.Options{MaxRecord: int(c.spec.MaxRecord)})
	}
	return formats.Schema{}, nil
}

// reader cuts one object of the job.
func (c *codec) reader(r io.Reader) formats.Reader {
	switch c.in {
	case formatCSV:
		return csv.NewReader(r, c.csvOptions(), c.schema)
	case formatJSONL:
		return jsonl.NewReader(r, jsonl.Options{MaxRecord: int(c.spec.MaxRecord)})
	}
	return lines.NewReader(r, int(c.spec.MaxRecord))
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
	if c.types, err = c.newTypes(); err != nil {
		return err
	}
	if c.encoder, err = c.newEncoder(); err != nil {
		return err
	}
	c.joiner, err = c.newJoiner()
	return err
}

// newTypes resolves --column-type, which must have something to say.
func (c *codec) newTypes() ([]csv.Type, error) {
	switch {
	case len(c.spec.ColumnType) == 0:
		return nil, nil
	case c.in != formatCSV:
		return nil, usage("leave it out", "--column-type is for CSV input, and the input is %s", c.in)
	case c.payload.format == formatCSV && !(c.out == formatJSONL && c.spec.Join == "input"):
		return nil, usage("leave it out, or use --content-type application/jsonlines, or --output-format jsonl with --join input",
			"--column-type says how CSV fields become JSON, and no record of this job does")
	}
	return orUsage(csv.ResolveTypes(c.spec.ColumnType, c.schema.Names, c.schema.Width))
}

func (c *codec) newEncoder() (formats.Encoder, error) {
	switch c.payload.format {
	case formatCSV:
		filter, err := parseFilter("--input-filter", c.spec.InputFilter, csv.ParseFilter)
		if err != nil {
			return nil, err
		}
		// What travels as text/csv is plain CSV, whatever dialect the files have.
		plain := c.dialect.Plain()
		cfg := csv.EncoderConfig{Names: c.schema.Names, Width: c.schema.Width, Verbatim: c.in == formatCSV && plain, Filter: filter}
		if c.spec.SendHeader {
			if cfg.Header = c.schema.Header; cfg.Header == nil {
				return nil, usage("leave it out, or use --header yes", "--send-header: the input has no header")
			}
			if !plain {
				cfg.Header = csv.HeaderLine(csv.Dialect{}, c.schema.Names)
			}
		}
		return orUsage(csv.NewEncoder(cfg))
	case formatJSONL:
		filter, err := parseFilter("--input-filter", c.spec.InputFilter, jsonl.ParseFilter)
		if err != nil {
			return nil, err
		}
		return orUsage(jsonl.NewEncoder(jsonl.EncoderConfig{Wrap: c.payload.wrap, Verbatim: c.in == formatJSONL, Filter: filter}))
	}
	if c.spec.InputFilter != "" {
		return nil, usage("leave it out", "--input-filter: lines are never parsed, so they cannot be filtered")
	}
	return orUsage(lines.NewEncoder(lines.EncoderConfig{Verbatim: c.in == formatLines}))
}

func (c *codec) newJoiner() (formats.Joiner, error) {
	joined := c.spec.Join == "input"
	switch {
	case c.spec.Answers == "per-batch":
		return wholeResponses{}, nil
	case joined && c.in == formatLines:
		return nil, usage("use --join none, or another --input-format", "--join input: lines are never parsed, so nothing can be joined to them")
	case c.out == formatCSV:
		filter, err := parseFilter("--output-filter", c.spec.OutputFilter, csv.ParseFilter)
		if err != nil {
			return nil, err
		}
		return orUsage(csv.NewJoiner(csv.JoinerConfig{Dialect: c.dialect, Answers: csv.Dialect{}, Input: joined, Verbatim: c.in == formatCSV,
			Schema: c.schema, AnswerName: c.spec.AnswerName, Filter: filter}))
	case c.out == formatJSONL:
		filter, err := parseFilter("--output-filter", c.spec.OutputFilter, jsonl.ParseFilter)
		if err != nil {
			return nil, err
		}
		return orUsage(jsonl.NewJoiner(jsonl.JoinerConfig{Input: joined, Verbatim: c.in == formatJSONL,
			Schema: c.schema, AnswerName: c.spec.AnswerName, Filter: filter}))
	case c.spec.OutputFilter != "":
		return nil, usage("leave it out", "--output-filter: lines are never parsed, so they cannot be filtered")
	}
	return orUsage(lines.NewJoiner(lines.JoinerConfig{Input: joined}))
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

// wholeResponses writes what came from the hosts as it came, for
// --answers per-batch. The response stands as the answer of its first record;
// the other records have empty ones.
type wholeResponses struct{}

func (wholeResponses) Check(*formats.Batch)                                   {}
func (wholeResponses) Width([]byte, formats.Form) int                         { return 0 }
func (wholeResponses) Fit(*formats.Answers, int, func(i int, message string)) {}
func (wholeResponses) Begin(dst []byte, _ int) []byte                         { return dst }

func (wholeResponses) Join(dst []byte, _ *formats.Batch, a *formats.Answers, _ int, _ bool) ([]byte, int) {
	answered := 0
	for i := range a.List {
		if a.List[i].Form != formats.NoAnswer {
			answered++
		}
		text := a.Bytes(i)
		if len(text) == 0 {
			continue
		}
		dst = append(dst, text...)
		if text[len(text)-1] != '\n' {
			dst = append(dst, '\n')
		}
	}
	return dst, answered
}
