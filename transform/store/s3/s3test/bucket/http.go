package bucket

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// An answer is one of HTTP.
type answer struct {
	status int
	header http.Header
	body   []byte
	size   int // of the body that GET would bring, where that is another
}

// ServeHTTP answers a request of path style.
func (b *Bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := b.meet(r)
	if a == nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// RoundTrip answers a request without a connection. Whoever has left meanwhile
// does not hear the answer.
func (b *Bucket) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	a := b.meet(r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if a == nil {
		return nil, ErrLost
	}
	resp := &http.Response{
		StatusCode: a.status, Header: a.header, Request: r, ContentLength: int64(a.size),
		Body: io.NopCloser(bytes.NewReader(a.body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if r.Method == http.MethodHead {
		resp.Body = http.NoBody
	}
	return resp, nil
}

// Do is RoundTrip by the name that the SDK asks for.
func (b *Bucket) Do(r *http.Request) (*http.Response, error) { return b.RoundTrip(r) }

// meet carries out a request, unless a fault befalls it. The answer is nil where it gets lost.
func (b *Bucket) meet(r *http.Request) *answer {
	var body bytes.Buffer
	if r.Body != nil {
		if _, err := body.ReadFrom(r.Body); err != nil {
			return nil
		}
		r.Body.Close()
	}
	op, _, key := s3test.Operation(r)
	b.mu.Lock()
	b.seen[op]++
	n := b.seen[op]
	b.mu.Unlock()
	what := ""
	if b.Fault != nil {
		what = b.Fault(op, key, n)
	}
	what, done := strings.CutPrefix(what, "done ")
	var a *answer
	if what == "" || done {
		b.mu.Lock()
		a = b.answer(request{r, op, key, body.Bytes()})
		b.mu.Unlock()
	}
	code, well := strings.CutPrefix(what, "200 ")
	switch {
	case what == "lost":
		return nil
	case what != "":
		a = refused(refuse(code))
	}
	if well {
		a.status = http.StatusOK
	}
	if r.Method == http.MethodHead {
		a.body = nil
	}
	a.size = cmp.Or(a.size, len(a.body))
	a.header.Set("Content-Length", strconv.Itoa(a.size))
	return a
}

// refused is an answer that tells why not.
func refused(err error) *answer {
	var r *refusal
	errors.As(err, &r)
	text := fmt.Appendf(nil, "<Error><Code>%s</Code><Message>%s</Message></Error>", r.Code, r.Message)
	return &answer{status: r.status, header: http.Header{}, body: text}
}

// tagged is an answer about something with an ETag.
func tagged(tag *string) *answer {
	return &answer{status: http.StatusOK, header: http.Header{"Etag": {*tag}}}
}
