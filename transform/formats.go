package transform

import (
	"bytes"
	"mime"
	"path"
	"strings"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/formats/jsonl"
)

// The formats by name. The switches of this file are the only places that
// list them: a new format is one package and one case in each.
const (
	formatCSV   = "csv"
	formatJSONL = "jsonl"
	formatLines = "lines"

	formatParquet = "parquet"
)

// extensions map a name's end to its format. The first extension of a format
// is the one that outputs get.
var extensions = []struct{ ext, format string }{
	{".csv", formatCSV}, {".tsv", formatCSV},
	{".jsonl", formatJSONL}, {".ndjson", formatJSONL}, {".json", formatJSONL},
	{".txt", formatLines}, {".libsvm", formatLines}, {".svm", formatLines},
	{".parquet", formatParquet}, {".pq", formatParquet}, {".parq", formatParquet},
}

// formatOfName goes by a name's extension, that of a compression aside.
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

// formatOfContent guesses from an object's first bytes; "" when it cannot.
func formatOfContent(head []byte) string {
	if bytes.HasPrefix(head, []byte("PAR1")) || bytes.HasPrefix(head, []byte("PARE")) {
		return formatParquet
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(head) > 0 && head[0] == '{' {
		return formatJSONL
	}
	return ""
}

// outputName is where the object whose path below the input is rel goes: the
// same path, with the extension of the output's format where that is another,
// and with that of the output's compression in place of the input's.
func outputName(rel, inFormat, outFormat string, out compress.Codec) string {
	_, rel = compress.OfFileName(rel)
	if inFormat != outFormat {
		if formatOfName(rel) != "" {
			rel = strings.TrimSuffix(rel, path.Ext(rel))
		}
		rel += extensionOf(outFormat)
	}
	return rel + out.Ext()
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
	case formatCSV:
		return "text/csv"
	case formatLines:
		return "text/plain"
	}
	return "application/jsonlines" // for Parquet too
}

// wraps are the values of --payload-wrap for a JSON document.
var wraps = map[string]jsonl.Wrap{"none": jsonl.WrapArray, "instances": jsonl.WrapInstances, "dataframe_split": jsonl.WrapSplit}

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
		p.format, p.wrap = formatJSONL, wraps[s.PayloadWrap]
	case answersParquet:
		p.format = formatParquet
	default:
		p.format = formatLines
	}
	if inFormat == formatLines && p.format == formatCSV {
		p.format = formatLines // lines are what their content type says they are
	}
	switch {
	case p.format == formatLines && inFormat != formatLines:
		return p, usage("use text/csv, application/jsonlines, application/json or application/x-parquet, or read the input with --input-format lines",
			"--content-type %s: %s records cannot be rendered as that", p.media, inFormat)
	case inFormat == formatLines && p.format == formatParquet:
		return p, usage("use another --content-type", "--content-type %s: lines have no columns", p.media)
	case s.PayloadWrap != "none" && p.wrap != wraps[s.PayloadWrap]:
		return p, usage("use --content-type application/json", "--payload-wrap %s does not go with --content-type %s", s.PayloadWrap, p.media)
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
	answersParquet = "parquet"
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
	case "application/x-parquet", "application/vnd.apache.parquet", "application/parquet":
		return answersParquet
	}
	return answersUnknown
}
