package codec

import (
	"mime"
	"strings"
)

// baseOf is a media type without its parameters, in lower case; "" where media is none.
func baseOf(media string) string {
	base, _, err := mime.ParseMediaType(media)
	if err != nil {
		return ""
	}
	return base
}

// formatOfMedia is the format of a media type, parameters aside; "" where the type tells none.
func formatOfMedia(media string) string { return formatOfBase(baseOf(media)) }

// formatOfBase is the format of a media type without parameters.
func formatOfBase(base string) string {
	switch base {
	case "text/csv":
		return FormatCSV
	case "application/jsonlines", "application/x-jsonlines", "application/jsonl",
		"application/x-ndjson", "application/ndjson":
		return FormatJSONL
	case "application/json":
		return formatJSON
	case "application/x-parquet", "application/vnd.apache.parquet", "application/parquet":
		return FormatParquet
	}
	return ""
}

// foreignTypes are media types whose bodies hold no answers: pages and what belongs to
// them, messages about errors, streams of events, and packed or binary forms that no
// decoder here reads. A type that servers use for want of a better one, such as
// text/plain or application/octet-stream, is not among them.
var foreignTypes = map[string]bool{
	"text/html": true, "text/css": true, "text/javascript": true, "text/xml": true,
	"text/event-stream": true,
	"application/xml":   true, "application/javascript": true, "application/ecmascript": true, "application/wasm": true,
	"application/problem+json": true, "application/pdf": true, "application/rtf": true,
	"application/zip": true, "application/gzip": true, "application/x-gzip": true, "application/zstd": true,
	"application/x-tar": true, "application/x-npy": true, "application/x-npz": true,
	"application/msgpack": true, "application/x-msgpack": true, "application/cbor": true, "application/avro": true,
	"application/protobuf": true, "application/x-protobuf": true, "application/grpc": true,
	"application/x-www-form-urlencoded": true,
}

// foreignKinds are the first parts of media types that hold no answers.
var foreignKinds = map[string]bool{"image": true, "audio": true, "video": true, "font": true, "model": true, "multipart": true, "message": true}

// foreign tells whether base is certainly no type of answers.
func foreign(base string) bool {
	kind, _, _ := strings.Cut(base, "/")
	return foreignTypes[base] || foreignKinds[kind] || strings.HasSuffix(base, "+xml") || strings.HasPrefix(base, "application/grpc")
}

// acceptTypes are the media types that an Accept header names, in its order, without parameters.
// The error is about the first that is none.
func acceptTypes(accept string) (types []string, err error) {
	if base, _, err := mime.ParseMediaType(accept); err == nil { // one type, whose parameters may hold a comma
		return []string{base}, nil
	}
	for part := range strings.SplitSeq(accept, ",") {
		base, _, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		types = append(types, base)
	}
	return types, nil
}

// names tells whether one of types is base, or names all types of its kind. A wildcard that
// may mean text names nothing: an Accept of */* asks for no page.
func names(types []string, base string) bool {
	kind, _, _ := strings.Cut(base, "/")
	for _, t := range types {
		if t == base || t == kind+"/*" && foreignKinds[kind] {
			return true
		}
	}
	return false
}
