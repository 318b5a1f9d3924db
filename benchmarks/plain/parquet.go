package plain

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"
)

// rowGroup is how many rows the output's row groups have.
const rowGroup = 250_000

// record is a row of the corpus. Pointers are columns with nulls.
type record struct {
	ID   int64    `parquet:"id"`
	N01  float64  `parquet:"n01"`
	N02  float64  `parquet:"n02"`
	N03  float64  `parquet:"n03"`
	N04  float64  `parquet:"n04"`
	N05  float64  `parquet:"n05"`
	N06  float64  `parquet:"n06"`
	N07  float64  `parquet:"n07"`
	N08  float64  `parquet:"n08"`
	N09  float64  `parquet:"n09"`
	N10  float64  `parquet:"n10"`
	N11  float64  `parquet:"n11"`
	N12  float64  `parquet:"n12"`
	N13  float64  `parquet:"n13"`
	N14  float64  `parquet:"n14"`
	N15  float64  `parquet:"n15"`
	N16  float64  `parquet:"n16"`
	N17  float64  `parquet:"n17"`
	N18  float64  `parquet:"n18"`
	N19  *float64 `parquet:"n19"`
	N20  *float64 `parquet:"n20"`
	Name string   `parquet:"name,dict"`
	Note *string  `parquet:"note,dict"`
}

// scoredRecord is a row of the output.
type scoredRecord struct {
	record
	Prediction float64 `parquet:"prediction"`
}

// JoinParquet reads the rows of a corpus from in, a Parquet file of size bytes,
// sends them as CSV, and writes them with their answers as a column of doubles.
func JoinParquet(ctx context.Context, in io.ReaderAt, size int64, out io.Writer, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	file, err := parquet.OpenFile(in, size)
	if err != nil {
		return err
	}
	reader := parquet.NewGenericReader[record](file)
	defer func() { _ = reader.Close() }() // it was only read
	writer := parquet.NewGenericWriter[scoredRecord](out,
		parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(rowGroup))
	p, done := newPoster(cfg)
	defer done()
	read := func() (batch, error) { return readRecords(reader, cfg.Batch) }
	score := func(ctx context.Context, b batch) (batch, error) { return scoreRecords(ctx, p, b.records) }
	var rows []scoredRecord
	write := func(b batch) error {
		rows = rows[:0]
		for i, r := range b.records {
			rows = append(rows, scoredRecord{r, b.answers[i]})
		}
		_, err := writer.Write(rows)
		return err
	}
	if err := pipeline(ctx, cfg.Concurrency, read, score, write); err != nil {
		return err
	}
	return writer.Close()
}

// batch is some records, and later the answer to each of them.
type batch struct {
	records []record
	answers []float64
}

// readRecords reads up to n records, at least one, and then io.EOF.
func readRecords(reader *parquet.GenericReader[record], n int) (batch, error) {
	records, have := make([]record, n), 0
	for have < n {
		got, err := reader.Read(records[have:])
		have += got
		if err == io.EOF {
			break
		}
		if err != nil {
			return batch{}, err
		}
	}
	if have == 0 {
		return batch{}, io.EOF
	}
	return batch{records: records[:have]}, nil
}

// scoreRecords asks for the answers to records.
func scoreRecords(ctx context.Context, p poster, records []record) (batch, error) {
	var payload bytes.Buffer
	writer := csv.NewWriter(&payload)
	var line []string
	for i := range records {
		line = records[i].appendFields(line[:0])
		if err := writer.Write(line); err != nil {
			return batch{}, err
		}
	}
	if writer.Flush(); writer.Error() != nil {
		return batch{}, writer.Error()
	}
	body, err := p.post(ctx, payload.Bytes())
	if err != nil {
		return batch{}, err
	}
	lines, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil {
		return batch{}, err
	}
	if len(lines) != len(records) {
		return batch{}, fmt.Errorf("%d answers for %d records", len(lines), len(records))
	}
	answers := make([]float64, len(lines))
	for i, line := range lines {
		if answers[i], err = strconv.ParseFloat(line[0], 64); err != nil {
			return batch{}, err
		}
	}
	return batch{records, answers}, nil
}

// appendFields appends the record's values as text; null is empty.
func (r *record) appendFields(line []string) []string {
	line = append(line, strconv.FormatInt(r.ID, 10))
	for _, n := range [...]float64{
		r.N01, r.N02, r.N03, r.N04, r.N05, r.N06, r.N07, r.N08, r.N09,
		r.N10, r.N11, r.N12, r.N13, r.N14, r.N15, r.N16, r.N17, r.N18,
	} {
		line = append(line, formatNumber(n))
	}
	for _, n := range [...]*float64{r.N19, r.N20} {
		if n == nil {
			line = append(line, "")
		} else {
			line = append(line, formatNumber(*n))
		}
	}
	if line = append(line, r.Name); r.Note == nil {
		return append(line, "")
	}
	return append(line, *r.Note)
}

func formatNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
