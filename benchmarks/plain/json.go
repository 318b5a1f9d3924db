package plain

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// maxLine is the longest line taken, in bytes.
const maxLine = 16 << 20

func joinJSON(ctx context.Context, in io.Reader, out io.Writer, cfg Config, p poster) error {
	scanner, writer := bufio.NewScanner(in), bufio.NewWriter(out)
	scanner.Buffer(nil, maxLine)
	read := func() ([][]byte, error) { return readLines(scanner, cfg.Batch) }
	score := func(ctx context.Context, lines [][]byte) ([][]byte, error) { return scoreLines(ctx, p, lines) }
	write := func(lines [][]byte) error {
		for _, line := range lines {
			if _, err := writer.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		return nil
	}
	if err := pipeline(ctx, cfg.Concurrency, read, score, write); err != nil {
		return err
	}
	return writer.Flush()
}

// readLines reads up to n lines, at least one, and then io.EOF.
func readLines(scanner *bufio.Scanner, n int) ([][]byte, error) {
	lines := make([][]byte, 0, n)
	for len(lines) < n && scanner.Scan() {
		lines = append(lines, bytes.Clone(scanner.Bytes()))
	}
	if err := scanner.Err(); err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, io.EOF
	}
	return lines, nil
}

// scoreLines puts a prediction into each object.
func scoreLines(ctx context.Context, p poster, lines [][]byte) ([][]byte, error) {
	body, err := p.post(ctx, append(bytes.Join(lines, []byte("\n")), '\n'))
	if err != nil {
		return nil, err
	}
	answers := bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
	if len(answers) != len(lines) {
		return nil, fmt.Errorf("%d answers for %d records", len(answers), len(lines))
	}
	for i, line := range lines {
		var object map[string]json.RawMessage // keeps numbers as they are written
		if err := json.Unmarshal(line, &object); err != nil {
			return nil, err
		}
		object["prediction"] = answers[i]
		if lines[i], err = json.Marshal(object); err != nil {
			return nil, err
		}
	}
	return lines, nil
}
