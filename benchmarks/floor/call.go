package floor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// writeBuffer takes a batch of 1,000 records with its head. With less, net/http
// falls back to pieces of 32 KiB for which it finds new memory every time.
const writeBuffer = 512 << 10

// maxResponse caps a response, in bytes.
const maxResponse = 64 << 20

func newTransport(cfg Config) *http.Transport {
	return &http.Transport{
		DisableCompression:  true,
		MaxIdleConnsPerHost: cfg.Concurrency,
		IdleConnTimeout:     time.Minute,
		WriteBufferSize:     writeBuffer,
	}
}

// A call sends one request after the other from the same memory.
type call struct {
	transport http.RoundTripper
	request   *http.Request
	payload   bytes.Reader
	answers   []byte
}

func newCall(ctx context.Context, cfg Config, transport http.RoundTripper) (*call, error) {
	c := &call{transport: transport}
	url := strings.TrimSuffix(cfg.Host, "/") + "/invocations"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return nil, err
	}
	kind := "text/csv"
	if cfg.Format == "jsonl" {
		kind = "application/jsonlines"
	}
	request.Header.Set("Content-Type", kind)
	c.request = request
	return c, nil
}

// post sends body and returns the response's body, valid until the next call.
// The request may be used again: RoundTrip is through with it once the
// response's body is closed.
func (c *call) post(body []byte) ([]byte, error) {
	c.payload.Reset(body)
	c.request.Body, c.request.ContentLength = io.NopCloser(&c.payload), int64(len(body))
	response, err := c.transport.RoundTrip(c.request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // read to its end below
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("host answered %s", response.Status)
	}
	c.answers, err = readInto(c.answers[:0], response.Body)
	return c.answers, err
}

func readInto(dst []byte, r io.Reader) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, make([]byte, len(dst)+8<<10)...)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err == nil && len(dst) > maxResponse {
			err = errors.New("the response is larger than 64 MiB")
		}
		if err != nil {
			return dst, err
		}
	}
}

var errCount = errors.New("the response has another number of answers than its batch has records")

// splice appends each record of b with its answer to dst: behind a comma for
// CSV, else as the last member of the object.
func splice(dst []byte, b *batch, answers []byte, csv bool) ([]byte, error) {
	before, after, cut := `,"prediction":`, "}\n", len("}\n")
	if csv {
		before, after, cut = ",", "\n", len("\n")
	}
	start := 0
	for _, end := range b.ends {
		line := bytes.IndexByte(answers, '\n')
		if line < 0 {
			return dst, errCount
		}
		dst = append(dst, b.data[start:max(start, end-cut)]...)
		dst = append(dst, before...)
		dst = append(dst, answers[:line]...)
		dst = append(dst, after...)
		answers, start = answers[line+1:], end
	}
	if len(answers) > 0 {
		return dst, errCount
	}
	return dst, nil
}
