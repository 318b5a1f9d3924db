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
)

const (
	// pingTime bounds each request of Ready.
	pingTime = 5 * time.Second
	// maxParameters caps the body of /execution-parameters, in bytes.
	maxParameters = 64 << 10
)

// Ready asks GET /ping, then GET /execution-parameters. Only a 200 to the first
// means ready; the second may be missing, or say nothing that we understand.
func (h *HTTPHost) Ready(ctx context.Context) (Parameters, error) {
	if h.ping == nil {
		return Parameters{}, ctx.Err()
	}
	status, _, err := h.get(ctx, h.ping)
	if err != nil {
		return Parameters{}, err
	}
	if status != http.StatusOK {
		return Parameters{}, fmt.Errorf("GET %s: status %d, not ready yet", h.ping.URL.Path, status)
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

// Pings tells whether Ready asks the host: one whose URL has a path is always ready.
func (h *HTTPHost) Pings() bool { return h.ping != nil }

func (h *HTTPHost) get(ctx context.Context, base *http.Request) (int, []byte, error) {
	within, cancel := context.WithTimeout(ctx, min(h.timeout, pingTime))
	defer cancel()
	req := base.WithContext(within)
	req.Header = h.header()
	resp, err := h.transport.RoundTrip(req)
	if err == nil {
		defer resp.Body.Close()
		var body []byte
		if body, err = io.ReadAll(io.LimitReader(resp.Body, maxParameters)); err == nil {
			h.denied(resp.StatusCode)
			return resp.StatusCode, body, nil
		}
	}
	if ctx.Err() != nil {
		return 0, nil, ctx.Err()
	}
	return 0, nil, &TransportError{Host: h.name, Cause: causeOfError(err), Err: fmt.Errorf("GET %s: %w", base.URL.Path, explained(err))}
}

// parseParameters takes each field as a number or as a string; what is neither,
// or senseless, is not told.
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

// positive is a JSON number, or a string that holds one, times unit; 0 for the rest.
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
