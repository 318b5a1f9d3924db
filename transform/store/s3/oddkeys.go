package s3

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Keys may have elements that no path has: "" (as in a//b), "." and "..". In a store with Options.OddKeys the name of
// such a key has a code in their place, and a name with a code is read from such a key. A key that looks like a
// code has one more 25 in its name, so that every key has a name of its own, and every name a key.
var (
	coded   = regexp.MustCompile(`^%(25)*(2F|2E|2E%2E)$`)
	codes   = map[string]string{"": "%2F", ".": "%2E", "..": "%2E%2E"}
	meaning = map[string]string{"%2F": "", "%2E": ".", "%2E%2E": ".."}
)

// nameOf is the name of a key, below the store's prefix.
func nameOf(key string) string {
	return each(key, func(element string) string {
		if code, odd := codes[element]; odd {
			return code
		}
		if coded.MatchString(element) {
			return "%25" + element[1:]
		}
		return element
	})
}

// keyOf is the key that a name stands for.
func keyOf(name string) string {
	if !strings.Contains(name, "%2") {
		return name
	}
	return each(name, func(element string) string {
		if !coded.MatchString(element) {
			return element
		}
		if element, odd := meaning[element]; odd {
			return element
		}
		return "%" + element[len("%25"):]
	})
}

func each(path string, change func(element string) string) string {
	elements := strings.Split(path, "/")
	for i, e := range elements {
		elements[i] = change(e)
	}
	return strings.Join(elements, "/")
}

// readable tells whether a key can be asked for at all: the XML of requests holds no others.
func readable(key string) bool { return utf8.ValidString(key) && !slices.Contains([]byte(key), 0) }
