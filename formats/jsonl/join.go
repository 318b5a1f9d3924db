package jsonl

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/fields"
	"github.com/batchmill/batchmill/formats/json"
)

// inputName is the key of a record that is no object.
const inputName = "input"

// JoinerConfig says how output records are written as JSON Lines.
type JoinerConfig struct {
	// Input: the record stands beside its answer. Without Input, answers stand alone.
	Input bool
	// Verbatim: the input is JSON Lines, so its bytes are what goes out.
	Verbatim bool
	// Schema is the input's; its Names must not hold AnswerName.
	Schema formats.Schema
	// AnswerName is the answer's key; empty means [formats.DefaultAnswerName].
	AnswerName string
	// AnswerColumns are the keys that every answer has in the output, which is then an object; nil leaves
	// answers as they are.
	AnswerColumns []string
	// Filter names the top-level keys of the output that stay, with answers
	// alone the keys of an answer. nil keeps all.
	Filter Filter
}

// Validate names the field that is wrong.
func (c JoinerConfig) Validate() error {
	name := c.name()
	if !utf8.ValidString(name) {
		return fmt.Errorf("json output: the answer's name %s is not UTF-8; choose another with --answer-name", quote(name))
	}
	if c.Filter != nil && len(c.Filter) == 0 {
		return fmt.Errorf("json output: --output-filter names no key; leave it out to keep all")
	}
	if !c.Input {
		return c.checkFilter()
	}
	if c.Verbatim {
		return nil
	}
	if slices.Contains(c.Schema.Names, name) || c.Schema.Names == nil && name == inputName {
		return fmt.Errorf("json output: the input has a field %s, which is the answer's name; choose another with --answer-name, or write the answers alone with --join none", quote(name))
	}
	for k, field := range c.Schema.Names {
		if slices.Contains(c.Schema.Names[:k], field) {
			return fmt.Errorf("json output: the input has two fields %s, which cannot stand in one JSON object; rename one", quote(field))
		}
	}
	for _, key := range c.Filter {
		if c.Schema.Names != nil && key != name && !slices.Contains(c.Schema.Names, key) {
			return fmt.Errorf("json output: --output-filter names %s, which is no field of the input and not the answer (%s)", quote(key), quote(name))
		}
	}
	return nil
}

// checkFilter finds what a filter of answers alone names, and no answer has.
func (c JoinerConfig) checkFilter() error {
	for _, key := range c.Filter {
		if c.AnswerColumns != nil && !slices.Contains(c.AnswerColumns, key) {
			return fmt.Errorf("json output: --output-filter names %s, and --answer-columns does not", quote(key))
		}
	}
	return nil
}

func (c JoinerConfig) names() fields.Names {
	return fields.Names{Answer: c.AnswerName, Columns: c.AnswerColumns}
}

func (c JoinerConfig) name() string { return c.names().Whole() }

type joiner struct {
	JoinerConfig
	member     []byte // "prediction":
	keepAnswer bool   // the filter wants the answer's key
	plain      bool   // only a backslash can write the name otherwise
	columns    *columns
}

// NewJoiner writes output records as JSON Lines.
func NewJoiner(c JoinerConfig) (formats.Joiner, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.AnswerName = c.name()
	member := append(json.AppendString(nil, []byte(c.AnswerName)), ':')
	return &joiner{
		JoinerConfig: c,
		columns:      newColumns(c),
		member:       member,
		keepAnswer:   c.Filter.wants(c.AnswerName),
		// U+FFFD is also what bytes that are not UTF-8 are read as.
		plain: bytes.IndexByte(member, '\\') < 0 && !strings.Contains(c.AnswerName, "\ufffd"),
	}, nil
}

