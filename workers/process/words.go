package process

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// Split cuts a command line into words as a shell does: by blanks, with '...',
// "..." and \ to quote. Nothing is expanded. A character with a meaning for shells
// only, such as | or the $ of $NAME, is an error unless quoted, so that the character
// does not silently become part of a word.
func Split(line string) ([]string, error) {
	s := splitter{rest: line}
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		if err := s.next(c); err != nil {
			return nil, err
		}
	}
	s.endWord()
	if len(s.words) == 0 {
		return nil, errors.New("no program is named")
	}
	return s.words, nil
}

// Program is the name of the program that a command line starts, without the folder,
// and without the arguments, which may hold secrets; "" for a line without a program.
func Program(line string) string {
	words, err := Split(line)
	if err != nil {
		return ""
	}
	return filepath.Base(words[0])
}

type splitter struct {
	rest   string
	words  []string
	word   strings.Builder
	inWord bool // a word has begun, perhaps an empty one in quotes
}

func (s *splitter) endWord() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.inWord = false
}

func (s *splitter) next(c byte) error {
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		s.endWord()
		return nil
	case c == '\'':
		s.inWord = true
		quoted, rest, ok := strings.Cut(s.rest, "'")
		if !ok {
			return errors.New("a quote ' is not closed")
		}
		s.word.WriteString(quoted)
		s.rest = rest
		return nil
	case c == '"':
		s.inWord = true
		return s.quoted()
	case c == '\\':
		if s.rest == "" {
			return errors.New(`it ends with a \`)
		}
		if s.rest[0] != '\n' { // a \ before a line's end joins two lines
			s.add(s.rest[0])
		}
		s.rest = s.rest[1:]
		return nil
	case strings.IndexByte("|&;<>()`", c) >= 0, c == '$' && s.expands():
		return forShell(c)
	}
	s.add(c)
	return nil
}

func (s *splitter) add(c byte) {
	s.inWord = true
	s.word.WriteByte(c)
}

// quoted reads the text in "...".
func (s *splitter) quoted() error {
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		switch {
		case c == '"':
			return nil
		case c == '\\' && s.rest != "" && strings.IndexByte("$`\"\\\n", s.rest[0]) >= 0:
			if s.rest[0] != '\n' {
				s.word.WriteByte(s.rest[0])
			}
			s.rest = s.rest[1:]
		case c == '`', c == '$' && s.expands():
			return forShell(c)
		default:
			s.word.WriteByte(c)
		}
	}
	return errors.New(`a quote " is not closed`)
}

// expands tells whether a shell would replace a $ before rest.
func (s *splitter) expands() bool {
	if s.rest == "" {
		return false
	}
	c := s.rest[0]
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_{(@*#?$!-", c) >= 0
}

func forShell(c byte) error {
	return fmt.Errorf("%c means something to a shell only, and none is used: quote it, or write sh -c '...'", c)
}
