// Package formats says what bytes mean: what a record is, how records become a
// payload, and how answers come back beside their records.
//
// A format is four verbs over one [Batch]: a [Reader] reads batches, an [Encoder]
// renders a payload, a [Decoder] finds the answers in a response, a [Joiner]
// writes joined records. The packages below are the formats:
//
//	csv       RFC 4180 with real-world manners
//	jsonl     JSON Lines, and JSON as hosts speak it
//	lines     opaque lines of text
//	parquet   Parquet, read by columns; written, copied and sent by its subpackages
//	json      JSON text in place, for csv and jsonl
//	compress  gzip, zstd and other compressed streams, under the text formats
//	charset   text of other encodings, read as UTF-8, under the text formats
//
// Formats meet only through [Row]: a CSV reader hands out rows, a JSON encoder
// takes rows. Where input, payload and output have one format, the format's
// package works on the raw bytes instead. No format knows jobs, hosts or stores.
package formats

import (
	"bytes"
	"fmt"
	"sort"
	"unicode/utf8"
)

// The defaults that formats share.
const (
	DefaultMaxRecord  = 16 << 20     // the longest record, in bytes
	DefaultAnswerName = "prediction" // the answer's column or key in joined output
)

// A Span is the half-open range [Start, End) of bytes in an arena.
type Span struct{ Start, End uint32 }

// A Batch is consecutive records of one object that travel in one request. A
// Batch has two faces: text formats fill Data, a format that stores columns
// fills Columns. Every format fills Recs and sets Rows.
type Batch struct {
	// First is the number of the batch's first record in its object, from 1.
	First int64
	// Offset is where Data[0] stands in the (decompressed) object, in bytes, as stored.
	Offset int64
	// Data is the arena: the records' bytes as they stood in the object. The batch
	// owns Data; Reset keeps the capacity.
	Data []byte
	// Recs holds a span of Data for each record, line end included, in order.
	// The spans of a batch of columns are empty.
	Recs []Span
	// Columns holds the records of a format that stores columns. Where Data holds
	// the records, Columns is nil, or left from an earlier use and of no meaning.
	// The batch owns Columns; Reset keeps the memory.
	Columns Columns
	// Gaps tells that bytes which belong to no record (blank lines) stand
	// between the first record and the last.
	Gaps bool
	// Blank is how many blank lines were passed over since the batch before: lines that are no records.
	// At the end of an object the empty batch holds those behind the last record.
	Blank int64
	// Skipped is how many lines were passed over for other reasons since the batch before: comments, and
	// lines before the header. Skipped lines behind the last record are told as blank ones are.
	Skipped int64
	// HeaderEnd is how the object's header line ends; empty where the object has none, or no line end behind it.
	HeaderEnd []byte
	// Flaws are the records that cannot be sent, by ascending Index. Flawed
	// records hold their place in the batch, so that record numbers stay true.
	Flaws []Flaw
	// Rows gives the records by fields, for a format other than their own.
	Rows Rows
	// Stored is set where Data was decoded from another encoding.
	Stored Stored
}

// Stored tells how text stands in the object that the text was decoded from.
type Stored interface {
	// Width is how many bytes text takes there.
	Width(text []byte) int64
	// Encode makes the bytes that text takes there.
	Encode(text []byte) []byte
}

// A Flaw says why the record Recs[Index] cannot be sent or written.
type Flaw struct {
	Index   int
	Reason  Reason
	Message string // one line: what is wrong and where in the record
}

// Reason is the machine-readable cause of a reject, as it stands in rejects files.
type Reason string

// The reasons that formats give.
const (
	ReasonRagged    Reason = "ragged"         // CSV: another number of fields
	ReasonQuote     Reason = "bad_quote"      // CSV: a bare or unclosed quote
	ReasonTooLarge  Reason = "too_large"      // longer than --max-record
	ReasonInvalid   Reason = "invalid_json"   // JSON Lines: not one valid JSON value
	ReasonUnicode   Reason = "not_unicode"    // text that is not Unicode, where it changes format or claims to be JSON
	ReasonEncoding  Reason = "bad_encoding"   // bytes that the object's encoding has no character for
	ReasonType      Reason = "column_type"    // a value that is not of its column's type
	ReasonKeyClash  Reason = "key_clash"      // JSON: holds the answer's key already
	ReasonNoColumn  Reason = "unknown_column" // JSON to CSV: a key that is no column
	ReasonNoField   Reason = "missing_field"  // a filter names a field it lacks
	ReasonBadAnswer Reason = "answer_shape"   // an answer that cannot stand in the output
)

// Len is the number of records in the batch, flawed ones included.
func (b *Batch) Len() int { return len(b.Recs) }

