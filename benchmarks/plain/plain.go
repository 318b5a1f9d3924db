// Package plain is the program that a competent engineer writes in an
// afternoon to run a model over a file: the standard library's parsers, an
// errgroup with a limit, a channel of promises for the order, the standard
// library's encoders. It is right, it parses and encodes every record, and it
// is what batchmill is compared to for people who ask why not to write it
// themselves. It computes no digest and resumes nothing.
package plain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Config says how to join. Batches of Batch records go to Host's /invocations,
// Concurrency of them at a time. Format is csv (with a header), jsonl or
// parquet.
type Config struct {
	Format, Host       string
	Batch, Concurrency int
}

// Validate names the field that is wrong, and what to write instead.
func (c Config) Validate() error {
	switch {
	case c.Format != "csv" && c.Format != "jsonl" && c.Format != "parquet":
		return fmt.Errorf("format %q is unknown; use csv, jsonl or parquet", c.Format)
	case c.Host == "":
		return errors.New("no host; give its URL")
	case c.Batch < 1 || c.Concurrency < 1:
		return fmt.Errorf("batch is %d and concurrency %d; use 1 or more", c.Batch, c.Concurrency)
	}
	return nil
}

// Join reads records of text from in and writes them with their answers to out.
func Join(ctx context.Context, in io.Reader, out io.Writer, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	p, done := newPoster(cfg)
	defer done()
	switch cfg.Format {
	case "csv":
		return joinCSV(ctx, in, out, cfg, p)
	case "jsonl":
		return joinJSON(ctx, in, out, cfg, p)
	default:
		return errors.New("parquet is read from its end; use JoinParquet")
	}
}

// A poster sends payloads to one URL.
type poster struct {
	client    *http.Client
	url, kind string
}

// newPoster makes a poster of CSV, or of JSON Lines when that is the format.
// done closes its connections.
func newPoster(cfg Config) (p poster, done func()) {
	transport := &http.Transport{MaxIdleConnsPerHost: cfg.Concurrency}
	p = poster{client: &http.Client{Transport: transport}, url: strings.TrimSuffix(cfg.Host, "/") + "/invocations", kind: "text/csv"}
	if cfg.Format == "jsonl" {
		p.kind = "application/jsonlines"
	}
	return p, transport.CloseIdleConnections
}

func (p poster) post(ctx context.Context, payload []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", p.kind)
	response, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("host answered %s: %.200s", response.Status, body)
	}
	return body, nil
}

// pipeline scores the batches that read returns until io.EOF, limit of them at a
// time, and hands the results to write in the order of the batches.
func pipeline[T any](ctx context.Context, limit int, read func() (T, error), score func(context.Context, T) (T, error), write func(T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(limit + 1) // the writer has a place too
	promises := make(chan chan T, limit)
	group.Go(func() error {
		for promise := range promises {
			select {
			case scored := <-promise:
				if err := write(scored); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	feedErr := func() error {
		defer close(promises)
		for {
			batch, err := read()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			promise := make(chan T, 1)
			select {
			case promises <- promise:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error {
				scored, err := score(ctx, batch)
				if err == nil {
					promise <- scored
				}
				return err
			})
		}
	}()
	if err := group.Wait(); err != nil {
		return err
	}
	return feedErr
}
