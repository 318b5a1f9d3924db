package codec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/formats/parquet/encode"
)

// Identity is what of a job's settings changes output bytes, by name: flags as
// given, and what was found for flags that were not given.
func (c *Codec) Identity() map[string]string {
	s := c.spec
	id := map[string]string{
		"input-format": c.inputFormat(), "output-format": c.Out, "content-type": c.payload.media, "accept": c.answers.accept,
		"payload-wrap": s.PayloadWrap, "header": strconv.FormatBool(c.schema.Header != nil), "send-header": strconv.FormatBool(s.SendHeader),
		"delimiter": s.Delimiter, "quote": s.Quote, "ragged": strconv.FormatBool(s.Ragged), "join": s.Join,
		"answers": s.Answers, "answer-name": s.AnswerName, "answer-path": s.AnswerPath,
		"input-filter": s.InputFilter, "output-filter": s.OutputFilter,
		"compression": c.compression.String(), "row-group-records": "", "answer-type": strings.Join(s.AnswerType, " "),
		"max-record": s.MaxRecord.String(),
	}
	if c.Out == FormatParquet {
		id["compression"] = c.pages
	}
	if c.Out == FormatParquet && !c.Spliced() { // else the job does not decide it
		id["row-group-records"] = strconv.Itoa(c.rowGroup())
	}
	if c.records != nil || c.types != nil {
		id["column-type"] = recordsIdentity(c.records) + typesIdentity(c.types)
	}
	if s.Encoding != "" {
		id["encoding"] = s.Encoding
	}
	for _, f := range []struct{ name, value string }{
		{"escape", s.Escape}, {"comment", s.Comment}, {"skip-rows", number(s.SkipRows)}, {"trim", yes(s.Trim)}, {"null", s.Null},
	} {
		if f.value != "" {
			id[f.name] = f.value
		}
	}
	if s.DedupeNames {
		id["dedupe-names"] = "true"
	}
	if names := c.answers.names.Columns; names != nil {
		id["answer-columns"] = fmt.Sprintf("%q", names)
	}
	if s.AnswerHeader != "no" { // nothing, where it changes nothing: jobs are older than the setting
		id["answer-header"] = s.AnswerHeader
	}
	if s.Answers == "per-batch" {
		id["batch-records"], id["batch-bytes"] = strconv.Itoa(s.BatchSize()), s.BatchBytes.String()
		id["limit"] = strconv.FormatInt(s.Limit, 10) // the last batch is cut there, and its response is that of another batch
	}
	return id
}

// number is a number that is set, and empty for 0.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// yes is a flag that is given, and empty for one that is not.
func yes(given bool) string {
	if given {
		return "true"
	}
	return ""
}

// typesIdentity is types as --column-type could say them: two ways to say the same
// types give the same output.
func typesIdentity(types []csv.Type) string {
	var parts []string
	for i, t := range types {
		if t != csv.TypeAuto {
			parts = append(parts, fmt.Sprintf("%d=%s", i, t))
		}
	}
	return strings.Join(parts, " ")
}

// recordsIdentity is the typed columns that text records become in Parquet.
func recordsIdentity(r *encode.Records) string {
	if r == nil {
		return ""
	}
	var parts []string
	for _, c := range r.Columns {
		parts = append(parts, strconv.Quote(c.Name)+"="+string(c.Type))
	}
	return strings.Join(append(parts, r.Declared...), " ")
}