func (j *joiner) Check(b *formats.Batch) {
	if !j.Input || j.Verbatim && j.Filter == nil && j.AnswerName != inputName && j.cannotClash(b.Data) {
		return // two searches settle it for the whole batch
	}
	if !j.Verbatim {
		formats.CheckText(b, func(_ int, name string) bool { return j.Filter.wants(name) })
	}
	row := formats.Row{Need: none}
	for i := range b.Recs {
		if b.Flaw(i) != nil {
			continue
		}
		if j.Verbatim {
			j.checkRecord(b, i)
		} else {
			j.checkRow(b, i, &row)
		}
	}
}

// checkRecord looks at record i of a batch of JSON Lines.
func (j *joiner) checkRecord(b *formats.Batch, i int) {
	rec := trim(b.Record(i))
	if j.clashes(rec) {
		b.AddFlaw(i, formats.ReasonKeyClash, "it holds the answer's key %s already; choose another with --answer-name, or write the answers alone with --join none", quote(j.AnswerName))
		return
	}
	for _, name := range j.Filter {
		if name != j.AnswerName && !(isObject(rec) && holdsKey(rec, name)) && (isObject(rec) || name != inputName) {
			b.AddFlaw(i, formats.ReasonNoField, "no key %s, which the output filter names", quote(name))
			return
		}
	}
}

// clashes tells whether rec, valid and trimmed, cannot take the answer's key.
// Keys are looked at only if a key can be equal to the answer's: where the
// answer's name stands in the record, or a byte that a literal may write the
// name with otherwise.
func (j *joiner) clashes(rec []byte) bool {
	if !isObject(rec) {
		return j.AnswerName == inputName
	}
	return !j.cannotClash(rec) && holdsKey(rec, j.AnswerName)
}

// cannotClash tells whether no key in text can be equal to the answer's.
func (j *joiner) cannotClash(text []byte) bool {
	// The needle lacks the quotes: a search by a first byte that stands everywhere is slow.
	name := j.member[1 : len(j.member)-2]
	return j.plain && bytes.IndexByte(text, '\\') < 0 && !bytes.Contains(text, name)
}

// checkRow looks at record i of a batch of another format.
func (j *joiner) checkRow(b *formats.Batch, i int, row *formats.Row) {
	if !checkRow(b, i, row, nil) {
		return
	}
	named := row.Shape == formats.Object
	if named && slices.Contains(row.Names, j.AnswerName) || !named && j.AnswerName == inputName {
		b.AddFlaw(i, formats.ReasonKeyClash, "it has a field %s already, which is the answer's name", quote(j.AnswerName))
		return
	}
	for _, name := range j.Filter {
		if name != j.AnswerName && !(named && slices.Contains(row.Names, name)) && (named || name != inputName) {
			b.AddFlaw(i, formats.ReasonNoField, "no field %s, which the output filter names", quote(name))
			return
		}
	}
}

// Learn learns nothing: a JSON value takes any answer.
func (j *joiner) Learn(*formats.Layout, []byte, formats.Form) bool { return true }

// Begin appends nothing: JSON Lines have no header.
func (j *joiner) Begin(dst []byte, _ *formats.Layout, _ []byte) []byte { return dst }

func (j *joiner) Fit(a *formats.Answers, _ *formats.Layout, misfit func(i int, message string)) {
	for i := range a.List {
		text := a.Bytes(i)
		switch form := a.List[i].Form; {
		case form == formats.NoAnswer:
		case j.columns != nil:
			if why := j.columns.misfit(text, form); why != "" {
				misfit(i, why)
			}
		case form == formats.CSVForm && !fitsCSV(text):
			misfit(i, "the answer is not a CSV record: a quote stands where none may, or is not closed")
		case j.Input || j.Filter == nil:
		case form != formats.JSONForm || !isObject(trim(text)):
			misfit(i, "the output filter names keys, and the answer is no JSON object")
		default:
			if name, lacks := j.Filter.missing(trim(text)); lacks {
				misfit(i, "the answer has no key "+quote(name)+", which the output filter names")
			}
		}
	}
}
