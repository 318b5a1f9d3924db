package codec

import (
	"bytes"
	"cmp"
	"path"
	"strings"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/formats/jsonl"
	"github.com/batchmill/batchmill/transform/job"
)

// The formats by name.
const (
	FormatCSV     = "csv"
	FormatJSONL   = "jsonl"
	FormatLines   = "lines"
	FormatParquet = "parquet"

	formatJSON = "json" // one JSON document: of payloads, of answers, and of inputs that may be one
)

// extensions map a name's end to its format. Outputs get the first extension of their
// format.
var extensions = []struct{ ext, format string }{
	{".csv", FormatCSV}, {".tsv", FormatCSV},
	{".jsonl", FormatJSONL}, {".ndjson", FormatJSONL}, {".json", FormatJSONL},
	{".txt", FormatLines}, {".libsvm", FormatLines}, {".svm", FormatLines},
	{".parquet", FormatParquet}, {".pq", FormatParquet}, {".parq", FormatParquet},
}

// formatOfName goes by a name's extension, without the extension of a compression.
func formatOfName(name string) string {
	_, name = compress.OfFileName(name)
	ext := strings.ToLower(path.Ext(name))
	for _, e := range extensions {
		if e.ext == ext {
			return e.format
		}
	}
	return ""
}

// isDocument tells whether a name is that of one JSON document, or of lines: the first bytes tell which.
func isDocument(name string) bool {
	_, name = compress.OfFileName(name)
	return strings.ToLower(path.Ext(name)) == ".json"
}

// formatOfContent guesses the format from an object's first bytes; "" where these do not tell.
func formatOfContent(head []byte) string {
	if k := kindOf(head); k != nil && k.cure == otherName {
		return FormatParquet
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(head) > 0 && head[0] == '{' {
		return FormatJSONL
	}
	return ""
}

// outputName is where the object whose path below the input is rel goes: the
// same path, with the extension of the output's format where the formats differ,
// and with the extension of the output's compression in place of the input's.
func outputName(rel, inFormat, outFormat string, out compress.Codec) string {
	_, rel = compress.OfFileName(rel)
	lines := inFormat == formatJSON && outFormat == FormatJSONL && !isDocument(rel) // lines beside documents
	if inFormat != outFormat && !lines {
		if formatOfName(rel) != "" {
			rel = strings.TrimSuffix(rel, path.Ext(rel))
		}
		rel += extensionOf(outFormat)
	}
	return rel + out.Ext()
}

// OutputNames is how a job names its outputs whose identity has these formats,
// and this compression.
func OutputNames(in, out, compression string) func(rel string) string {
	packed := compress.None
	if out != FormatParquet {
		packed, _ = compress.ByName(compression)
	}
	return func(rel string) string { return outputName(rel, in, out, packed) }
}

func extensionOf(format string) string {
	for _, e := range extensions {
		if e.format == format {
			return e.ext
		}
	}
	return ""
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
	case FormatCSV:
		return "text/csv"
	case FormatLines:
		return "text/plain"
	}
	return "application/jsonlines" // for Parquet too
}

// wraps are the values of --payload-wrap for a JSON document.
var wraps = map[string]jsonl.Wrap{"none": jsonl.WrapArray, "instances": jsonl.WrapInstances, "dataframe_split": jsonl.WrapSplit}

// payloadOf finds the payload's format for a content type.
func payloadOf(s *job.Spec, inFormat string) (payload, error) {
	p := payload{media: s.ContentType}
	if p.media == "" {
		p.media = defaultMedia(inFormat)
		if s.PayloadWrap != "none" {
			p.media = "application/json"
		}
	}
	if p.format = cmp.Or(formatOfMedia(p.media), FormatLines); p.format == formatJSON {
		p.format, p.wrap = FormatJSONL, wraps[s.PayloadWrap]
	}
	if inFormat == FormatLines && p.format == FormatCSV {
		p.format = FormatLines // lines are what their content type says they are
	}
	switch {
	case p.format == FormatLines && inFormat != FormatLines:
		return p, job.Usagef("use text/csv, application/jsonlines, application/json or application/x-parquet, or read the input with --input-format lines",
			"--content-type %s: %s records cannot be rendered as that", p.media, inFormat)
	case inFormat == FormatLines && p.format == FormatParquet:
		return p, job.Usagef("use another --content-type", "--content-type %s: lines have no columns", p.media)
	case s.PayloadWrap != "none" && p.wrap != wraps[s.PayloadWrap]:
		return p, job.Usagef("use --content-type application/json", "--payload-wrap %s does not go with --content-type %s", s.PayloadWrap, p.media)
	}
	return p, nil
}
