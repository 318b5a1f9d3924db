package plain

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
)

func joinCSV(ctx context.Context, in io.Reader, out io.Writer, cfg Config, p poster) error {
	reader, writer := csv.NewReader(in), csv.NewWriter(out)
	header, err := reader.Read()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	if err := writer.Write(append(header, "prediction")); err != nil {
		return err
	}
	read := func() (scored, error) {
		rows, err := readRows(reader, cfg.Batch)
		return scored{rows: rows}, err
	}
	score := func(ctx context.Context, s scored) (scored, error) { return scoreRows(ctx, p, s.rows) }
	var line []string
	write := func(s scored) error {
		for i, row := range s.rows {
			line = append(append(line[:0], row...), s.answers[i]...)
			if err := writer.Write(line); err != nil {
				return err
			}
		}
		return nil
	}
	if err := pipeline(ctx, cfg.Concurrency, read, score, write); err != nil {
		return err
	}
	writer.Flush()
	return writer.Error()
}

// scored is a batch of rows, and later the answer to each of them.
type scored struct{ rows, answers [][]string }

// readRows reads up to n rows, at least one, and then io.EOF.
func readRows(reader *csv.Reader, n int) ([][]string, error) {
	rows := make([][]string, 0, n)
	for len(rows) < n {
		row, err := reader.Read()
		if err == io.EOF && len(rows) > 0 {
			break
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// scoreRows asks for the answers to rows.
func scoreRows(ctx context.Context, p poster, rows [][]string) (scored, error) {
	var payload bytes.Buffer
	if err := csv.NewWriter(&payload).WriteAll(rows); err != nil {
		return scored{}, err
	}
	body, err := p.post(ctx, payload.Bytes())
	if err != nil {
		return scored{}, err
	}
	answers, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil {
		return scored{}, err
	}
	if len(answers) != len(rows) {
		return scored{}, fmt.Errorf("%d answers for %d records", len(answers), len(rows))
	}
	return scored{rows, answers}, nil
}
