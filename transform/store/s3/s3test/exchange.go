package s3test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// conditionHeaders make a request depend on what is there.
var conditionHeaders = []string{"If-Match", "If-None-Match"}

// exchange is one request and what becomes of it.
type exchange struct {
	p       *Proxy
	w       http.ResponseWriter
	r       *http.Request
	key     string
	fault   Fault
	outcome string // for the trace
}

// pass does what a proxy without faults does.
func (x *exchange) pass() {
	if response := x.forward(); response != nil {
		x.answer(response)
	}
}

// forward has the server do the request. When it cannot be asked, the connection
// is cut and there is no response.
func (x *exchange) forward() *http.Response {
	out := x.request(x.r.Context(), countedReader{x.r.Body, &x.p.received})
	response, err := x.p.upstream.RoundTrip(out)
	if err != nil {
		x.cut("server: " + err.Error())
		return nil
	}
	return response
}

// request is the client's request on its way to the server. The host stays what
// the client signed.
func (x *exchange) request(ctx context.Context, body io.Reader) *http.Request {
	out := x.r.Clone(ctx)
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = "http", x.p.server.Endpoint[len("http://"):]
	out.Body = io.NopCloser(body)
	if x.r.ContentLength == 0 {
		out.Body = http.NoBody
	}
	out.Header.Del("Connection")
	out.Header.Del("Expect") // our own server has said 100 already
	return out
}

// resign makes the signature true again after headers were changed. The
// body's hash stays what the client says it is.
func (x *exchange) resign() {
	x.p.server.sign(x.r, x.r.Header.Get(hashHeader), time.Now())
}

// answer gives the client what the server answered.
func (x *exchange) answer(response *http.Response) {
	defer response.Body.Close()
	x.begin(response)
	n, err := io.Copy(x.w, response.Body)
	x.p.sent.Add(n)
	x.outcome += fmt.Sprintf(", %d bytes", n)
	if err != nil {
		x.cut(x.outcome + ", " + err.Error())
	}
}

// begin sends the status and the headers.
func (x *exchange) begin(response *http.Response) {
	for name, values := range response.Header {
		x.w.Header()[name] = values
	}
	x.w.Header().Del("Connection")
	if response.ContentLength >= 0 {
		x.w.Header().Set("Content-Length", strconv.FormatInt(response.ContentLength, 10))
	}
	x.w.WriteHeader(response.StatusCode)
	x.outcome = strconv.Itoa(response.StatusCode)
}

// beginBody sends headers and no more than the first bytes of the body.
func (x *exchange) beginBody(response *http.Response, limit int64) {
	x.begin(response)
	n, _ := io.CopyN(x.w, response.Body, limit)
	x.p.sent.Add(n)
	http.NewResponseController(x.w).Flush()
	x.outcome += fmt.Sprintf(", %d bytes", n)
}

// refuse answers with an error as S3 writes it, in place of the server.
func (x *exchange) refuse(status int, code string) {
	x.say(status, "<Error><Code>"+code+"</Code><Message>said by a test</Message><RequestId>0</RequestId></Error>")
	x.outcome += " " + code
}

// say answers in place of the server.
func (x *exchange) say(status int, body string) {
	x.swallow()
	body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + body
	x.w.Header().Set("Content-Type", "application/xml")
	x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(status)
	if x.r.Method != http.MethodHead {
		io.WriteString(x.w, body)
	}
	x.outcome = strconv.Itoa(status)
}

// swallow reads the request to its end, so that the client gets to the response.
func (x *exchange) swallow() {
	io.Copy(io.Discard, countedReader{x.r.Body, &x.p.received})
}

// done has the server do the request, and drops what it answers. It tells
// whether the server was asked.
func (x *exchange) done() bool {
	response := x.forward()
	if response == nil {
		return false
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	x.outcome = fmt.Sprintf("(%d) ", response.StatusCode)
	return true
}

// cut closes the connection, whatever was sent.
func (x *exchange) cut(why string) {
	x.outcome = why
	if conn, _, err := http.NewResponseController(x.w).Hijack(); err == nil {
		conn.Close()
	}
}

// wait waits as long as asked, for ever where d is 0. It tells whether the
// client is still there.
func (x *exchange) wait(d time.Duration) bool {
	var after <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-after:
		return true
	case <-x.r.Context().Done():
	case <-x.p.ctx.Done():
	}
	return false
}

// later has the server do the request after a while, whoever still waits for it.
func (x *exchange) later(d time.Duration) {
	body, err := io.ReadAll(countedReader{x.r.Body, &x.p.received})
	if err != nil {
		return
	}
	out := x.request(x.p.ctx, bytes.NewReader(body))
	x.p.handlers.Go(func() { // Close cancels its context
		select {
		case <-time.After(d):
		case <-x.p.ctx.Done():
			return
		}
		if x.fault.Until != nil {
			select {
			case <-x.fault.Until:
			case <-x.p.ctx.Done():
				return
			}
		}
		response, err := x.p.upstream.RoundTrip(out)
		if err != nil {
			x.p.note(fmt.Sprintf("late %q -> %v", x.key, err))
			return
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		x.p.note(fmt.Sprintf("late %q -> %d", x.key, response.StatusCode))
	})
}

// countedReader counts what is read.
type countedReader struct {
	io.Reader
	n interface{ Add(int64) int64 }
}

func (c countedReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}
