// Package encode writes Parquet from typed records: types of columns are
// decided, values are checked against them, and joined batches become files.
//
// A batch goes through two steps. The joiner ([NewJoiner]) runs on many
// batches at once and makes a part of each batch: its rows by column, in a
// form of the package's own (see part.go). The writer takes the parts in
// order; only the writer knows where pages and row groups end. Pages and row
// groups end by records, so that a file's bytes do not depend on how records
// fell into batches.
package encode

import (
	"fmt"
	"strings"

	"github.com/batchmill/batchmill/formats"
)

// WholeName is the one column of records that are not all objects.
const WholeName = "input"

// A ConfigError is a configuration that cannot work.
type ConfigError struct {
	Option  string // what is wrong: answer name, column type, answer type, filter, codec
	Message string // why, and the fix
}

func (e *ConfigError) Error() string { return "--" + e.Option + ": " + e.Message }

func configError(option, format string, args ...any) error {
	return &ConfigError{option, fmt.Sprintf(format, args...)}
}

// typeNames are the types as users write them.
var typeNames = map[string]formats.Type{
	"integer": formats.Integer, "int64": formats.Integer,
	"double": formats.Double, "number": formats.Double,
	"boolean": formats.Boolean, "bool": formats.Boolean, "string": formats.Text, "list": formats.Doubles, "json": formats.Nested,
}

// parseType is the type called text; setting is where text stands.
func parseType(option, setting, text string) (formats.Type, error) {
	if t, known := typeNames[text]; known {
		return t, nil
	}
	return "", configError(option, "%.100q: %.100q is no type; use integer, double, boolean, string, list or json", setting, text)
}

// nouns are types in messages.
var nouns = map[formats.Type]string{
	formats.Integer: "an integer of 64 bits", formats.Double: "a number that a double keeps exactly", formats.Boolean: "a boolean",
	formats.Text: "a string", formats.Doubles: "a list of numbers that doubles keep exactly", formats.Nested: "a JSON value",
}

// shownNames is how many column names a message lists.
const shownNames = 50

// listNames names columns for a message.
func listNames(names []string) string {
	var shown []string
	for _, name := range names[:min(len(names), shownNames)] {
		shown = append(shown, fmt.Sprintf("%.100q", name))
	}
	return fmt.Sprintf("there are %s (%d columns)", strings.Join(shown, ", "), len(names))
}

// columnNames are the names of columns.
func columnNames(columns []formats.Column) []string {
	names := make([]string, len(columns))
	for k, c := range columns {
		names[k] = c.Name
	}
	return names
}
