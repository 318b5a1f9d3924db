package workers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/batchmill/batchmill/workers/http1"
)

const (
	// pingTime is the longest that a request of Ready may take.
	pingTime = 5 * time.Second
	// maxParameters caps the body of /execution-parameters, in bytes.
	maxParameters = 64 << 10
)

// Ready sends GET /ping, then GET /execution-parameters. The host is ready when
// /ping answers 200; /execution-parameters may be missing or hold anything.
func (h *HTTPHost) Ready(ctx context.Context) (Parameters, error) {
	if h.ping == "" {
		return Parameters{}, ctx.Err()
	}
	status, _, err := h.get(ctx, h.ping)
	if err != nil {
		return Parameters{}, err
	}
	if status != http.StatusOK {
		return Parameters{}, fmt.Errorf("GET %s: status %d, not ready yet", h.ping, status)
	}
	status, body, err := h.get(ctx, h.parameters)
	if err != nil {
		return Parameters{}, err
	}
	if status != http.StatusOK {
		return Parameters{}, nil
	}
	return parseParameters(body), nil
}

// Pings tells whether Ready asks the host. A host whose URL has a path has no ping
// and is always ready.
func (h *HTTPHost) Pings() bool { return h.ping != "" }

func (h *HTTPHost) get(ctx context.Context, target string) (int, []byte, error) {
	within, cancel := context.WithTimeout(ctx, min(h.timeout, pingTime))
	defer cancel()
	resp, err := h.client.Do(within, &http1.Request{Method: http.MethodGet, Target: target, Host: h.authority, Header: h.header()})
	if err == nil {
		defer resp.Body.Close()
		var body []byte
		if body, err = io.ReadAll(io.LimitReader(resp.Body, maxParameters)); err == nil {
			h.noteStatus(resp.StatusCode)
			return resp.StatusCode, body, nil
		}
	}
	if ctx.Err() != nil {
		return 0, nil, ctx.Err()
	}
	return 0, nil, &TransportError{Host: h.name, Cause: causeOfError(err), Err: fmt.Errorf("GET %s: %w", target, h.scrubbed(explained(err)))}
}

// parseParameters reads each field as a number or a string; a field with another
// value, or a number out of range, stays zero.
func parseParameters(body []byte) Parameters {
	var told struct {
		MaxConcurrentTransforms, MaxPayloadInMB, BatchStrategy json.RawMessage
	}
	if json.Unmarshal(body, &told) != nil {
		return Parameters{}
	}
	strategy := strings.ReplaceAll(bare(told.BatchStrategy), "_", "")
	return Parameters{
		MaxConcurrent: int(positive(told.MaxConcurrentTransforms, 1)),
		SingleRecord:  strings.EqualFold(strategy, "SingleRecord"),
		MaxPayload:    positive(told.MaxPayloadInMB, 1<<20),
	}
}

// positive is a JSON number of at least 1, or a string with such a number, times
// unit; 0 for anything else.
func positive(raw json.RawMessage, unit float64) int64 {
	f, err := strconv.ParseFloat(bare(raw), 64)
	if f *= unit; err != nil || math.IsNaN(f) || f < 1 || f > math.MaxInt32*unit {
		return 0
	}
	return int64(f)
}

// bare is a JSON scalar without its quotes.
func bare(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return strings.TrimSpace(s)
	}
	return string(raw)
}
