package workers

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/batchmill/batchmill/workers/http1"
)

const (
	// maxDeclared is the most memory, in bytes, that a Content-Length alone can claim.
	maxDeclared = 1 << 20
	// drainBytes is how much of an error page is read so that the connection can
	// be used again, drainTime how long reading the page may take.
	drainBytes = 16 << 10
	drainTime  = 2 * time.Second
)

// errTimeout is the cause of a context that the call's timer ended.
var errTimeout = errors.New("timeout")

// A call is one request under way, with a timer that can stand still.
type call struct {
	host     *HTTPHost
	caller   context.Context
	ctx      context.Context // ends with caller, or when the timer fires
	cancel   context.CancelCauseFunc
	timer    *time.Timer
	deadline time.Time // when the timer fires
}

func (h *HTTPHost) begin(caller context.Context) *call {
	c := &call{host: h, caller: caller, deadline: time.Now().Add(h.timeout)}
	c.ctx, c.cancel = context.WithCancelCause(caller)
	c.timer = time.AfterFunc(h.timeout, func() { c.cancel(errTimeout) })
	return c
}

func (c *call) end() {
	c.timer.Stop()
	c.cancel(nil)
}

// reserve asks the caller for memory. The timer stands still meanwhile: a wait for
// other batches is not the host's fault.
func (c *call) reserve(r *Request, n int) error {
	if r.Reserve == nil {
		return nil
	}
	left := time.Until(c.deadline)
	if !c.timer.Stop() {
		return errTimeout
	}
	err := r.Reserve(c.caller, n)
	c.deadline = time.Now().Add(left)
	c.timer.Reset(left)
	return err
}

// fault turns err into an error that Invoke promises.
func (c *call) fault(err error) error {
	if c.caller.Err() != nil {
		return c.caller.Err()
	}
	if large, ok := errors.AsType[*TooLargeResponseError](err); ok {
		return large
	}
	t := &TransportError{Host: c.host.name, Cause: causeOfError(err), Err: c.host.scrubbed(explained(err))}
	switch {
	case errors.Is(context.Cause(c.ctx), errTimeout), errors.Is(err, errTimeout):
		t.Cause = Broken
		t.Err = fmt.Errorf("no whole response within %v: raise --timeout or lower --batch-records: %w", c.host.timeout, context.DeadlineExceeded)
	case errors.Is(err, errEncoding), errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		t.Cause = Garbled
	}
	return t
}

// response reads the response: the whole body of a 2xx, else the error page.
func (c *call) response(resp *http1.Response, r *Request) (Response, error) {
	out := Response{
		Status:      resp.StatusCode,
		ContentType: resp.Header.Get("Content-Type"),
		RetryAfter:  retryAfter(resp.Header.Get("Retry-After"), time.Now()),
		Unframed:    resp.ContentLength < 0 && len(resp.TransferEncoding) == 0,
		Trust:       resp.Trust,
	}
	c.host.noteStatus(out.Status)
	if out.Status/100 != 2 {
		out.Location = brief(string(c.host.scrub([]byte(resp.Header.Get("Location")))))
		out.Body = c.errorPage(resp, r)
		return out, nil
	}
	limit := c.host.maxResponse
	if resp.ContentLength > limit {
		return Response{}, c.tooLarge(resp)
	}
	src, err := c.decoded(resp)
	if err != nil {
		return Response{}, c.fault(err)
	}
	out.Body, err = readAll(r.Into[:0], src, limit, resp.ContentLength, func(n int) error { return c.reserve(r, n) })
	if errors.Is(err, errLimit) {
		err = c.tooLarge(resp)
	}
	if err != nil {
		return Response{}, c.fault(err)
	}
	return out, nil
}

func (c *call) tooLarge(resp *http1.Response) error {
	return &TooLargeResponseError{Host: c.host.name, Status: resp.StatusCode, Limit: c.host.maxResponse}
}

// errorPage reads the first KiB of a body that explains a status. The status is
// known already, so errors of reading do not matter.
func (c *call) errorPage(resp *http1.Response, r *Request) []byte {
	if left := min(time.Until(c.deadline), drainTime); c.timer.Stop() {
		c.timer.Reset(max(left, 0))
	}
	src, err := c.decoded(resp)
	if err != nil {
		return nil
	}
	longest := 0
	for _, secret := range c.host.secretTexts() {
		longest = max(longest, len(secret))
	}
	head, _ := io.ReadAll(io.LimitReader(src, int64(maxMessage+longest)))
	_, _ = io.CopyN(io.Discard, resp.Body, drainBytes)
	whole := len(head) < maxMessage+longest
	if head = c.host.scrub(head); !whole { // the end may hold the beginning of a secret
		head = head[:max(len(head)-longest, 0)]
	}
	return append(r.Into[:0], head[:min(len(head), maxMessage)]...)
}

var (
	errEncoding = errors.New("a Content-Encoding that was not asked for")
	errLimit    = errors.New("over the limit")
)

// decoded is the body without gzip, which some servers send unasked.
func (c *call) decoded(resp *http1.Response) (io.Reader, error) {
	encoding := resp.Header.Get("Content-Encoding")
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return resp.Body, nil
	case "gzip", "x-gzip":
		zr, err := gzip.NewReader(resp.Body)
		if err == io.EOF { // without a gzip header the body is truncated, not empty
			err = io.ErrUnexpectedEOF
		}
		return zr, err
	default:
		return nil, fmt.Errorf("%w: %s", errEncoding, brief(string(c.host.scrub([]byte(encoding)))))
	}
}

// readAll appends src to dst, and returns errLimit for more than limit bytes.
// declared is the length that src claims, -1 without a claim; it only guides how
// memory grows. grow is called before dst takes n more bytes of memory.
func readAll(dst []byte, src io.Reader, limit, declared int64, grow func(n int) error) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			n := growth(len(dst), limit, declared)
			if err := grow(n); err != nil {
				return dst, err
			}
			bigger := make([]byte, len(dst), len(dst)+n)
			copy(bigger, dst)
			dst = bigger
		}
		n, err := src.Read(dst[len(dst):min(int64(cap(dst)), limit+1)])
		dst = dst[:len(dst)+n]
		switch {
		case int64(len(dst)) > limit:
			return dst, errLimit
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}

// growth is by how many bytes a full buffer of have bytes grows: to the declared
// length if that is at most maxDeclared away, else to twice its size, and never
// beyond limit+1, where the body is known to be too large.
func growth(have int, limit, declared int64) int {
	n := max(int64(have), 4<<10)
	if left := declared - int64(have); left > 0 {
		n = max(min(left, maxDeclared), min(n, left))
	}
	return int(max(min(n, limit+1-int64(have)), 1))
}

// retryAfter reads a number of seconds or an HTTP date; any other text, or a date
// in the past, is 0.
func retryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(s, 10, 64); err == nil {
		const most = int64(24 * time.Hour / time.Second) // a day, so that no sum overflows
		return time.Duration(max(0, min(seconds, most))) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
