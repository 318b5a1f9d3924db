package job

import (
	"cmp"
	"strconv"
	"strings"
)

// byteNames are bytes that punctuate CSV by the names that flags may give them.
var byteNames = map[string]string{
	`\t`: "\t", "tab": "\t", "space": " ", "comma": ",", "semicolon": ";", "bar": "|", "pipe": "|", "backslash": `\`, `\\`: `\`,
}

// checkDialect makes the bytes that punctuate CSV of their names: a job is the same whatever its bytes are called.
func (s *Spec) checkDialect() error {
	for _, f := range []struct {
		name  string
		field *string
	}{{"--delimiter", &s.Delimiter}, {"--quote", &s.Quote}, {"--escape", &s.Escape}, {"--comment", &s.Comment}} {
		value, err := namedByte(f.name, *f.field)
		if err != nil {
			return err
		}
		*f.field = value
	}
	if s.Escape == cmp.Or(s.Quote, `"`) {
		s.Escape = "" // a doubled quote, which counts in any case
	}
	if s.Delimiter != "" && s.Delimiter == s.Quote {
		return Usagef("", "--delimiter and --quote are both %q", s.Quote)
	}
	return nil
}

// namedByte is the byte that a flag's value is or names; empty for an empty value.
func namedByte(flag, value string) (string, error) {
	hex, isHex := strings.CutPrefix(value, "0x")
	if !isHex {
		hex, isHex = strings.CutPrefix(value, `\x`)
	}
	named := byteNames[value]
	if code, err := strconv.ParseUint(hex, 16, 8); isHex && err == nil {
		named = string([]byte{byte(code)})
	}
	switch named = cmp.Or(named, value); {
	case len(named) > 1:
		return "", Usagef(`write the byte itself, its number as 0x01, or tab, space, comma, semicolon, bar or backslash; where several bytes stand between fields, replace them by one in the files first`,
			"%s %q is %d bytes, and has to be one byte", flag, value, len(named))
	case named != "" && strings.Contains("\r\n\x00", named):
		return "", Usagef("", "%s: %q ends lines or is NUL, and cannot punctuate them", flag, named)
	}
	return named, nil
}
