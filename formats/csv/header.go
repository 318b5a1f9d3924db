package csv

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// A class is what a field may be, by its text alone.
type class uint8

const (
	nothing class = iota // empty, or what programs write in the place of a value
	digits               // digits: a number, or a name such as 2019
	number               // another number, which nobody gives a column as its name
	truth                // true or false
	coded                // text with digits: a date, a key, or a name such as x1
	word                 // other text
)

// named tells whether a field of the class may be a column's name, and is no number.
func (c class) named() bool { return c == coded || c == word }

// missing are words that say that there is no value, in lower case, beside those that stand for no number.
var missing = map[string]bool{"nil": true, "unknown": true, "missing": true, "undefined": true, `\n`: true}

// classOf is the class of a field's text.
func classOf(text string) class {
	switch {
	case saysNothing([]byte(text)) || missing[strings.ToLower(text)] || !strings.ContainsFunc(text, says):
		return nothing
	case leadingDigits([]byte(text)) == len(text):
		return digits
	case numeric([]byte(text)):
		return number
	case strings.EqualFold(text, "true") || strings.EqualFold(text, "false"):
		return truth
	case strings.ContainsFunc(text, unicode.IsDigit):
		return coded
	}
	return word
}

// says tells whether r can be a part of a name or a value by itself.
func says(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// formOf is text with one 9 for digits that follow each other, and one a for letters: dates and keys of one
// kind have one form.
func formOf(text string) string {
	var form []rune
	for _, r := range text {
		switch {
		case unicode.IsDigit(r):
			r = '9'
		case unicode.IsLetter(r):
			r = 'a'
		}
		if n := len(form); n > 0 && form[n-1] == r && says(r) {
			continue
		}
		form = append(form, r)
	}
	return string(form)
}

// A column is a field of the first record, and what stands below it.
type column struct {
	first string
	class class
	alone bool // no number stands in the first record
	left  bool // the column is the first, where records are numbered

	says   int            // fields below that say something
	of     [word + 1]int  // fields below by class
	forms  map[string]int // of fields below
	values map[string]int // fields below
	spaced int            // fields below with a space
	second class          // of the first field below that says something
	next   float64        // the number that follows, while each field is its upper field and 1
}

// add takes the next field below.
func (c *column) add(text string) {
	k := classOf(text)
	if k == nothing {
		return
	}
	if c.says == 0 {
		c.second = k
	}
	c.says++
	c.of[k]++
	c.forms[formOf(text)]++
	c.values[text]++
	if strings.ContainsRune(text, ' ') {
		c.spaced++
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil && v == c.next {
		c.next++
	} else {
		c.next = -1
	}
}

// numbers is how many fields below are numbers.
func (c *column) numbers() int { return c.of[digits] + c.of[number] }

// oneForm tells whether the fields below are keys or dates of one form.
func (c *column) oneForm() bool { return c.says >= 2 && c.of[coded] == c.says && len(c.forms) == 1 }

// fewValues tells whether there are few different fields below, and each comes again and again.
func (c *column) fewValues() bool {
	for _, n := range c.values {
		if n < 3 {
			return false
		}
	}
	return len(c.values) >= 2 && c.says >= 20
}

// rules say what a column shows about its first field. How many fields a rule asks for goes by how easily
// the first record of a file without a header would differ from them by chance.
var rules = []struct {
	header bool
	why    string // behind the field
	holds  func(c *column) bool
}{
	{true, "stands over numbers", func(c *column) bool { return c.class.named() && c.numbers() == c.says }},
	{true, "stands over a number", func(c *column) bool {
		return c.class.named() && c.alone && (c.second == digits || c.second == number)
	}},
	{true, "stands over true and false", func(c *column) bool { return c.class.named() && c.of[truth] == c.says && c.says >= 2 }},
	{true, "stands over keys or dates of one form", func(c *column) bool { return c.class == word && c.oneForm() }},
	{true, "stands over text of several words", func(c *column) bool {
		return c.class.named() && !strings.ContainsRune(c.first, ' ') && c.spaced == c.says && c.says >= 10
	}},
	{true, "stands over a few values that come again and again", func(c *column) bool {
		return c.class.named() && c.values[c.first] == 0 && c.fewValues()
	}},
	{false, "is a number and hardly a name", func(c *column) bool { return c.class == number }},
	{false, "is a value that comes again below", func(c *column) bool { return c.class.named() && c.values[c.first] > 0 }},
	{false, "has the form of what stands below", func(c *column) bool {
		return c.class == coded && c.oneForm() && c.forms[formOf(c.first)] > 0
	}},
	{false, "is a value like those below", func(c *column) bool { return c.class == truth && c.of[truth] == c.says }},
	{false, "begins the numbers that follow below", func(c *column) bool { return c.class == digits && c.next >= 0 && (c.left || c.says >= 4) }},
}

// A finding is whether an object begins with a header, and why.
type finding struct {
	header bool
	why    string
}

// judge tells by the first records whether the first is a header. Its error is an *AmbiguousHeaderError.
func (s *sniffer) judge() (finding, error) {
	if !s.lines[0].good {
		return finding{}, s.ask("it is no good record")
	}
	columns, records := s.columns()
	var of [word + 1]int
	for _, c := range columns {
		of[c.class]++
	}
	switch {
	case counts(columns):
		return finding{}, s.ask("it counts 0, 1, 2, as names do that a program gives")
	case of[digits]+of[number] > 0 && of[coded]+of[word]+of[truth] == 0:
		return s.judgeNumbers(columns)
	}
	var found [2]*finding
	for _, c := range columns {
		for _, r := range rules {
			side := 0
			if r.header {
				side = 1
			}
			if found[side] == nil && (c.says > 0 || c.class == number) && r.holds(c) {
				found[side] = &finding{r.header, fmt.Sprintf("%.40q %s", c.first, r.why)}
			}
		}
	}
	switch record, header := found[0], found[1]; {
	case record != nil && header != nil:
		return finding{}, s.ask(record.why + ", but " + header.why)
	case header != nil:
		return *header, nil
	case record != nil:
		return *record, nil
	case of[digits] > 0:
		return finding{}, s.ask("it mixes names with whole numbers, and " + looked(records))
	}
	return finding{}, s.ask(looked(records))
}

// judgeNumbers is judge where numbers alone stand in the first record.
func (s *sniffer) judgeNumbers(columns []*column) (finding, error) {
	for _, c := range columns {
		switch {
		case c.class == digits && c.says >= 2 && c.numbers() == 0:
			return finding{}, s.ask(fmt.Sprintf("%.40q is a number and stands over none", c.first))
		case len(columns) == 1 && c.first == "0" && c.says > 0 && c.of[digits] == 0:
			return finding{}, s.ask("0 may be a name that a program gives, and no other whole number stands there")
		}
	}
	return finding{false, "numbers alone stand there"}, nil
}

func looked(records int) string {
	if records == 0 {
		return "no other record stands there"
	}
	return fmt.Sprintf("%d further records do not show it", records)
}

func (s *sniffer) ask(why string) error {
	return &AmbiguousHeaderError{First: cut(s.lines[0].text), Why: why}
}

// columns are the fields of the first record with what stands below them in how many good records.
// Further headers, as in files put together, are none of them.
func (s *sniffer) columns() (columns []*column, records int) {
	alone := true
	for _, text := range s.texts(s.lines[0].body()) {
		c := &column{first: text, class: classOf(text), forms: map[string]int{}, values: map[string]int{}, next: -1}
		if v, err := strconv.ParseFloat(text, 64); err == nil && c.class == digits {
			c.next = v + 1
		}
		alone = alone && c.class != digits && c.class != number
		columns = append(columns, c)
	}
	for _, l := range s.lines[1:] {
		if !l.good || bytes.Equal(l.body(), s.lines[0].body()) {
			continue
		}
		texts := s.texts(l.body())
		if len(texts) != len(columns) {
			continue
		}
		records++
		for i, text := range texts {
			columns[i].alone, columns[i].left = alone, i == 0
			columns[i].add(text)
		}
	}
	return columns, records
}

// texts are the fields of body as text, without the spaces around them; a field that says
// that there is no value is empty.
func (s *sniffer) texts(body []byte) (texts []string) {
	for _, f := range s.fields(nil, body) {
		text := string(bytes.TrimSpace(s.unquote(nil, body[f.Start:f.End])))
		if text == s.null {
			text = ""
		}
		texts = append(texts, text)
	}
	return texts
}

// counts tells whether the first record counts 0, 1, 2, as a table does whose columns have no names. A field
// that says nothing may stand before it, for the rows.
func counts(columns []*column) bool {
	if len(columns) < 2 {
		return false
	}
	if columns[0].class == nothing {
		columns = columns[1:]
	}
	for i, c := range columns {
		if c.first != strconv.Itoa(i) {
			return false
		}
	}
	return true
}
