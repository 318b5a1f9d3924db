package jobtest

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
)

// brokenFiles are files that fail their object, and a part of what is to be said.
func brokenFiles(t testing.TB) map[string]struct {
	data []byte
	want string
} {
	good := plainFile(t, 100, 20)
	over := func(at int, with ...byte) []byte {
		data := slices.Clone(good)
		copy(data[at:], with)
		return data
	}
	type other struct {
		ID   int64   `parquet:"id"`
		Text float64 `parquet:"text"`
		N    *int64  `parquet:"n,optional"`
	}
	type more struct {
		plainRow
		Extra string `parquet:"extra"`
	}
	type broken = struct {
		data []byte
		want string
	}
	meta, err := pq.OpenFile(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	later := int(meta.Metadata().RowGroups[1].Columns[0].MetaData.DataPageOffset)
	foot := func(change func(*format.FileMetaData)) []byte { return refooted(t, good, change) }
	return map[string]broken{
		"another type":   {parquetFile(t, []other{{ID: 1}}), `"text"`},
		"another column": {parquetFile(t, []more{{plainRow: plainRow{ID: 1}}}), `"extra"`},
		"nothing":        {nil, "0 bytes"},
		"magic alone":    {[]byte("PAR1PAR1"), "too short"},
		"text":           {[]byte(strings.Repeat("id,text\n", 20)), "no Parquet file, or one cut short"},
		"cut off":        {good[:len(good)-30], "no Parquet file, or one cut short"},
		"cut in half":    {append(slices.Clone(good[:len(good)/2]), good[len(good)-8:]...), "the footer is broken"},
		"page header":    {over(4, bytes.Repeat([]byte{0xff}, 12)...), "page header"},
		"later header":   {over(later, bytes.Repeat([]byte{0xff}, 12)...), "page header"},
		"zeros":          {over(4, make([]byte, 60)...), "page header"},
		"more rows":      {foot(func(m *format.FileMetaData) { m.NumRows += 5 }), "the footer tells of 25 rows, its row groups of 20"},
		"rows not there": {foot(func(m *format.FileMetaData) { m.NumRows += 5; m.RowGroups[1].NumRows += 5 }), "8 values for 13 rows"},
		"fewer rows":     {foot(func(m *format.FileMetaData) { m.NumRows -= 5; m.RowGroups[1].NumRows -= 5 }), "8 values for 3 rows"},
		"negative rows":  {foot(func(m *format.FileMetaData) { m.NumRows, m.RowGroups[0].NumRows = -1, -1 }), "-1 rows"},
		"many rows":      {foot(func(m *format.FileMetaData) { m.NumRows, m.RowGroups[0].NumRows = 1<<60, 1<<60-12 }), "8 values for 1152921504606846964 rows"},
		"many values":    {foot(func(m *format.FileMetaData) { m.RowGroups[0].Columns[0].MetaData.NumValues = 1 << 60 }), "1152921504606846976 values for 8 rows"},
		"outside":        {foot(func(m *format.FileMetaData) { m.RowGroups[1].Columns[2].MetaData.DataPageOffset = 1 << 40 }), "does not fit"},
		"encrypted":      {append(slices.Clone(good[:len(good)-4]), "PARE"...), "encrypted"},
		"encrypted column": {foot(func(m *format.FileMetaData) {
			m.RowGroups[0].Columns[0].CryptoMetadata = format.ColumnCryptoMetaData{Value: new(format.EncryptionWithFooterKey)}
		}), "encrypted"},
		"signed": {foot(func(m *format.FileMetaData) {
			m.EncryptionAlgorithm = format.EncryptionAlgorithm{Value: new(format.AesGcmV1)}
		}), "encrypted"},
	}
}

// TestBrokenParquetFailsAlone: an object that cannot be read fails with its
// reason, and all that stands before and behind it is published.
func TestBrokenParquetFailsAlone(t *testing.T) {
	for name, c := range brokenFiles(t) {
		for _, join := range []string{"input", "none"} {
			synctest.Test(t, func(t *testing.T) {
				w := parquetJob(t, plainFile(t, 0, 20), c.data, plainFile(t, 200, 30))
				w.spec.Join, w.spec.Memory, w.spec.MaxRecord = join, 8<<20, 1<<20
				res := w.mustRun(t)
				if n := len(res.Manifest.Objects); n != 3 {
					t.Fatalf("%s: %d objects in the manifest", name, n)
				}
				seen := w.output.Snapshot()
				o := res.Manifest.Objects[1]
				if o.Status != manifest.Failed || o.Error == "" || !strings.Contains(o.Error, c.want) || o.Out != 0 || o.Output != nil {
					t.Errorf("%s, join %s: %+v, want a failure about %q", name, join, o, c.want)
				}
				if seen["o1.parquet"] != nil || seen[plan.SuccessName] != nil || strings.Contains(o.Error, "not foreseen") {
					t.Errorf("%s, join %s: visible: %v, success: %v, %s", name, join, seen["o1.parquet"] != nil, seen[plan.SuccessName] != nil, o.Error)
				}
				checkNeighbours(t, w, res, join)
			})
		}
	}
}

// checkNeighbours: the objects around the broken one are whole.
func checkNeighbours(t *testing.T, w *world, res *transform.Result, join string) {
	t.Helper()
	for i, from := range map[int]int{0: 0, 2: 200} {
		n := 20 + 5*i
		want := joinedRows(from, n)
		if join == "none" {
			for k := range want.rows {
				want.rows[k] = want.rows[k][3:]
			}
			want.names = want.names[3:]
		}
		mustHold(t, w.output, []string{"o0.parquet", "", "o2.parquet"}[i], want)
		counts := manifest.Counts{In: int64(n), Out: int64(n), Answered: int64(n)}
		if o := res.Manifest.Objects[i]; o.Status != manifest.Published || o.Counts != counts {
			t.Errorf("object %d is %s: %+v", i, o.Status, o.Counts)
		}
	}
}

// TestBrokenParquetAlone: where no object can be read, the job says which one
// and why, and asks nothing.
func TestBrokenParquetAlone(t *testing.T) {
	for name, c := range brokenFiles(t) {
		if strings.HasPrefix(name, "another") {
			continue // alone, its schema is the job's
		}
		synctest.Test(t, func(t *testing.T) {
			w := parquetJob(t, c.data)
			w.spec.Memory, w.spec.MaxRecord = 8<<20, 1<<20
			res, r, err := w.run(t.Context(), w.output)
			switch {
			case err != nil:
				if transform.ClassOf(err) != job.BadInput || !strings.Contains(err.Error(), "o0.parquet") || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: error %v of class %d", name, err, transform.ClassOf(err))
				}
			case res.Manifest.Objects[0].Status != manifest.Failed || res.Manifest.Objects[0].Error == "":
				t.Errorf("%s: %+v", name, res.Manifest.Objects[0])
			default:
				if err := w.checkBounds(r); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if w.output.Snapshot()["o0.parquet"] != nil {
				t.Errorf("%s: there is an output", name)
			}
		})
	}
}

// TestUncopyableIsNotAsked: what keeps columns from being copied is found in the
// footer, with column and byte, before a host is asked. Answers alone need no copy.
func TestUncopyableIsNotAsked(t *testing.T) {
	good := plainFile(t, 0, 20)
	at := func(edit func(*format.ColumnChunk)) []byte {
		return refooted(t, good, func(m *format.FileMetaData) { edit(&m.RowGroups[1].Columns[1]) })
	}
	for name, data := range map[string][]byte{
		"an index outside":         at(func(c *format.ColumnChunk) { c.OffsetIndexOffset, c.OffsetIndexLength = 1<<40, 9 }),
		"a filter outside":         at(func(c *format.ColumnChunk) { c.MetaData.BloomFilterOffset = 1 << 40 }),
		"a negative size":          at(func(c *format.ColumnChunk) { c.MetaData.TotalUncompressedSize = -1 }),
		"chunks beyond their file": at(func(c *format.ColumnChunk) { c.ColumnIndexOffset, c.ColumnIndexLength = 4, int32(len(good)/2) }),
	} {
		for _, join := range []string{"input", "none"} {
			synctest.Test(t, func(t *testing.T) {
				w := parquetJob(t, data)
				w.spec.Join = join
				o := w.mustRun(t).Manifest.Objects[0]
				asked := w.hosts[0].count > 0
				if join == "none" {
					if o.Status != manifest.Published || !asked {
						t.Errorf("%s, answers alone: asked %v, %+v", name, asked, o)
					}
					return
				}
				if asked || o.Status != manifest.Failed {
					t.Fatalf("%s: asked %v, %+v", name, asked, o)
				}
				for _, want := range []string{"cannot be copied", "footer at byte ", "row group ", `column "text"`} {
					if !strings.Contains(o.Error, want) {
						t.Errorf("%s: %s does not say %q", name, o.Error, want)
					}
				}
			})
		}
	}
}

// emptyGroups is the file with row groups without rows around its own, as Arrow
// writes them: a dictionary page, and 0 for the data pages.
func emptyGroups(t *testing.T, file []byte) []byte {
	return refooted(t, file, func(m *format.FileMetaData) {
		empty := m.RowGroups[0]
		empty.NumRows, empty.Columns = 0, slices.Clone(empty.Columns)
		for i := range empty.Columns {
			c := &empty.Columns[i].MetaData
			c.NumValues, c.DataPageOffset, c.DictionaryPageOffset, c.TotalCompressedSize = 0, 0, 4, 14
		}
		groups := []format.RowGroup{empty}
		for _, g := range m.RowGroups {
			groups = append(groups, g, empty)
		}
		m.RowGroups = groups
	})
}

// TestEmptyRowGroups: row groups without rows change nothing, in any output.
func TestEmptyRowGroups(t *testing.T) {
	for _, c := range []struct{ join, format, bad string }{
		{"input", "parquet", "placeholder"}, {"input", "parquet", "skip"}, {"none", "parquet", "placeholder"}, {"input", "csv", "placeholder"}, {"input", "jsonl", "placeholder"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var outputs [][]byte
			for _, file := range [][]byte{plainFile(t, 0, 20), emptyGroups(t, plainFile(t, 0, 20))} {
				w := parquetJob(t, file)
				w.spec.Join, w.spec.OutputFormat, w.spec.OnBad = c.join, c.format, c.bad
				res := w.mustRun(t)
				if counts := (manifest.Counts{In: 20, Out: 20, Answered: 20}); res.Manifest.Objects[0].Counts != counts {
					t.Errorf("%+v: %+v", c, res.Manifest.Objects[0].Counts)
				}
				if c.format == "parquet" && c.join == "input" {
					mustHold(t, w.output, "o0.parquet", joinedRows(0, 20))
				}
				for name, data := range w.output.Snapshot() {
					if strings.HasPrefix(name, "o0.") && c.format != "parquet" {
						outputs = append(outputs, data)
					}
				}
			}
			if c.format != "parquet" && (len(outputs) != 2 || !bytes.Equal(outputs[0], outputs[1])) {
				t.Errorf("%+v: the outputs differ: %q", c, outputs)
			}
		})
	}
}

