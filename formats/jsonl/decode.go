package jsonl

import (
	"bytes"
	"errors"
	"math"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// A Decoder finds the answers in a JSON response. The zero Decoder reads JSON Lines.
type Decoder struct {
	// Doc: the response is one JSON document. An array is the list of answers; an
	// object holds the list under predictions, under instances, or where Path
	// says. Nothing else is guessed.
	Doc bool
	// Path is where the list stands in an object; the zero Path names none.
	Path Path
	// Specials: the bare words NaN, Infinity and -Infinity are values, as some protocols have them though
	// JSON has not. Answers have them as strings.
	Specials bool
}

var _ formats.Decoder = Decoder{}

// Decode implements [formats.Decoder]. The whole body is checked to be valid and
// Unicode before any of it is taken. Answers are trimmed of white space. With Specials, offsets in errors
// count the quotes that such words get.
func (d Decoder) Decode(dst []formats.Answer, body []byte, want int) (list []formats.Answer, text []byte, err error) {
	if d.Specials {
		body = json.QuoteSpecials(body)
	}
	switch {
	case len(body) > math.MaxUint32:
		return dst, body, syntax(0, "the response is longer than 4 GiB")
	case d.Doc:
		list, err = d.document(dst, body, want)
	default:
		list, err = decodeLines(dst, body, want)
	}
	if err == nil {
		err = json.Unicode(body)
	}
	if err != nil {
		list = list[:len(dst)]
	}
	return list, body, err
}

// Whole implements [formats.Decoder]. A number may be cut and still be a
// number, so a document must end in a bracket.
func (d Decoder) Whole(body []byte) bool {
	if !d.Doc {
		return len(body) > 0 && body[len(body)-1] == '\n'
	}
	doc := trim(body)
	if d.Specials {
		doc = json.QuoteSpecials(doc)
	}
	if len(doc) == 0 || doc[len(doc)-1] != '}' && doc[len(doc)-1] != ']' {
		return false
	}
	return json.Valid(doc) == nil
}

// decodeLines takes each line that is not blank as an answer. decodeLines keeps no more
// answers than are wanted, but looks at all lines, so that the error can say how many
// answers there are.
func decodeLines(dst []formats.Answer, body []byte, want int) ([]formats.Answer, error) {
	kept, got := len(dst), 0
	for start := 0; start < len(body); {
		end := len(body)
		if n := bytes.IndexByte(body[start:], '\n'); n >= 0 {
			end = start + n + 1
		}
		line := json.Trim(body[start:end])
		if line.Start < line.End {
			if err := json.Valid(body[start:end]); err != nil {
				return dst[:kept], within(err, start)
			}
			if got++; got <= want {
				dst = append(dst, answer(shift(line, uint32(start))))
			}
		}
		start = end
	}
	if got != want {
		return dst[:kept], &formats.CountError{Got: got, Want: want}
	}
	return dst, nil
}

// within moves a syntax error by start, where the text that the error is about begins.
func within(err error, start int) error {
	var e *formats.SyntaxError
	if errors.As(err, &e) {
		return &formats.SyntaxError{Offset: e.Offset + int64(start), Message: e.Message}
	}
	return err
}

func answer(s formats.Span) formats.Answer {
	return formats.Answer{Start: s.Start, End: s.End, Form: formats.JSONForm}
}

// document takes the elements of the list in one JSON document.
func (d Decoder) document(dst []formats.Answer, body []byte, want int) ([]formats.Answer, error) {
	if err := json.Valid(body); err != nil {
		return dst, err
	}
	list, err := d.list(body)
	if err != nil {
		return dst, err
	}
	if body[list.Start] != '[' {
		return dst, syntax(int(list.Start), "the answers must be a JSON array, and this is "+
			describe(body[list.Start:list.End])+"; name the array with --answer-path")
	}
	kept, got := len(dst), 0
	for e := range json.Elements(body[list.Start:list.End]) {
		if got++; got <= want {
			dst = append(dst, answer(shift(e, list.Start)))
		}
	}
	if got != want {
		return dst[:kept], &formats.CountError{Got: got, Want: want}
	}
	return dst, nil
}

// list finds the list of answers in doc, a valid document.
func (d Decoder) list(doc []byte) (formats.Span, error) {
	root := json.Trim(doc)
	if !isObject(doc[root.Start:root.End]) {
		return root, nil
	}
	if len(d.Path.steps) > 0 {
		return d.Path.find(doc, root)
	}
	predictions, p := member(doc, root, "predictions")
	instances, n := member(doc, root, "instances")
	switch {
	case p+n > 1:
		return root, syntax(int(root.Start), `the keys "predictions" and "instances" stand there more than once together; `+
			"have the host send one of them, or name the list with --answer-path")
	case p == 1:
		return predictions, nil
	case n == 1:
		return instances, nil
	}
	return root, syntax(int(root.Start), "no list of answers: found "+describe(doc[root.Start:root.End])+
		`, without "predictions" and "instances"; name the list with --answer-path`)
}

// describe says in a few words what a valid value is, for messages.
func describe(value []byte) string {
	const most = 5
	switch json.KindOf(value) {
	case formats.Null:
		return "null"
	case formats.Bool:
		return "a boolean"
	case formats.Number:
		return "a number"
	case formats.String:
		return "a string"
	}
	if !isObject(value) {
		return "an array"
	}
	var keys []string
	for key := range json.Members(value) {
		if len(keys) == most {
			keys = append(keys, "...")
			break
		}
		keys = append(keys, quote(string(json.Unquote(nil, value[key.Start:key.End]))))
	}
	if len(keys) == 0 {
		return "an empty object"
	}
	return "an object with the keys " + strings.Join(keys, ", ")
}
