package codec

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/formats/fields"
	"github.com/batchmill/batchmill/formats/json"
	"github.com/batchmill/batchmill/formats/jsonl"
	"github.com/batchmill/batchmill/formats/lines"
	"github.com/batchmill/batchmill/formats/parquet"
	pqpayload "github.com/batchmill/batchmill/formats/parquet/payload"
	"github.com/batchmill/batchmill/transform/job"
)

// A Response is how a response is read, by its Content-Type, and what that type says.
type Response struct {
	formats.Decoder
	Type    string // without parameters; "" where the host names none
	Asked   bool   // the type, or another name of its format, is one that requests accept
	Foreign bool   // the type is certainly none of answers, and --accept does not name it
}

// Response reads a response: by its Content-Type if that type is known, else by Accept.
func (c *Codec) Response(contentType string) Response {
	base := baseOf(contentType)
	own := formatOfBase(base)
	format := cmp.Or(own, c.answers.format)
	r := Response{Decoder: c.decoder(format, contentType), Type: base, Asked: names(c.answers.types, base)}
	r.Foreign = !r.Asked && foreign(base)
	r.Asked = r.Asked || own != "" && own == c.answers.format
	return r
}

// answers is what requests accept.
type answers struct {
	accept string   // as requests say it
	types  []string // media types without parameters
	format string   // of the first type that tells one; "" where none does
	// isHeader tells by its fields whether the first record of a CSV response is a header; nil where none has one.
	isHeader func(fields []string) bool
	names    fields.Names
	// specials: the protocol has bare words for NaN and infinities in JSON.
	specials bool
}

// answerNames reads --answer-name and --answer-columns. Out is the output's format.
func answerNames(s *job.Spec, out string) (fields.Names, error) {
	n := fields.Names{Answer: s.AnswerName}
	switch {
	case s.AnswerColumns == "":
		return n, nil
	case out == FormatLines:
		return n, job.Usagef("leave it out, or use --output-format csv, jsonl or parquet", "--answer-columns: lines have no columns")
	}
	const how = "write names separated by commas, such as class,score; a name with a comma stands in JSON quotes"
	names, err := jsonl.ParseFilter(s.AnswerColumns)
	if err != nil {
		return n, job.Usagef(how, "--answer-columns: %w", err)
	}
	for _, name := range names {
		switch {
		case name == "":
			return n, job.Usagef(how, "--answer-columns %s: a name is empty", strconv.Quote(s.AnswerColumns))
		case !utf8.ValidString(name):
			return n, job.Usagef(how, "--answer-columns: the name %.100q is not UTF-8", name)
		}
	}
	n.Columns = names
	return n, nil
}

// keyed tells whether answers may be objects.
func (a *answers) keyed() bool {
	return a.format == FormatJSONL || a.format == formatJSON || a.format == FormatParquet
}

func answersOf(accept string) (a answers, err error) {
	a.accept = accept
	a.types, err = acceptTypes(accept)
	for _, t := range a.types {
		a.format = cmp.Or(a.format, formatOfBase(t))
	}
	return a, err
}

func (c *Codec) decoder(format, contentType string) formats.Decoder {
	switch {
	case c.spec.Answers == "per-batch":
		return unmarked{wholeDecoder{}}
	case format == FormatParquet:
		most := max(int(c.spec.MaxResponse), 8<<20) // for decoded answers too: many decoders may be at work
		return pqpayload.Decoder{Options: parquet.Options{MaxRecord: most, MaxPage: most, MaxFooter: most, Memory: most}, MaxText: most}
	}
	return inCharset(unmarked{c.textDecoder(format)}, contentType)
}

func (c *Codec) textDecoder(format string) formats.Decoder {
	switch format {
	case FormatCSV:
		return c.crossed(&csv.Decoder{IsHeader: c.answers.isHeader}, FormatCSV)
	case FormatJSONL:
		return jsonl.Decoder{Specials: c.answers.specials}
	case formatJSON:
		return jsonl.Decoder{Doc: true, Path: c.path, Specials: c.answers.specials}
	}
	return c.crossed(lines.Decoder{}, FormatLines)
}