// TestNoRows: a file without rows has an output without rows, of the right columns.
func TestNoRows(t *testing.T) {
	for _, c := range []struct {
		join string
		bad  string
		want []string
	}{{"input", "placeholder", []string{"id", "text", "n", "prediction"}}, {"input", "skip", []string{"id", "text", "n", "prediction"}}, {"none", "placeholder", []string{"prediction"}}} {
		synctest.Test(t, func(t *testing.T) {
			w := parquetJob(t, plainFile(t, 0, 0), plainFile(t, 0, 0))
			w.spec.Join, w.spec.OnBad = c.join, c.bad
			res := w.mustRun(t)
			for i, name := range []string{"o0.parquet", "o1.parquet"} {
				mustHold(t, w.output, name, &sheet{names: c.want})
				if o := res.Manifest.Objects[i]; o.Status != manifest.Published || o.Counts != (manifest.Counts{}) {
					t.Errorf("object %d: %+v", i, o)
				}
			}
			if w.hosts[0].count > 0 {
				t.Errorf("%d requests for no record", w.hosts[0].count)
			}
		})
	}
}

// TestPackedParquetIsRefused: Parquet inside of another compression cannot be
// read here and there.
func TestPackedParquetIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := parquetJob(t)
		if err := w.input.Put("o0.parquet.gz", []byte("PAR1")); err != nil {
			t.Fatal(err)
		}
		_, err := w.runOn(t.Context(), w.input, w.output)
		if err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(err.Error(), "o0.parquet.gz") || !strings.Contains(transform.HintOf(err), "unpack it") {
			t.Errorf("error %v, hint %q", err, transform.HintOf(err))
		}
		if w.hosts[0].count > 0 || len(w.output.Snapshot()) > 0 {
			t.Errorf("%d requests, %d files", w.hosts[0].count, len(w.output.Snapshot()))
		}
	})
}

