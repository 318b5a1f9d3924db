package http1

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/batchmill/batchmill/internal/caught"
)

// inlineBody is the largest body, in bytes, that is sent before the response is read. The
// buffers of a socket hold as much, so that a server which answers early and reads
// nothing cannot make both sides wait.
const inlineBody = 16 << 10

// A turn is one request and its response on a connection.
type turn struct {
	client  *Client
	conn    *conn
	unhook  func() bool // from the context; false if the connection was killed
	sent    chan error  // nil once the request is sent
	sendErr error
	keep    bool // the response says that the connection stays open
	framed  bool // the response says where it ends
	began   time.Time
	ended   bool
}

// send writes the request. A large body is sent while the response is read.
func (t *turn) send(head, body []byte) {
	parts := net.Buffers{head, body}
	switch tls := t.conn.raw != t.conn.Conn; {
	case len(body) == 0, tls && len(body) <= inlineBody: // one record of TLS
		_, t.sendErr = t.conn.Write(append(head, body...))
		return
	case len(body) <= inlineBody:
		_, t.sendErr = parts.WriteTo(t.conn.Conn)
		return
	}
	t.sent = make(chan error, 1)
	sent := t.sent // explain forgets the field
	caught.Start(func() {
		_, err := parts.WriteTo(t.conn.Conn)
		sent <- err
	})
}

// receive reads the head of the final response. A host may answer before it has read the
// request, so a response counts although the request could not be sent whole.
func (t *turn) receive(method string) (*Response, error) {
	k := t.conn
	k.head = t.client.o.MaxHeader
	asked := &http.Request{Method: method}
	if said := k.begins(); k.responses > 0 && !mayBeResponse(said) {
		t.client.heard(k, said) // the rest of the response before, perhaps
	}
	for {
		resp, err := http.ReadResponse(k.reader, asked)
		switch {
		case err != nil:
			return nil, t.explain(err)
		case resp.ProtoMajor != 1:
			return nil, fmt.Errorf("the host answers in %s, not in HTTP/1", resp.Proto)
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitching
		case resp.StatusCode < 100 || resp.StatusCode > 999:
			return nil, fmt.Errorf("the host answers with status %d", resp.StatusCode)
		case resp.StatusCode >= 200:
			k.head = math.MaxInt64
			return t.begin(resp), nil
		}
	}
}

// begin makes the response whose end is the turn's end.
func (t *turn) begin(resp *http.Response) *Response {
	k := t.conn
	t.framed = resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0
	t.keep = t.framed && !resp.Close
	if k.responses++; k.responses > 1 && k.slip == nil {
		k.slip = new(Trust)
	}
	k.last = &Trust{slip: k.slip}
	out := &Response{Response: resp, turn: t}
	if t.keep || k.slip != nil {
		out.Trust = k.last
	}
	if resp.Body == http.NoBody {
		_ = t.end(true)
		return out
	}
	resp.Body = &body{from: resp.Body, turn: t}
	return out
}

// explain prefers the error of sending: after it, reading fails for the same reason.
func (t *turn) explain(err error) error {
	if t.sent != nil {
		select {
		case t.sendErr = <-t.sent:
			t.sent = nil
		default:
		}
	}
	if t.sendErr != nil {
		return t.sendErr
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return unquoted(err)
}

// unquoted is an error without what the host sent, which may be the request, and so a record.
// The parsers of net/http and net/textproto quote what they cannot read.
func unquoted(err error) error {
	text := err.Error()
	end := strings.IndexByte(text, '"')
	if _, malformed := err.(textproto.ProtocolError); malformed {
		end = strings.IndexByte(text, ':')
	}
	if end < 0 || isA[net.Error](err) {
		return err
	}
	return fmt.Errorf("the response is not HTTP: %s", strings.TrimRight(text[:end], " "))
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// errLonger says that the framing of a response is wrong.
var errLonger = errors.New("the response goes on behind the end that it declares")

// end gives the connection back, or closes it. Afterwards nothing touches the request's body.
// The error is about a response that seemed to be whole.
func (t *turn) end(whole bool) error {
	if t.ended {
		return nil
	}
	t.ended = true
	alive := t.unhook()
	if t.sent != nil {
		t.waitSent(whole)
	}
	k := t.conn
	k.slowest = max(k.slowest, time.Since(t.began))
	whole = whole && alive && t.sendErr == nil
	if whole && t.framed && (!t.keep || k.reader.Buffered() > 0) {
		t.client.quiet(k) // says what follows the response
		whole = false
	}
	if whole && t.keep {
		t.client.keep(k)
		return nil
	}
	k.kill()
	if k.last != nil && k.last.doubted.Load() {
		return errLonger
	}
	return nil
}

// waitSent waits until the body is sent. A host that has answered and does not read the rest
// ends that: the connection is closed.
func (t *turn) waitSent(whole bool) {
	if whole {
		timer := time.NewTimer(t.client.o.WholeBody)
		defer timer.Stop()
		select {
		case t.sendErr = <-t.sent:
			return
		case <-timer.C:
		}
	}
	t.conn.kill()
	<-t.sent
	t.sendErr = net.ErrClosed
}

// A body is a response's body, with whose end the turn ends.
type body struct {
	from io.Reader
	turn *turn
}

// Read returns io.EOF only at the end that the response's framing marks.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if err != nil {
		if fault := b.turn.end(err == io.EOF); fault != nil {
			err = fault
		}
	}
	return n, err
}

// Close ends the turn. A body that was not read to its end costs the connection.
func (b *body) Close() error {
	return b.turn.end(false)
}
