package encode

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/fields"
)

// JoinerConfig says how output records become rows.
type JoinerConfig struct {
	// Records are the input's, where its fields come before the answers.
	Records *Records
	// Spliced: the input is Parquet and its own column chunks are copied. The
	// parts of a spliced output hold the answers, and which records are kept.
	Spliced bool
	// Names are all names of the input's columns, where these columns or the
	// input's chunks are part of the output; nil takes the names from Records. A
	// file has one column of a name.
	Names []string
	// AnswerName names the answer's column, or begins the names of its
	// columns, before an underscore; "" means [formats.DefaultAnswerName].
	AnswerName string
	// AnswerColumns are the answer's columns, in order; nil where answers decide.
	AnswerColumns []string
	// AnswerTypes are the types of the answer's columns, in order: types (double),
	// or names and types (label=string). Without AnswerTypes, the first answers
	// decide.
	AnswerTypes []string
	// Filter names the columns of the output that stay; nil keeps all. AnswerName,
	// where it is no column's name, stands for all of the answer's columns. The input's columns come out in the
	// order in which Filter names them, before the answer's.
	Filter []string
}

func (c *JoinerConfig) answerNames() fields.Names {
	return fields.Names{Answer: c.AnswerName, Columns: c.AnswerColumns}
}

func (c *JoinerConfig) names() []string {
	if c.Names == nil && c.Records != nil {
		return columnNames(c.Records.Columns)
	}
	return c.Names
}

// Columns are the input's columns in the output, in order: what [WriterConfig]
// takes. The config must have passed Validate.
func (c *JoinerConfig) Columns() []formats.Column {
	if c.Records == nil {
		return nil
	}
	if c.Filter == nil {
		return c.Records.Columns
	}
	columns := []formats.Column{}
	for _, name := range c.Filter {
		for _, column := range c.Records.Columns {
			if column.Name == name {
				columns = append(columns, column)
			}
		}
	}
	return columns
}

// Written are the columns of a fixed layout that are in the output, in
// order.
func (c *JoinerConfig) Written(l *formats.Layout) []formats.Column {
	var columns []formats.Column
	for _, column := range l.Columns {
		if c.keeps(column.Name) {
			columns = append(columns, column)
		}
	}
	return columns
}

// keeps tells whether the answer's column called name is in the output.
func (c *JoinerConfig) keeps(name string) bool {
	return c.Filter == nil || slices.ContainsFunc(c.Filter, func(f string) bool { return f == name || c.answerNames().Stands(f, c.names()) })
}

// Validate returns a *ConfigError that names what is wrong: an answer's column
// that the input has already, equal names, an unknown type, or a filter that
// picks what cannot exist.
func (c *JoinerConfig) Validate() error {
	declared, err := c.declared()
	if err != nil {
		return err
	}
	if err := c.checkNames(declared); err != nil {
		return err
	}
	return c.checkFilter(declared)
}

// checkNames refuses names that would stand for two columns. Which columns
// answers bring is not known before the first answer, unless the columns are
// declared; so every name that begins like the answer's counts.
func (c *JoinerConfig) checkNames(declared []formats.Column) error {
	names, answer := c.names(), c.answerNames().Whole()
	if !utf8.ValidString(answer) {
		return configError("answer-name", "%.100q is not UTF-8; choose another with --answer-name", answer)
	}
	if err := unique(names); err != nil {
		return err
	}
	for _, name := range names {
		clash := c.isAnswerName(name)
		if declared != nil {
			clash = slices.Contains(columnNames(declared), name)
		}
		if clash && c.AnswerColumns != nil {
			return configError("answer-columns", "the input has a column %.100q too; choose other names with --answer-columns, or write the answers alone with --join none", name)
		}
		if clash {
			return configError("answer-name", "the input has a column %.100q, and the answer's columns are called %.100q or begin with %.100q; choose another with --answer-name, or write the answers alone with --join none",
				name, answer, answer+"_")
		}
	}
	return nil
}

// unique refuses names that cannot stand beside each other in a file.
func unique(names []string) error {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			return configError("join", "the input has two columns %.100q, and a Parquet file can have one; rename one", name)
		}
		if !utf8.ValidString(name) {
			return configError("join", "the input's column %.100q is not UTF-8; rename it", name)
		}
		seen[name] = true
	}
	return nil
}

// isAnswerName tells whether a column of answers may be called name.
func (c *JoinerConfig) isAnswerName(name string) bool { return c.answerNames().May(name, true) }

func (c *JoinerConfig) checkFilter(declared []formats.Column) error {
	if c.Filter == nil {
		return nil
	}
	if len(c.Filter) == 0 {
		return configError("output-filter", "it names no column; leave it out to keep all")
	}
	names, answer := c.names(), c.answerNames()
	for k, name := range c.Filter {
		answers := c.isAnswerName(name) || answer.Stands(name, names)
		if declared != nil {
			answers = answer.Stands(name, names) || slices.Contains(columnNames(declared), name)
		}
		switch {
		case slices.Contains(c.Filter[:k], name):
			return configError("output-filter", "it names %.100q twice; a Parquet file has one column of a name", name)
		case !answers && !slices.Contains(names, name):
			return configError("output-filter", "no column %.100q; %s, and the answer's, %.100q", name, listNames(names), answer.Whole())
		}
	}
	return nil
}

// declared are the answer's columns by AnswerTypes, nil without.
func (c *JoinerConfig) declared() ([]formats.Column, error) {
	var columns []formats.Column
	answer, named := c.answerNames(), 0
	for k, setting := range c.AnswerTypes {
		at := strings.LastIndexByte(setting, '=')
		typ, err := parseType("answer-type", setting, setting[at+1:])
		if err != nil {
			return nil, err
		}
		name := answer.Place(k, len(c.AnswerTypes))
		if at >= 0 {
			name = answer.Key(setting[:at])
			named++
		}
		if slices.Contains(columnNames(columns), name) {
			return nil, configError("answer-type", "%.100q: the name stands there twice; keep one", setting)
		}
		columns = append(columns, formats.Column{Name: name, Type: typ})
	}
	if named != 0 && named != len(columns) {
		return nil, configError("answer-type", "some types have names and some have none; write all as NAME=TYPE, or all as TYPE")
	}
	if columns == nil || c.AnswerColumns == nil {
		return columns, nil
	}
	return c.ordered(columns)
}

// ordered are declared columns in the order of AnswerColumns, which name the same columns.
func (c *JoinerConfig) ordered(declared []formats.Column) ([]formats.Column, error) {
	var columns []formats.Column
	for _, name := range c.AnswerColumns {
		k := slices.IndexFunc(declared, func(d formats.Column) bool { return d.Name == name })
		if k < 0 {
			return nil, configError("answer-type", "it gives no type to %.100q, which --answer-columns names; give each column one, or leave --answer-type out", name)
		}
		columns = append(columns, declared[k])
	}
	if len(columns) < len(declared) {
		return nil, configError("answer-type", "it gives types to %d columns, and --answer-columns names %d (%s)", len(declared), len(columns), strings.Join(c.AnswerColumns, ", "))
	}
	return columns, nil
}
