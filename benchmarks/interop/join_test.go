package interop

import (
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
)

// blooms are the columns that get a bloom filter. Binary ones do not: DuckDB
// v1.5.0 finds no value of them by arrow-go's filters, nor -0 by 0.
var blooms = []string{"id", "x", "i32", "i64", "u64", "f32", "word", "unique", "dict"}

func withBlooms(flags ...parquet.WriterProperty) []parquet.WriterProperty {
	for _, name := range blooms {
		flags = append(flags, parquet.WithBloomFilterEnabledFor(name, true), parquet.WithBloomFilterNDVFor(name, wideGroup))
	}
	return append(flags, parquet.WithPageIndexEnabled(true), parquet.WithDataPageSize(1024), parquet.WithBatchSize(64),
		parquet.WithSortingColumns([]parquet.SortingColumn{{ColumnIdx: 0}}))
}

// writers are ways in which arrow-go writes the same table.
var writers = []struct {
	name  string
	flags []parquet.WriterProperty
}{
	{"snappy", withBlooms(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithStoreDecimalAsInteger(true))},
	{"zstd, pages of version 2", withBlooms(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithDataPageVersion(parquet.DataPageV2))},
	{"gzip, no dictionaries", withBlooms(parquet.WithCompression(compress.Codecs.Gzip), parquet.WithDictionaryDefault(false),
		parquet.WithEncodingFor("i64", parquet.Encodings.DeltaBinaryPacked), parquet.WithEncodingFor("unique", parquet.Encodings.DeltaByteArray),
		parquet.WithEncodingFor("word", parquet.Encodings.DeltaLengthByteArray), parquet.WithEncodingFor("f64", parquet.Encodings.ByteStreamSplit))},
	{"plain, no statistics, no indexes", []parquet.WriterProperty{parquet.WithStats(false)}},
}

func TestFromArrow(t *testing.T) {
	columns := append(flat(), nested()...)
	batch := table(t, columns, wideRows)
	for _, w := range writers {
		t.Run(w.name, func(t *testing.T) {
			in := arrowFile(t, batch, wideGroup, w.flags...)
			j := joined{in: in, out: join(t, in, 0), want: answers(columns, wideRows), spliced: true}
			j.check(t)
		})
	}
}

// LZ4_RAW is not read by parquet-go v0.32.0: it takes pages for good that it
// did not decompress to their end.
func TestFromArrowLZ4(t *testing.T) {
	columns := append(flat(), nested()...)
	in := arrowFile(t, table(t, columns, wideRows), wideGroup, withBlooms(parquet.WithCompression(compress.Codecs.Lz4Raw))...)
	j := joined{in: in, out: join(t, in, 0), want: answers(columns, wideRows), spliced: true}
	t.Run("duckdb", func(t *testing.T) { checkDuckDB(t, j) })
	t.Run("arrow", func(t *testing.T) { checkArrow(t, j) })
}

// A filter on what is sent changes the answers, and nothing else.
func TestFromArrowProjected(t *testing.T) {
	columns := append(flat(), nested()...)
	in := arrowFile(t, table(t, columns, wideRows), wideGroup, writers[0].flags...)
	j := joined{in: in, out: join(t, in, 0, "--input-filter", "id,x"), want: answers(columns[:2], wideRows), spliced: true}
	j.check(t)
}

// poisoned are the rows that the host fails on.
var poisoned = []int{0, 497, 499, 500, 501, 1299}

// poisonedFile is the wide file with a text in some rows that the host fails on.
func poisonedFile(t *testing.T) (in string, want []answer) {
	t.Helper()
	columns := append(flat(), nested()...)
	for i := range columns {
		if columns[i].name == "unique" {
			text := columns[i].text
			columns[i].text = func(row int) string {
				if slices.Contains(poisoned, row) {
					return poison
				}
				return text(row)
			}
		}
	}
	// Where the column is null anyway the host has nothing to fail on.
	for _, row := range poisoned {
		if (row+len("unique"))%7 == 0 {
			t.Fatalf("row %d is null", row)
		}
	}
	return arrowFile(t, table(t, columns, wideRows), wideGroup, writers[0].flags...), answers(columns, wideRows)
}

// Records that are left out force the file to be encoded anew.
func TestSkip(t *testing.T) {
	in, all := poisonedFile(t)
	j := leftOut(all)
	j.in, j.out = in, join(t, in, 3, "--on-bad", "skip", "--max-rejects", "10")
	j.check(t)
}

// leftOut is what an output has without the poisoned rows.
func leftOut(all []answer) (j joined) {
	for row, a := range all {
		if !slices.Contains(poisoned, row) {
			j.rows, j.want = append(j.rows, row), append(j.want, a)
		}
	}
	return j
}

// With placeholders the records stay, and so do the file's chunks.
func TestPlaceholder(t *testing.T) {
	in, want := poisonedFile(t)
	for _, row := range poisoned {
		want[row] = answer{null: true}
	}
	j := joined{in: in, out: join(t, in, 3, "--max-rejects", "10"), want: want, spliced: true}
	j.check(t)
}

// --compression is the answers' codec. The input's columns keep theirs, copied
// or written anew, so that the row groups of a file are alike.
func TestCompression(t *testing.T) {
	in, all := poisonedFile(t)
	for _, codec := range []string{"none", "snappy", "gzip", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			out := join(t, in, 3, "--on-bad", "skip", "--max-rejects", "10", "--compression", codec)
			same(t, parquetGoAnswers(t, openParquetGo(t, out)), leftOut(all).want)
			db := duck(t)
			want := strings.ToUpper(strings.Replace(codec, "none", "uncompressed", 1))
			for where, want := range map[string]string{"=": want, "<>": "SNAPPY"} {
				got := texts(t, db, "SELECT DISTINCT compression FROM parquet_metadata("+literal(out)+") WHERE path_in_schema "+where+" 'prediction'")
				if len(got) != 1 || got[0][0] != want {
					t.Errorf("path %s prediction: compressed with %v, want %s", where, got, want)
				}
			}
		})
	}
}
