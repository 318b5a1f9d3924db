package codec

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/formats/jsonl"
	"github.com/batchmill/batchmill/transform/job"
)

// naming is what the input's columns are called where records are read by fields.
type naming struct {
	schema formats.Schema
	header []byte   // of CSV outputs and payloads; the input's own line where no column got another name
	rows   []string // of fields: no two of them the same where one of two could be taken for the other
}

// settleNames decides what columns are called, once their names are known. Names that
// become another format's have to be UTF-8, and different where they are keys of a
// JSON object or columns of a Parquet file.
func (c *Codec) settleNames() error {
	named := c.In == FormatCSV || c.In == FormatParquet
	if c.spec.DedupeNames && !named {
		return job.Usagef("leave it out", "--dedupe-names is for columns of CSV and Parquet, and the input is %s", c.In)
	}
	c.header, c.rows = c.schema.Header, c.schema.Names
	if !named || c.schema.Names == nil {
		return nil
	}
	if names := dedupe(c.schema.Names); !slices.Equal(names, c.schema.Names) {
		if c.Spliced() {
			return c.clash(nil, "joined Parquet output", "its columns are copied as they are: rename one in the file, or use --output-format csv or jsonl with --dedupe-names")
		}
		if c.spec.DedupeNames {
			c.takeNames(names)
		}
	}
	sent := c.sentPlaces()
	if err := c.checkUTF8(sent); err != nil {
		return err
	}
	if err := c.checkUnique(sent); err != nil {
		return err
	}
	if c.payload.format != FormatCSV { // CSV is made by places
		c.rows = tellApart(c.rows, sent)
	}
	return nil
}

// takeNames gives the columns other names than the input has.
func (c *Codec) takeNames(names []string) {
	c.schema.Names, c.rows = names, names
	if c.In == FormatParquet {
		c.parquet.As = names
	}
	if c.header == nil {
		return
	}
	end := c.header[len(bytes.TrimRight(c.header, "\r\n")):]
	if !bytes.HasSuffix(end, []byte("\n")) {
		end = []byte("\n")
	}
	c.header = append(bytes.TrimSuffix(csv.HeaderLine(c.dialect, names), []byte("\n")), end...)
}

// dedupe gives every name that came before another one: the second a becomes a_2, or
// the next number that no column has. A name that came before and is empty becomes column_N.
func dedupe(names []string) []string {
	out, taken := slices.Clone(names), map[string]bool{}
	for _, name := range names {
		taken[name] = true
	}
	seen := map[string]bool{}
	for i, name := range names {
		if !seen[name] {
			seen[name] = true
			continue
		}
		next := name + "_2"
		if name == "" {
			name = "column_" + strconv.Itoa(i+1)
			next = name
		}
		for n := 2; taken[next]; n++ {
			next = name + "_" + strconv.Itoa(n)
		}
		out[i], taken[next] = next, true
	}
	return out
}

// tellApart renames columns that are not sent, where a column that is sent has their
// name: payloads are made by names.
func tellApart(names []string, sent []bool) []string {
	other := dedupe(names)
	if sent == nil || slices.Equal(other, names) {
		return names
	}
	out := slices.Clone(names)
	taken := map[string]bool{}
	for i, name := range names {
		taken[name] = taken[name] || sent[i]
	}
	for i := range out {
		for n := 2; !sent[i] && taken[out[i]]; n++ {
			out[i] = names[i] + "_" + strconv.Itoa(n)
		}
		taken[out[i]] = true
	}
	return out
}

// sentPlaces tells by place which columns go to hosts; nil means all. A filter that
// cannot be read sends all: Bind says what is wrong with it.
func (c *Codec) sentPlaces() []bool {
	if c.spec.InputFilter == "" {
		return nil
	}
	sent := make([]bool, len(c.schema.Names))
	if c.payload.format == FormatCSV {
		filter, err := csv.ParseFilter(c.spec.InputFilter)
		picks, wrong := filter.Resolve(c.schema.Names, len(sent))
		if err != nil || wrong != nil {
			return nil
		}
		mark(sent, picks)
		return sent
	}
	filter, err := jsonl.ParseFilter(c.spec.InputFilter)
	if err != nil {
		return nil
	}
	for _, key := range filter {
		mark(sent, c.placesOf(key))
	}
	return sent
}

