package codec

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/transform/job"
)

// dialectOf is how the flags punctuate CSV.
func dialectOf(s *job.Spec) csv.Dialect {
	return csv.Dialect{Delimiter: oneByte(s.Delimiter), Quote: oneByte(s.Quote), Escape: oneByte(s.Escape), Comment: oneByte(s.Comment), Trim: s.Trim}
}

// oneByte is the byte that a flag names, or 0 for the format's default.
func oneByte(flag string) byte {
	if flag == "" {
		return 0
	}
	return flag[0]
}

// checkDialect refuses what cannot punctuate CSV, and flags that have no CSV to be about.
func (c *Codec) checkDialect() error {
	s := c.spec
	for _, f := range []struct {
		flag string
		set  bool
		can  bool
	}{
		{"--comment", s.Comment != "", false}, {"--skip-rows", s.SkipRows > 0, false}, {"--trim", s.Trim, false}, {"--null", s.Null != "", false},
		{"--escape", s.Escape != "", c.Out == FormatCSV},
	} {
		if f.set && !f.can && c.In != FormatCSV {
			return job.Usagef("leave it out", "%s is for CSV, and the input is %s", f.flag, c.In)
		}
	}
	var option *csv.OptionError
	if err := c.dialect.Validate(); errors.As(err, &option) {
		return job.Usagef("", "--%s: %s", option.Option, option.Message)
	}
	return c.checkNull()
}

// checkNull refuses a text of --null that no field without quotes can be.
func (c *Codec) checkNull() error {
	d, null := c.dialect, c.spec.Null
	never := "\r\n" + string(rune(d.Delimiter)) + string(rune(d.Quote))
	if d.Delimiter == 0 {
		never += ","
	}
	if d.Quote == 0 {
		never += `"`
	}
	switch {
	case !utf8.ValidString(null):
		return job.Usagef("", "--null %q is not UTF-8", null)
	case strings.ContainsAny(null, strings.ReplaceAll(never, "\x00", "")):
		return job.Usagef("give the text as it stands in a field without quotes", "--null %q holds a delimiter, a quote or a line break, which no field without quotes holds", null)
	case d.Trim && strings.Trim(null, " \t") != null:
		return job.Usagef("leave the blanks out", "--null %q has blanks around it, which --trim takes from every field", null)
	}
	return nil
}

// plainRecords tells whether records of CSV go to hosts as they stand.
func (c *Codec) plainRecords() bool { return c.dialect.Plain() && c.spec.Null == "" }

// asked is err as a failure of the configuration, where a flag has to say what the data does not show.
func asked(err error) error {
	var (
		ambiguous *csv.AmbiguousHeaderError
		delimiter *csv.DelimiterError
		separator *csv.SeparatorLineError
		option    *csv.OptionError
	)
	hint := ""
	switch {
	case errors.As(err, &ambiguous):
		hint = "say --header yes or --header no"
	case errors.As(err, &delimiter):
		hint = fmt.Sprintf("say --delimiter %s, or --delimiter %s if that is right", nameOf(delimiter.Likely), nameOf(delimiter.Used))
	case errors.As(err, &separator):
		hint = fmt.Sprintf("say --skip-rows 1 --delimiter %s", nameOf(separator.Delimiter))
	case !errors.As(err, &option):
		return err
	}
	return &job.Failure{Class: job.Usage, Err: err, Hint: hint}
}

// nameOf is how a delimiter can be said in a shell.
func nameOf(delimiter byte) string {
	switch {
	case delimiter == '\t':
		return "tab"
	case delimiter == ',':
		return ","
	case delimiter < ' ':
		return fmt.Sprintf("0x%02x", delimiter)
	}
	return "'" + string(rune(delimiter)) + "'"
}