// TestAnswerNameIsTaken: an input column called like the answer is found before
// anything is asked.
func TestAnswerNameIsTaken(t *testing.T) {
	type row struct {
		ID         int64 `parquet:"id"`
		Prediction int64 `parquet:"prediction"`
	}
	for _, out := range []string{codec.FormatParquet, codec.FormatCSV, codec.FormatJSONL} {
		synctest.Test(t, func(t *testing.T) {
			w := parquetJob(t, parquetFile(t, []row{{1, 2}}))
			w.spec.OutputFormat = out
			_, err := w.runOn(t.Context(), w.input, w.output)
			if err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(err.Error(), `"prediction"`) || w.hosts[0].count > 0 || len(w.output.Snapshot()) > 0 {
				t.Errorf("%s: error %v, %d requests", out, err, w.hosts[0].count)
			}
			w.spec.AnswerName = "score"
			if res := w.mustRun(t); res.Manifest.Totals.Answered != 1 {
				t.Errorf("%s: %+v", out, res.Manifest.Totals)
			}
		})
	}
}

// TestLimitInsideRowGroup: --limit ends an output in the middle of a row group,
// whose chunks can then not be copied whole.
func TestLimitInsideRowGroup(t *testing.T) {
	for _, limit := range []int64{1, 7, 8, 9, 19, 20, 21, 28, 33} {
		synctest.Test(t, func(t *testing.T) {
			w := parquetJob(t, plainFile(t, 0, 20), plainFile(t, 100, 20))
			w.spec.Limit = limit
			res := w.mustRun(t)
			first, second := int(min(limit, 20)), int(max(limit-20, 0))
			mustHold(t, w.output, "o0.parquet", joinedRows(0, first))
			if second > 0 {
				mustHold(t, w.output, "o1.parquet", joinedRows(100, second))
			}
			if res.Manifest.Totals.In != limit || res.Manifest.Totals.Out != limit || len(w.hosts[0].asked) != int(limit) {
				t.Errorf("limit %d: %+v, %d records asked about", limit, res.Manifest.Totals, len(w.hosts[0].asked))
			}
		})
	}
}
