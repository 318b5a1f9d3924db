package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// What the bodies of answers may have, other than those of objects: a page of
// a listing has a thousand keys of 3 KiB at most.
const (
	mostAnswer  = 8 << 20
	mostRefusal = 1 << 20
)

var (
	errStalled = errors.New("the connection brought no byte for too long")
	errFlood   = errors.New("the answer is longer than any such answer can be")
)

// A transport sends the SDK's requests. It follows no redirect, ends what
// stalls, and bounds what the SDK would read into memory.
type transport struct {
	rt    http.RoundTripper
	stall time.Duration
}

// Do sends a request. It is that of an http.Client, without what that adds.
func (t *transport) Do(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	asked := req
	req = req.WithContext(ctx)
	up := &upload{ReadCloser: req.Body, stall: 2 * t.stall}
	if req.Body != nil && req.Body != http.NoBody {
		up.timer = time.AfterFunc(up.stall, func() {
			if !up.over.Load() {
				cancel(errStalled)
			}
		})
		req.Body = up
	}
	resp, err := t.rt.RoundTrip(req)
	up.end()
	if err != nil {
		if context.Cause(ctx) == errStalled {
			err = errStalled
		}
		cancel(nil)
		return nil, err
	}
	d := &download{rc: resp.Body, ctx: ctx, cancel: cancel, stall: t.stall, left: most(asked, resp)}
	d.timer = time.AfterFunc(t.stall, func() { cancel(errStalled) })
	d.timer.Stop() // it runs only while somebody waits for bytes
	resp.Body = d
	return resp, nil
}

// most is how many bytes the answer's body may have, negative for any number.
func most(req *http.Request, resp *http.Response) int64 {
	switch {
	case resp.StatusCode >= 300:
		return mostRefusal
	case req.Method == http.MethodGet && req.URL.Query().Get("x-id") == "GetObject":
		return -1
	}
	return mostAnswer
}

// An upload is a request's body. A service that stops taking it stalls too,
// and the waiting for the answer's header begins only behind it.
type upload struct {
	io.ReadCloser
	stall time.Duration
	timer *time.Timer
	over  atomic.Bool // there is an answer: the body matters no more
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if err != nil {
		u.timer.Stop()
	} else if !u.over.Load() {
		u.timer.Reset(u.stall)
	}
	return n, err
}

func (u *upload) end() {
	u.over.Store(true)
	if u.timer != nil {
		u.timer.Stop()
	}
}

// A download is a response's body.
type download struct {
	rc     io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
	left   int64 // bytes it may still have; negative for any number
	failed error
}

func (d *download) Read(p []byte) (int, error) {
	if d.failed != nil {
		return 0, d.failed
	}
	if d.left >= 0 {
		p = p[:min(int64(len(p)), d.left+1)]
	}
	d.timer.Reset(d.stall)
	n, err := d.rc.Read(p)
	d.timer.Stop()
	if d.left >= 0 {
		if d.left -= int64(n); d.left < 0 {
			d.failed = errFlood
			return 0, d.failed
		}
	}
	if err != nil && err != io.EOF {
		if context.Cause(d.ctx) == errStalled {
			err = errStalled
		}
		err = &brokenError{err}
		d.failed = err
	}
	return n, err
}

func (d *download) Close() error {
	d.timer.Stop()
	err := d.rc.Close()
	d.cancel(nil)
	return err
}

// A brokenError is a body that did not come to its end.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return "the answer broke off: " + e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// ConnectionError tells the SDK that asking again may help. It concerns the
// answers that the SDK reads itself; bodies of objects are reopened by readers.
func (e *brokenError) ConnectionError() bool { return true }