func mark(set []bool, places []int) {
	for _, p := range places {
		set[p] = true
	}
}

// placesOf are the columns that an element of a filter by names picks: those of that
// name, or where no column has the name, those that it picks as an index or a slice.
func (c *Codec) placesOf(key string) []int {
	var places []int
	for i, name := range c.schema.Names {
		if name == key {
			places = append(places, i)
		}
	}
	if places != nil {
		return places
	}
	filter, err := csv.ParseFilter(key)
	if err != nil {
		return nil
	}
	places, _ = filter.Resolve(c.schema.Names, len(c.schema.Names))
	return places
}

// byName is a filter by names whose indexes and slices are made names.
func (c *Codec) byName(filter jsonl.Filter) jsonl.Filter {
	if c.In != FormatCSV && c.In != FormatParquet {
		return filter
	}
	var out jsonl.Filter
	for _, key := range filter {
		places := c.placesOf(key)
		if places == nil || slices.Contains(c.schema.Names, key) {
			out = append(out, key)
			continue
		}
		for _, p := range places {
			if name := c.rows[p]; !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// crosses tells whether column i's name becomes another format's.
func (c *Codec) crosses(i int, sent []bool) bool {
	if c.payload.format != c.In && (c.payload.format != FormatCSV || c.spec.SendHeader) && (sent == nil || sent[i]) {
		return true
	}
	return c.joined() && c.Out != c.In
}

// checkUTF8 refuses names that are not UTF-8.
func (c *Codec) checkUTF8(sent []bool) error {
	for i, name := range c.schema.Names {
		if at := formats.NotUTF8([]byte(name)); at >= 0 && c.crosses(i, sent) {
			return job.Usagef("correct the header, or name the file's encoding with --encoding, such as latin1 or windows-1252",
				"the name of column %d (counted from 0), %.100q, becomes text of another format: its %s", i, name, formats.SayNotUTF8([]byte(name), at))
		}
	}
	return nil
}

// checkUnique refuses one name for two columns, where a name can stand once.
func (c *Codec) checkUnique(sent []bool) error {
	const pick = "pick one of them by its index with --input-filter, or "
	written := []bool(nil) // an output takes all names
	if c.In == FormatParquet && c.payload.wrap == jsonl.WrapSplit {
		sent = nil // so does a table, in which columns of Parquet go by name
	}
	for _, need := range []struct {
		holds      bool
		what, cure string
		of         []bool // by place; nil means all
	}{
		{c.payload.format == FormatJSONL, "a JSON payload", pick, sent},
		{c.payload.format == FormatParquet && c.In != FormatParquet, "a Parquet payload", pick, sent},
		{c.joined() && c.Out == FormatJSONL, "joined JSON output", "", written},
		{c.joined() && c.Out == FormatParquet && !c.Spliced(), "joined Parquet output", "", written},
	} {
		if !need.holds {
			continue
		}
		if err := c.clash(need.of, need.what, need.cure+"say --dedupe-names"); err != nil {
			return err
		}
	}
	return nil
}

// clash is the refusal of the first name that two columns have, among the columns of.
func (c *Codec) clash(of []bool, what, cure string) error {
	seen := map[string]int{}
	for i, name := range c.schema.Names {
		if of != nil && !of[i] {
			continue
		}
		if first, twice := seen[name]; twice {
			return job.Usagef(cure, "columns %d and %d (counted from 0) are both called %.100q, and %s holds a name once", first, i, name, what)
		}
		seen[name] = i
	}
	return nil
}
