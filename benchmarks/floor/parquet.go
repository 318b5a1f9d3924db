package floor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"
)

// copyBuffer is how many bytes of the input are copied at a time.
const copyBuffer = 256 << 10

// JoinParquet reads the rows of a corpus from in, a Parquet file of size bytes,
// sends them as CSV, and writes the file to out again with the answers as a
// column of doubles. The answers are all kept in memory, 8 bytes a row, so that
// no batch waits for another. The bytes of the columns are copied as they stand.
func JoinParquet(ctx context.Context, in io.ReaderAt, size int64, out io.Writer, cfg Config) (Result, error) {
	if err := cfg.Validate(); err != nil {
		return Result{}, err
	}
	file, err := parquet.OpenFile(in, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return Result{}, err
	}
	sum := sha256.New()
	out = io.MultiWriter(out, sum)
	j := &columnJoiner{cfg: cfg, table: table{groups: file.RowGroups()}, answers: make([]float64, file.NumRows())}
	defer j.table.close()
	transport := newTransport(cfg)
	defer transport.CloseIdleConnections()
	group, ctx := errgroup.WithContext(ctx)
	for range cfg.Concurrency {
		group.Go(func() error { return j.work(ctx, transport) })
	}
	group.Go(func() error {
		_, err := io.CopyBuffer(out, io.NewSectionReader(in, 0, dataEnd(file.Metadata())), make([]byte, copyBuffer))
		return err
	})
	if err := group.Wait(); err != nil {
		return Result{}, err
	}
	tail, err := widen(in, file.Metadata(), j.answers)
	if err != nil {
		return Result{}, err
	}
	if _, err := out.Write(tail); err != nil {
		return Result{}, err
	}
	result := Result{Records: file.NumRows()}
	sum.Sum(result.SHA256[:0])
	return result, nil
}

// A columnJoiner is one run on a Parquet file.
type columnJoiner struct {
	cfg     Config
	reading sync.Mutex // guards table
	table   table
	answers []float64 // each batch writes its own part
}

// work takes batches from the table until it ends.
func (j *columnJoiner) work(ctx context.Context, transport http.RoundTripper) error {
	var b rows
	var payload []byte
	c, err := newCall(ctx, j.cfg, transport)
	if err != nil {
		return err
	}
	for {
		if err := j.next(&b); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		payload = b.appendCSV(payload[:0])
		answers, err := c.post(payload)
		if err != nil {
			return err
		}
		if err := parseAnswers(j.answers[b.first:b.first+b.n], answers); err != nil {
			return err
		}
	}
}

func (j *columnJoiner) next(b *rows) error {
	j.reading.Lock()
	defer j.reading.Unlock()
	return j.table.next(b, j.cfg.Batch)
}

// parseAnswers fills dst with the numbers of a response, one a line.
func parseAnswers(dst []float64, answers []byte) error {
	for i := range dst {
		line := bytes.IndexByte(answers, '\n')
		if line < 0 {
			return errCount
		}
		number, err := strconv.ParseFloat(string(answers[:line]), 64)
		if err != nil {
			return fmt.Errorf("answer %d of a response: %w", i+1, err)
		}
		dst[i], answers = number, answers[line+1:]
	}
	if len(answers) > 0 {
		return errCount
	}
	return nil
}
