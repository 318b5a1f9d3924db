package csv

import (
	"errors"
	"fmt"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// A Type says what the fields of a column are where records become JSON. A
// Type never touches records that stay CSV.
type Type uint8

const (
	// TypeAuto goes by the field: an unquoted JSON number is a number, an
	// empty unquoted field null, every other a string.
	TypeAuto Type = iota
	// TypeString makes every field a string, and an empty field the empty string.
	TypeString
	// TypeNumber takes JSON numbers, quoted or not, and keeps their digits.
	// An empty field is null.
	TypeNumber
	// TypeBool takes true and false. An empty field is null.
	TypeBool
	// TypeJSON takes a field's text as a JSON value of any kind and keeps it,
	// line breaks aside. An empty field is null.
	TypeJSON
)

// typeNames are the types as they are written, in the order of the constants.
var typeNames = [...]string{"auto", "string", "number", "bool", "json"}

func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// takes is what a field of type t may hold, for messages.
func (t Type) takes() string {
	switch t {
	case TypeNumber:
		return "a JSON number"
	case TypeBool:
		return "true or false"
	}
	return "a JSON value"
}

// ResolveTypes reads settings like zip=string and gives each column's type, up
// to the last column that has a type; nil without settings. The text before
// the last = picks columns as a [Filter] does, from records of width fields
// whose names are names. Errors are *OptionError: an unknown type, a column
// that does not exist, or a column that is given two types.
func ResolveTypes(settings []string, names []string, width int) ([]Type, error) {
	if width == 0 {
		width = len(names) // ragged: what the header names can have a type
	}
	var types []Type
	for _, s := range settings {
		t, picks, err := resolveType(s, names, width)
		if err != nil {
			return nil, err
		}
		for _, p := range picks {
			for len(types) <= p {
				types = append(types, TypeAuto)
			}
			if types[p] != TypeAuto && types[p] != t {
				return nil, typeError("%.100q makes %s a %s, and another setting a %s; keep one of them", s, columnName(names, p), t, types[p])
			}
			types[p] = t
		}
	}
	return types, nil
}

// maxTyped bounds the columns in the table of types where records have no
// fixed width, so that one index cannot take all memory.
const maxTyped = 1 << 20

func resolveType(setting string, names []string, width int) (Type, []int, error) {
	at := strings.LastIndexByte(setting, '=')
	if at < 0 {
		return 0, nil, typeError("%.100q has no type; write NAME=TYPE, as in zip=string", setting)
	}
	t, err := parseType(setting[at+1:])
	if err != nil {
		return 0, nil, err
	}
	filter, err := ParseFilter(setting[:at])
	if err != nil {
		return 0, nil, inSetting(setting, err)
	}
	picks, err := filter.Resolve(names, width)
	if err != nil {
		return 0, nil, inSetting(setting, err)
	}
	for _, p := range picks {
		if p >= maxTyped {
			return 0, nil, typeError("%.100q: index %d is too large; types go up to column %d", setting, p, maxTyped-1)
		}
	}
	return t, picks, nil
}

func parseType(text string) (Type, error) {
	for t := TypeString; int(t) < len(typeNames); t++ {
		if typeNames[t] == text {
			return t, nil
		}
	}
	return 0, typeError("%.100q is no type; use %s", text, strings.Join(typeNames[1:], ", "))
}

func typeError(format string, args ...any) error {
	return &OptionError{"column type", fmt.Sprintf(format, args...)}
}

// inSetting says of a filter's error that it stands in a setting.
func inSetting(setting string, err error) error {
	var o *OptionError
	if errors.As(err, &o) {
		return typeError("%.100q: %s", setting, o.Message)
	}
	return err
}

// columnName is column i for messages.
func columnName(names []string, i int) string {
	if i < len(names) {
		return fmt.Sprintf("column %.100q", names[i])
	}
	return fmt.Sprintf("column %d (counted from 0)", i)
}

// of is v as t has it, and whether it can be that. Whether the text of a
// TypeJSON is JSON is left to Check: the text is long.
func (t Type) of(v formats.Value) (formats.Value, bool) {
	kind, ok := v.Kind, true
	switch {
	case t == TypeAuto:
	case t == TypeString:
		kind = formats.String
	case len(v.Text) == 0:
		kind = formats.Null
	case t == TypeNumber:
		kind, ok = formats.Number, v.Kind == formats.Number || json.IsNumber(v.Text)
	case t == TypeBool:
		kind, ok = formats.Bool, string(v.Text) == "true" || string(v.Text) == "false"
	default:
		kind = formats.JSON
	}
	return formats.Value{Kind: kind, Text: v.Text}, ok
}

// checkTypes adds a flaw for every record that holds a field which is not of
// its column's type, whether or not a filter sends it on.
func (r *reader) checkTypes(b *formats.Batch) {
	checkGood(b, func(i int, s *scratch) *mismatch {
		if err := r.checkRecord(b.Record(i), s); err != nil {
			return &mismatch{reason: formats.ReasonType, message: err.Error()}
		}
		return nil
	})
}

// checkRecord looks at the fields of rec that have a type.
func (r *reader) checkRecord(rec []byte, s *scratch) error {
	body, _ := split(rec)
	for k, at := 0, 0; k < len(r.types); k++ {
		end := r.fieldEnd(body, at)
		if r.types[k] != TypeAuto {
			s.row.Reset()
			v, ok := r.typed(k, body[at:end], &s.row)
			if err := r.misfit(k, v, ok); err != nil {
				return err
			}
		}
		if end == len(body) {
			return nil
		}
		at = end + 1
	}
	return nil
}

// misfit is why v cannot be field k, which has a type; ok is what Type.of has said of it.
func (r *reader) misfit(k int, v formats.Value, ok bool) error {
	t := r.types[k]
	var why error
	if ok && t == TypeJSON && v.Kind == formats.JSON {
		why = json.Sound(v.Text)
	}
	switch {
	case why != nil:
		return fmt.Errorf("%s holds %.100q, which is not %s (%w); correct it, or change its --column-type",
			columnName(r.schema.Names, k), v.Text, t.takes(), why)
	case !ok:
		return fmt.Errorf("%s holds %.100q, which is not %s; correct it, or change its --column-type",
			columnName(r.schema.Names, k), v.Text, t.takes())
	}
	return nil
}