// Record is record i with its line end, aliasing Data.
func (b *Batch) Record(i int) []byte { return b.Data[b.Recs[i].Start:b.Recs[i].End] }

// OffsetOf is where record i begins in the (decompressed) object, in bytes, as stored.
func (b *Batch) OffsetOf(i int) int64 {
	before := int64(b.Recs[i].Start)
	if b.Stored != nil {
		before = b.Stored.Width(b.Data[:before])
	}
	return b.Offset + before
}

// RejectText is record i for its reject: its text, or its stored bytes where these have none.
func (b *Batch) RejectText(i int) []byte {
	rec := b.Record(i)
	if b.Stored == nil || utf8.Valid(rec) {
		return bytes.Clone(rec)
	}
	return b.Stored.Encode(rec)
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	if b.Columns != nil {
		b.Columns.Reset()
	}
	*b = Batch{Data: b.Data[:0], Recs: b.Recs[:0], Columns: b.Columns, Flaws: b.Flaws[:0]}
}

// Size is the memory that the batch's records take, in bytes.
func (b *Batch) Size() int {
	if b.Columns != nil {
		return len(b.Data) + b.Columns.Size()
	}
	return len(b.Data)
}

// Columns are the records of a batch by column, decoded as far as the job
// needs. Only the package that made Columns knows what they hold.
type Columns interface {
	// Size is the memory that the records take, in bytes; 0 after Reset.
	Size() int
	// Reset empties the columns and keeps their memory.
	Reset()
}

