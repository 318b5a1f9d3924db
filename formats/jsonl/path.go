package jsonl

import (
	"strconv"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// A Path names a place in a JSON document, such as outputs[0].scores. The
// zero Path names none.
type Path struct {
	text  string
	steps []step
}

// A step goes to a member (key) or, when index is not negative, to an element.
type step struct {
	key   string
	index int
}

// String is the path as it was given.
func (p Path) String() string { return p.text }

// ParsePath reads a path of keys and indexes: outputs.scores,
// $.outputs[0].scores, $["a.b"]. An error is a *formats.SyntaxError with the offset in text.
func ParsePath(text string) (Path, error) {
	p := Path{text: text}
	at := 0
	if strings.HasPrefix(text, "$") {
		at = 1
		if len(text) > 1 && text[1] == '.' {
			at = 2
		}
	}
	for first := true; first || at < len(text); first = false {
		s, end, err := parseStep(text, at)
		if err != nil {
			return Path{}, err
		}
		if first && s.index >= 0 {
			return Path{}, syntax(at, "a JSON array is always the list of answers; begin with a key")
		}
		p.steps = append(p.steps, s)
		at = end
		if at < len(text) && text[at] == '.' {
			if at++; at == len(text) {
				return Path{}, syntax(at, "a key must follow the point")
			}
		} else if at < len(text) && text[at] != '[' {
			return Path{}, syntax(at, "a point or a bracket must follow a bracket")
		}
	}
	return p, nil
}

// parseStep reads one step at text[at:] and where it ends.
func parseStep(text string, at int) (step, int, error) {
	if at < len(text) && text[at] == '[' {
		return parseBracket(text, at)
	}
	end := at
	for end < len(text) && text[end] != '.' && text[end] != '[' {
		end++
	}
	if end == at {
		return step{}, 0, syntax(at, `a key is missing; write outputs.scores or $.outputs[0].scores`)
	}
	return step{key: text[at:end], index: -1}, end, nil
}

// parseBracket reads [0] or ["key"].
func parseBracket(text string, at int) (step, int, error) {
	if strings.HasPrefix(text[at+1:], `"`) {
		end := at + 2
		for end < len(text) && text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		if end+1 >= len(text) || text[end+1] != ']' || json.Sound([]byte(text[at+1:end+1])) != nil {
			return step{}, 0, syntax(at, `a key in brackets is a JSON string: ["key"]`)
		}
		return step{key: string(json.Unquote(nil, []byte(text[at+1:end+1]))), index: -1}, end + 2, nil
	}
	n := strings.IndexByte(text[at:], ']')
	if n < 0 {
		return step{}, 0, syntax(at, "the bracket is not closed")
	}
	index, err := strconv.ParseUint(text[at+1:at+n], 10, 31)
	if err != nil {
		return step{}, 0, syntax(at+1, "an index is a number from 0")
	}
	return step{index: int(index)}, at + n + 1, nil
}

// find goes from the object at span in doc to the place p names.
func (p Path) find(doc []byte, at formats.Span) (formats.Span, error) {
	for _, s := range p.steps {
		next, n := s.find(doc, at)
		switch {
		case n == 0:
			return at, syntax(int(at.Start), "--answer-path "+quote(p.text)+": no "+s.String()+" in "+describe(doc[at.Start:at.End]))
		case n > 1:
			return at, syntax(int(at.Start), "--answer-path "+quote(p.text)+": "+s.String()+" stands there twice")
		}
		at = next
	}
	return at, nil
}

func (s step) String() string {
	if s.index >= 0 {
		return "[" + strconv.Itoa(s.index) + "]"
	}
	return "key " + quote(s.key)
}

// find returns where the step leads and how many places there are.
func (s step) find(doc []byte, at formats.Span) (found formats.Span, n int) {
	value := doc[at.Start:at.End]
	if s.index < 0 {
		return member(doc, at, s.key)
	}
	i := 0
	for e := range json.Elements(value) {
		if i == s.index {
			return shift(e, at.Start), 1
		}
		i++
	}
	return found, 0
}

// member finds the members called key in the object at span; found is the last of n.
func member(doc []byte, at formats.Span, key string) (found formats.Span, n int) {
	value := doc[at.Start:at.End]
	for k, v := range json.Members(value) {
		if keyIs(value[k.Start:k.End], key) {
			found, n = shift(v, at.Start), n+1
		}
	}
	return found, n
}

func shift(s formats.Span, by uint32) formats.Span {
	return formats.Span{Start: s.Start + by, End: s.End + by}
}
