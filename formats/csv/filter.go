package csv

import (
	"fmt"
	"strconv"
	"strings"
)

// A Filter picks fields of a CSV record, in the order it names them. Nil picks
// all. A Filter is written as a list with commas between:
//
//	id          the column of that name
//	"2024"      the same; quotes are needed where a name is all digits or
//	            looks like a slice, or holds a comma or quote ("" for a quote)
//	0  -1       the field with that index, counted from 0, or from the end
//	1:  :-1  2:5  -3:   a slice as in Python: from, up to but not including
type Filter []choice

// choice is one part of a filter.
type choice struct {
	name     string
	from, to *int // a slice; nil is open
	index    *int // a single field
}

// ParseFilter reads a filter. Its errors are *OptionError.
func ParseFilter(text string) (Filter, error) {
	var f Filter
	for rest, more := text, true; more; {
		var c choice
		var err error
		rest = strings.TrimLeft(rest, " ")
		if strings.HasPrefix(rest, `"`) {
			c, rest, more, err = parseQuoted(rest)
		} else {
			var part string
			part, rest, more = strings.Cut(rest, ",")
			c, err = parseBare(strings.TrimSpace(part))
		}
		if err != nil {
			return nil, err
		}
		f = append(f, c)
	}
	return f, nil
}

func filterError(format string, args ...any) error {
	return &OptionError{"filter", fmt.Sprintf(format, args...)}
}

// parseQuoted reads a quoted name and the comma behind it.
func parseQuoted(text string) (c choice, rest string, more bool, err error) {
	var name strings.Builder
	for rest = text[1:]; ; {
		part, behind, closed := strings.Cut(rest, `"`)
		name.WriteString(part)
		if !closed {
			return c, "", false, filterError("no closing quote in %.100q", text)
		}
		if rest = behind; !strings.HasPrefix(rest, `"`) {
			break
		}
		name.WriteByte('"')
		rest = rest[1:]
	}
	rest = strings.TrimLeft(rest, " ")
	if rest != "" && rest[0] != ',' {
		return c, "", false, filterError("%.100q behind a closing quote; put a comma there, or double the quote", rest)
	}
	more = rest != ""
	return choice{name: name.String()}, strings.TrimPrefix(rest, ","), more, nil
}

// parseBare reads an index, a slice or a name without quotes.
func parseBare(part string) (choice, error) {
	if part == "" {
		return choice{}, filterError(`nothing between two commas or at an end; write names or indexes, as in "id,age" or "1:"`)
	}
	if strings.HasPrefix(part, "$") {
		return choice{}, filterError("%.100q is a JSONPath; CSV fields are picked by name or index, as in %q", part, "1:")
	}
	if n, ok, err := parseIndex(part); ok || err != nil {
		return choice{index: n}, err
	}
	left, right, colon := strings.Cut(part, ":")
	from, fromOK, err := parseBound(left)
	if !colon || !fromOK || err != nil {
		return choice{name: part}, err
	}
	to, toOK, err := parseBound(right)
	if !toOK || err != nil {
		return choice{name: part}, err
	}
	if from == nil {
		from = new(int)
	}
	return choice{from: from, to: to}, nil
}

// parseBound is one end of a slice, which may be left out.
func parseBound(text string) (n *int, ok bool, err error) {
	if text == "" {
		return nil, true, nil
	}
	return parseIndex(text)
}

// parseIndex is false for text that is no whole number.
func parseIndex(text string) (n *int, ok bool, err error) {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return nil, false, nil
	}
	i, err := strconv.Atoi(text)
	if err != nil {
		return nil, false, filterError("index %.100q is too large", text)
	}
	return &i, true, nil
}

// Resolve gives the indexes that f picks from records of width fields, whose
// names are names (nil: records have no names). width 0 means that the width
// is not fixed, and only names and indexes from the front can be resolved. An
// index or name that does not exist is an error; a slice is clipped. A nil f
// gives nil. The errors are *OptionError.
func (f Filter) Resolve(names []string, width int) ([]int, error) {
	if f == nil {
		return nil, nil
	}
	picks := []int{}
	for _, c := range f {
		var err error
		if picks, err = c.resolve(picks, names, width); err != nil {
			return nil, err
		}
	}
	if len(picks) == 0 {
		return nil, filterError("it picks no field out of %d", width)
	}
	return picks, nil
}

// resolve appends what c picks.
func (c choice) resolve(picks []int, names []string, width int) ([]int, error) {
	switch {
	case c.index != nil:
		i := *c.index
		if i < 0 && width > 0 {
			i += width
		}
		if i < 0 || width > 0 && i >= width {
			return nil, filterError("index %d: %s", *c.index, extent(width))
		}
		return append(picks, i), nil
	case c.from != nil:
		if width == 0 {
			return nil, filterError("a slice: %s", extent(width))
		}
		to := width
		if c.to != nil {
			to = clip(*c.to, width)
		}
		for i := clip(*c.from, width); i < to; i++ {
			picks = append(picks, i)
		}
		return picks, nil
	}
	return c.resolveName(picks, names)
}

func (c choice) resolveName(picks []int, names []string) ([]int, error) {
	found := -1
	for i, name := range names {
		if name != c.name {
			continue
		}
		if found >= 0 {
			return nil, filterError("name %.100q stands for columns %d and %d; use the index", c.name, found, i)
		}
		found = i
	}
	if found < 0 {
		return nil, filterError("no column %.100q; %s", c.name, listNames(names))
	}
	return append(picks, found), nil
}

// clip makes a slice's bound an index from 0 to width.
func clip(i, width int) int {
	if i < 0 {
		i += width
	}
	return max(0, min(i, width))
}

func extent(width int) string {
	if width == 0 {
		return "the records have no fixed number of fields; count from the front, from 0"
	}
	return fmt.Sprintf("the fields are 0 to %d, or -%d to -1", width-1, width)
}

// shownNames is how many column names an error lists.
const shownNames = 50

func listNames(names []string) string {
	var shown []string
	for _, name := range names {
		if name != "" && len(shown) < shownNames {
			shown = append(shown, fmt.Sprintf("%.100q", name))
		}
	}
	if len(shown) == 0 {
		return "the columns have no names; use indexes, counted from 0"
	}
	return fmt.Sprintf("there are %s (%d columns)", strings.Join(shown, ", "), len(names))
}