// answerHeader resolves --answer-header. What auto takes for a header is nothing but what the
// job calls its columns: the names of the input or of what is sent of it, the names of the
// answer, or the former and then the latter. A guess by looks could take the first
// record's answer for a header, and give every record its neighbour's answer.
func (c *Codec) answerHeader() (isHeader func(fields []string) bool, err error) {
	switch {
	case c.spec.AnswerHeader == "no":
		return nil, nil
	case c.answers.format != FormatCSV:
		return nil, job.Usagef("leave it out, or use --accept text/csv", "--answer-header is for answers in CSV, and --accept is %s", c.answers.accept)
	case c.spec.AnswerHeader == "yes":
		return func(header []string) bool { return !c.otherOrder(header) }, nil
	}
	names, sent := c.schema.Names, c.schema.Names
	if filter, err := csv.ParseFilter(c.spec.InputFilter); err == nil && c.spec.InputFilter != "" { // else Bind refuses it elsewhere
		if picks, err := filter.Resolve(names, len(names)); err == nil {
			sent = nil
			for _, k := range picks {
				sent = append(sent, names[k])
			}
		}
	}
	return func(fields []string) bool {
		for _, in := range [][]string{names, sent, nil} {
			if n := len(in); n <= len(fields) && slices.Equal(fields[:n], in) && (n > 0 && n == len(fields) || c.namesAnswer(fields[n:])) {
				return true
			}
		}
		return false
	}, nil
}

// otherOrder tells whether header has the names of --answer-columns in another order: then
// each name would stand over another's values, and the response is no good answer.
func (c *Codec) otherOrder(header []string) bool {
	n := c.answers.names.Columns
	return !slices.Equal(header, n) && slices.Equal(slices.Sorted(slices.Values(header)), slices.Sorted(slices.Values(n)))
}

// namesAnswer tells whether header is what outputs call the answer.
func (c *Codec) namesAnswer(header []string) bool {
	n := c.answers.names
	if n.Columns != nil {
		return slices.Equal(header, n.Columns)
	}
	return len(header) > 0 && (slices.Equal(header, n.Places(len(header))) || len(header) == 1 && header[0] == n.Whole()+"_1")
}

// unmarked is a decoder of responses that may begin with a byte order mark, which is no part
// of the first answer.
type unmarked struct{ formats.Decoder }

var utf8Mark = []byte("\xef\xbb\xbf")

func (d unmarked) Decode(dst []formats.Answer, body []byte, want int) ([]formats.Answer, []byte, error) {
	return d.Decoder.Decode(dst, bytes.TrimPrefix(body, utf8Mark), want)
}

func (d unmarked) Whole(body []byte) bool { return d.Decoder.Whole(bytes.TrimPrefix(body, utf8Mark)) }

// seed makes shapes comparable within a process; they are kept nowhere else.
var seed = maphash.MakeSeed()

// ShapeOf is what an answer has in common with other answers of its kind: of CSV the number
// of fields and whether all are numbers, of JSON the kind of value and the keys of an object,
// and of any text whether markup begins there. An answer that says nothing, such as null, has the shape 0. Page tells that an answer begins as an
// HTML page does, prose that it reads as a sentence does.
func ShapeOf(answer []byte, form formats.Form) (shape uint64, page, prose bool) {
	text := bytes.TrimLeft(answer, " \t\r\n")
	markup := len(text) > 0 && text[0] == '<'
	page, prose = markup && beginsPage(text), form != formats.JSONForm && sentence(text)
	var h maphash.Hash
	h.SetSeed(seed)
	head := [...]byte{byte(form), flag(markup), 0, 0, 0}
	switch form {
	case formats.CSVForm:
		fields, numbers, nothing := csv.Describe(answer)
		if nothing {
			return 0, page, prose
		}
		head[2], head[3], head[4] = flag(numbers), byte(fields), byte(fields>>8)
	case formats.JSONForm:
		if json.KindOf(text) == formats.Null || json.IsSpecial(text) {
			return 0, false, false
		}
		head[1] = 0
		writeShape(&h, text)
	}
	_, _ = h.Write(head[:]) // a hash returns no error
	return h.Sum64(), page, prose
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// sentence tells whether text has three words at least, of letters.
func sentence(text []byte) bool {
	words := 0
	for word := range bytes.FieldsSeq(text) {
		if c := word[0] | 0x20; c >= 'a' && c <= 'z' || c >= utf8.RuneSelf {
			if words++; words == 3 {
				return true
			}
		}
	}
	return false
}

// beginsPage tells whether text, which begins with <, is the beginning of an HTML page.
func beginsPage(text []byte) bool {
	for _, tag := range []string{"<!doctype", "<html", "<head", "<body"} {
		if len(text) >= len(tag) && bytes.EqualFold(text[:len(tag)], []byte(tag)) {
			return true
		}
	}
	return false
}

// writeShape adds the shape of a JSON value to h.
func writeShape(h *maphash.Hash, value []byte) {
	kind := json.KindOf(value)
	_ = h.WriteByte(byte(kind)) // a hash returns no error
	if kind != formats.JSON {
		return
	}
	_ = h.WriteByte(value[0])
	for key := range json.Members(value) {
		_, _ = h.Write(value[key.Start:key.End])
	}
}
