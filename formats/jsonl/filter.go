package jsonl

import (
	"slices"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// A Filter names the top-level keys to keep. The nil Filter keeps everything.
type Filter []string

// ParseFilter reads keys separated by commas. A key that holds a comma or a
// quote, or that begins or ends in white space, stands in JSON quotes. An error is a
// *formats.SyntaxError with the offset in text.
func ParseFilter(text string) (Filter, error) {
	var f Filter
	for at := 0; ; {
		key, end, err := filterKey(text, at)
		if err != nil {
			return nil, err
		}
		if slices.Contains(f, key) {
			return nil, syntax(at, "the key "+quote(key)+" stands there twice")
		}
		f = append(f, key)
		if end == len(text) {
			return f, nil
		}
		at = end + 1
	}
}

// filterKey reads the key at text[at:], and where the comma behind it stands.
func filterKey(text string, at int) (key string, end int, err error) {
	for at < len(text) && text[at] == ' ' {
		at++
	}
	if at < len(text) && text[at] == '"' {
		return quotedKey(text, at)
	}
	end = len(text)
	if i := strings.IndexByte(text[at:], ','); i >= 0 {
		end = at + i
	}
	key = strings.TrimSpace(text[at:end])
	switch {
	case key == "":
		return "", 0, syntax(at, `a key is missing; the empty key is written ""`)
	case key == "$" || strings.HasPrefix(key, "$.") || strings.HasPrefix(key, "$["):
		return "", 0, syntax(at, quote(key)+" is a JSONPath, which is not supported; write names of top-level keys; a key that is called so stands in JSON quotes")
	}
	return key, end, nil
}

// quotedKey reads a key in JSON quotes, and where the comma behind it stands.
func quotedKey(text string, at int) (key string, end int, err error) {
	for end = at + 1; end < len(text) && text[end] != '"'; end++ {
		if text[end] == '\\' {
			end++
		}
	}
	if end >= len(text) || json.Sound([]byte(text[at:end+1])) != nil {
		return "", 0, syntax(at, "a quoted key must be a JSON string")
	}
	key = string(json.Unquote(nil, []byte(text[at:end+1])))
	end++
	for end < len(text) && text[end] == ' ' {
		end++
	}
	if end < len(text) && text[end] != ',' {
		return "", 0, syntax(end, "a comma must follow a quoted key")
	}
	return key, end, nil
}

func syntax(at int, message string) error {
	return &formats.SyntaxError{Offset: int64(at), Message: message}
}

// quote writes text from outside into a message, cut and escaped.
func quote(text string) string {
	const most = 40
	cut := ""
	if len(text) > most {
		text, cut = text[:most], "..."
	}
	return string(json.AppendString(nil, []byte(text))) + cut
}

// wants tells whether f keeps the key called name.
func (f Filter) wants(name string) bool { return f == nil || slices.Contains(f, name) }

// wantsLit is wants for a key as it stands in JSON.
func (f Filter) wantsLit(lit []byte) bool {
	return slices.ContainsFunc(f, func(name string) bool { return keyIs(lit, name) })
}

// missing is the first key that object, valid and trimmed, lacks.
func (f Filter) missing(object []byte) (string, bool) {
	for _, name := range f {
		if !holdsKey(object, name) {
			return name, true
		}
	}
	return "", false
}

// appendRaw appends the members of object that f names as they stand there,
// without braces.
func (f Filter) appendRaw(dst, object []byte) []byte {
	first := true
	for key, value := range json.Members(object) {
		if !f.wantsLit(object[key.Start:key.End]) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(dst, object[key.Start:key.End]...), ':')
		dst = append(dst, object[value.Start:value.End]...)
	}
	return dst
}