// AddFlaw notes that record i is flawed, unless it is known to be already.
func (b *Batch) AddFlaw(i int, reason Reason, format string, args ...any) {
	at := len(b.Flaws)
	for at > 0 && b.Flaws[at-1].Index >= i {
		at--
	}
	if at < len(b.Flaws) && b.Flaws[at].Index == i {
		return
	}
	b.Flaws = append(b.Flaws, Flaw{})
	copy(b.Flaws[at+1:], b.Flaws[at:])
	b.Flaws[at] = Flaw{Index: i, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Flaw is the flaw of record i, nil when the record has none. The pointer is
// good until the next AddFlaw.
func (b *Batch) Flaw(i int) *Flaw {
	if len(b.Flaws) == 0 { // the usual case, without a call
		return nil
	}
	return b.findFlaw(i)
}

func (b *Batch) findFlaw(i int) *Flaw {
	at := sort.Search(len(b.Flaws), func(k int) bool { return b.Flaws[k].Index >= i })
	if at < len(b.Flaws) && b.Flaws[at].Index == i {
		return &b.Flaws[at]
	}
	return nil
}

// Caps bound a batch: a batch is full when it holds Records records, or when one
// more record would take its Data over Bytes. A record larger than Bytes travels
// alone.
type Caps struct {
	Records int
	Bytes   int
}

// A Reader cuts one object's stream into batches, and reads only what Next needs.
type Reader interface {
	// Next replaces the content of b by the object's next records, at least one
	// record and at most caps. After the last record Next returns io.EOF and an
	// empty batch. Any other error means that the object cannot be read further;
	// records returned by earlier calls stay good. A read error of the source
	// comes back wrapped, never as io.EOF. Next only finds where records end;
	// flaws that need a look inside are left to Check.
	Next(b *Batch, caps Caps) error
	// Check adds the flaws that can be seen in the records themselves. Check may
	// run on many batches at once, and at the same time as Next.
	Check(b *Batch)
}

// A Schema is what a job learns from the beginning of its first object that is
// not empty. A Schema holds for every object of the job.
type Schema struct {
	// Names are the columns' names in order; nil when records have none.
	Names []string
	// Width is the number of fields of a record; 0 when it is not fixed.
	Width int
	// Header is the header line as it stood, BOM stripped, line end
	// included; nil when there is none.
	Header []byte
	// Why is what showed whether there is a header; empty where that was told.
	Why string
}

// Shape tells how the fields of a record hang together.
type Shape uint8

const (
	Scalar Shape = iota // one value and no name: a line, a JSON scalar
	List                // values without names
	Object              // values with names
)

// Kind is the type of a [Value].
type Kind uint8

const (
	Null   Kind = iota // Text is empty
	Number             // Text is a JSON number, verbatim
	Bool               // Text is true or false
	String             // Text is the decoded string, no quotes, no escapes
	JSON               // Text is a JSON array or object, or any value that a column's type calls JSON, verbatim
)

// A Value is one field of a record. Text is valid until the Row is used again.
type Value struct {
	Kind Kind
	Text []byte
}

// A Row is one record by fields, the face that every format shows to others.
// Numbers keep their text: nothing goes through a float.
type Row struct {
	// Need tells by place which values will be looked at; nil means all values,
	// and a value past the end of Need is not needed. A value that is not needed
	// may be left Null: to decode a value costs. Need is the caller's, and Reset
	// keeps it.
	Need   []bool
	Shape  Shape
	Names  []string // as long as Values when Shape is Object
	Values []Value
	Buf    []byte // memory for decoded text, kept between uses
}

// Reset empties the row and keeps its memory.
func (r *Row) Reset() {
	*r = Row{Need: r.Need, Names: r.Names[:0], Values: r.Values[:0], Buf: r.Buf[:0]}
}

// Rows reads records by fields.
type Rows interface {
	// Row resets r and fills it with record i of b, which must have no flaw. r may
	// alias b.Data and r.Buf. Row may run on many batches at once.
	Row(b *Batch, i int, r *Row) error
}

// Cells are Rows whose records all have the schema's columns, in their order,
// and whose Reader.Check has looked at every value. Single fields go into a
// payload without a row between.
type Cells interface {
	Rows
	// AppendCell appends the Text of field col of record i and tells its Kind.
	AppendCell(dst []byte, b *Batch, i, col int) ([]byte, Kind)
}

// An Encoder renders payloads. Its methods may run on many batches at once.
type Encoder interface {
	// Check adds a flaw for every record that cannot be rendered. Encoder.Check
	// runs after Reader.Check and leaves flawed records alone.
	Check(b *Batch)
	// Encode renders the records sel (ascending indexes, none flawed, at least
	// one) as one payload. Encode appends to dst, or returns a slice of b.Data
	// where the payload already stands there. The caller must not write to the
	// result, which ends with b's next use.
	Encode(dst []byte, b *Batch, sel []int32) []byte
}

// Form is how an answer is written.
type Form uint8

const (
	NoAnswer Form = iota // the record has no answer
	CSVForm              // one CSV record, no line end
	JSONForm             // one JSON value; line breaks only as white space
	LineForm             // one line of opaque text, no line end
)

// An Answer is what the host returned for one record: a range of bytes in the
// response or arena it was found in. The zero Answer is no answer.
type Answer struct {
	Start, End uint32
	Form       Form
}

// Answers holds a batch's answers, one for each record, in the same order.
type Answers struct {
	Data []byte
	List []Answer
}

// Bytes is answer i, aliasing Data; nil when the record has no answer.
func (a *Answers) Bytes(i int) []byte {
	if a.List[i].Form == NoAnswer {
		return nil
	}
	return a.Data[a.List[i].Start:a.List[i].End]
}

// A Decoder finds the answers in a response.
type Decoder interface {
	// Decode appends exactly want answers to dst, as ranges of the text that it
	// returns: body itself where the answers stand in it, or what body was decoded
	// to. When body does not hold exactly want answers the error is a *CountError,
	// when body cannot be parsed a *SyntaxError; with either error dst comes back
	// as it was.
	Decode(dst []Answer, body []byte, want int) (list []Answer, text []byte, err error)
	// Whole tells whether body shows by itself that nothing was cut off its
	// end: a final newline, or the end of the JSON document.
	Whole(body []byte) bool
}

// A CountError is a response with another number of answers than its batch
// has records. Nothing of such a response can be used.
type CountError struct{ Got, Want int }

func (e *CountError) Error() string {
	return fmt.Sprintf("%d answers for %d records", e.Got, e.Want)
}

// A SyntaxError is text that is not what its type says.
type SyntaxError struct {
	Offset  int64 // bytes from the beginning of what was parsed
	Message string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("byte %d: %s", e.Offset, e.Message)
}

// A Joiner writes output records. Its methods may run on many batches at once,
// but for Learn.
type Joiner interface {
	// Check adds a flaw for every record that cannot stand in the output.
	// Joiner.Check runs before the first request, so that no answer is paid for in
	// vain.
	Check(b *Batch)
	// Learn adds to l what an answer shows about it: the answers of the job come
	// in input order, until Learn returns true and l is fixed. NoAnswer says that
	// no answer will come any more, and Learn fixes what is still open. Where
	// answers decide nothing Learn does nothing.
	Learn(l *Layout, answer []byte, form Form) (fixed bool)
	// Fit looks at every answer of a; misfit is called for each that cannot
	// stand in an output of this layout.
	Fit(a *Answers, l *Layout, misfit func(i int, message string))
	// Begin appends what stands before an object's first output record. headerEnd is
	// how the object's header line ends, as the object's batches tell.
	Begin(dst []byte, l *Layout, headerEnd []byte) []byte
	// Join appends an output record for each record of b that has an answer, and
	// with placeholders also for each record that has no answer. Join returns how
	// many records it wrote, which the engine holds against its own count. The
	// output is text, or bytes that the format's own writer takes.
	Join(dst []byte, b *Batch, a *Answers, l *Layout, placeholders bool) ([]byte, int)
}
