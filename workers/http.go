package workers

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	defaultTimeout     = time.Minute
	defaultMaxResponse = 64 << 20
	longestDial        = 10 * time.Second
	// idleTime is shorter than any common server's keep-alive (gunicorn's is
	// 2 seconds): a request that meets a closing connection is lost, since
	// nothing is ever resent behind the caller's back.
	idleTime = 1500 * time.Millisecond
	// maxHeaderBytes caps a response's header.
	maxHeaderBytes = 64 << 10
)

// HTTPOptions describe an HTTP host. Only URL is needed.
type HTTPOptions struct {
	// URL without a path follows the container contract: /ping,
	// /execution-parameters, /invocations. With a path it is POSTed to as it is.
	URL string
	// Timeout bounds a request from its start to the last byte of its
	// response; 0 is a minute.
	Timeout time.Duration
	// MaxResponse is the largest response body in bytes, after decompression; 0 is 64 MiB.
	MaxResponse int64
	// MaxConns is how many idle connections are kept; 0 is 64.
	MaxConns int
	// Headers go with every request.
	Headers []HeaderValue
	// Credential is the Authorization header of every request; nil for none.
	Credential *Credential
	// TLS is for URLs of https; nil trusts the system's authorities. It is not changed.
	TLS *tls.Config `json:"-"`
	// Dial opens a connection to the host where its URL does not say how: to a
	// socket, or to an address that changes. Nil dials the URL's host over TCP.
	// What it returns counts as unreachable if it is an error.
	Dial func(ctx context.Context) (net.Conn, error) `json:"-"`
	// Name is shown instead of the URL; "" shows the URL.
	Name string
}

// Validate names the field that is wrong and its fix. It never prints what may be secret.
func (o HTTPOptions) Validate() error {
	if _, err := parseHostURL(o.URL); err != nil {
		return err
	}
	switch {
	case o.Timeout < 0:
		return fmt.Errorf("--timeout is %v: give a duration of at least 0", o.Timeout)
	case o.MaxResponse < 0:
		return fmt.Errorf("--max-response is %d: give a size of at least 0", o.MaxResponse)
	case o.MaxConns < 0:
		return fmt.Errorf("%d connections per host: give a number of at least 0", o.MaxConns)
	}
	for _, h := range o.Headers {
		if err := h.validate(); err != nil {
			return err
		}
		if o.Credential != nil && strings.EqualFold(h.Name, authorization) {
			return fmt.Errorf("--host-header %s and %s both say who is asking: leave out one of them", authorization, o.Credential.flag)
		}
	}
	return nil
}

const authorization = "Authorization"

// An HTTPHost is a [Host] that is spoken to over HTTP/1.1.
type HTTPHost struct {
	name        string
	timeout     time.Duration
	maxResponse int64
	secrets     []string    // of base
	base        http.Header // headers as every request has them; never written to
	credential  *Credential // nil without
	transport   *http.Transport
	invoke      *http.Request // what all invocations have in common
	ping        *http.Request // nil without ping
	parameters  *http.Request
}

// NewHTTPHost makes a host; nothing is sent yet. Close it when it is not needed any more.
func NewHTTPHost(o HTTPOptions) (*HTTPHost, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	u, err := parseHostURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxResponse == 0 {
		o.MaxResponse = defaultMaxResponse
	}
	if o.MaxConns == 0 {
		o.MaxConns = defaultConns
	}
	h := &HTTPHost{name: cmp.Or(o.Name, nameOf(u)), timeout: o.Timeout, maxResponse: o.MaxResponse,
		secrets: secretsOf(o.Headers), base: baseHeader(o.Headers), credential: o.Credential, transport: newTransport(o)}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/" // JoinPath makes relative paths without it
		h.ping = h.request(http.MethodGet, u.JoinPath("ping"))
		h.parameters = h.request(http.MethodGet, u.JoinPath("execution-parameters"))
		u = u.JoinPath("invocations")
	}
	h.invoke = h.request(http.MethodPost, u)
	return h, nil
}

// newTransport is used without an http.Client: no redirects, no cookies, no
// proxy from the environment, no decompression that would hide sizes.
func newTransport(o HTTPOptions) *http.Transport {
	var only1 http.Protocols
	only1.SetHTTP1(true)
	config := &tls.Config{}
	if o.TLS != nil {
		config = o.TLS.Clone()
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	return &http.Transport{
		TLSClientConfig:        config,
		Proxy:                  nil,
		DialContext:            dialContext(o),
		DisableCompression:     true,
		IdleConnTimeout:        idleTime,
		MaxIdleConns:           o.MaxConns,
		MaxIdleConnsPerHost:    o.MaxConns,
		MaxResponseHeaderBytes: maxHeaderBytes,
		Protocols:              &only1,
		ReadBufferSize:         32 << 10,
		WriteBufferSize:        writeBuffer(o.MaxConns),
	}
}

// dialContext opens connections for o. An error of o.Dial counts as one of the
// net package's own: the host is not there.
func dialContext(o HTTPOptions) func(context.Context, string, string) (net.Conn, error) {
	within := min(longestDial, max(o.Timeout/2, time.Millisecond))
	if o.Dial == nil {
		dialer := &net.Dialer{Timeout: within}
		return dialer.DialContext
	}
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		conn, err := o.Dial(ctx)
		if _, ok := errors.AsType[*net.OpError](err); err != nil && !ok {
			err = &net.OpError{Op: "dial", Net: network, Err: err}
		}
		return conn, err
	}
}

// writeBuffer is the size of a connection's write buffer, in bytes. One as large
// as a usual payload saves a system call and a copy for each 64 KiB of it; all
// of a host's together stay within 8 MiB.
func writeBuffer(conns int) int {
	return min(512<<10, max(16<<10, (8<<20)/max(conns, 1)))
}

// parseHostURL refuses what could hold a secret or be taken in two ways. Its
// errors do not repeat the URL, which may hold a password.
func parseHostURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("--host is not a URL: write it like http://10.0.0.7:8080")
	case u.User != nil:
		return nil, fmt.Errorf("--host %s://...@%s holds a user name or password: give it with --host-basic @FILE", u.Scheme, u.Host)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, errors.New("--host must begin with http:// or https:// (or unix:/// or dns+http://) and name a host: write it like http://10.0.0.7:8080")
	case u.Fragment != "":
		return nil, fmt.Errorf("--host %s has a fragment (#...), which is never sent: leave it out", nameOf(u))
	case (u.Path == "" || u.Path == "/") && u.RawQuery != "":
		return nil, fmt.Errorf("--host %s has a query but no path: write the whole path, or leave the query out", nameOf(u))
	}
	return u, nil
}

// nameOf is the URL for people; a query may hold a key and is not shown.
func nameOf(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/")}
	if u.RawQuery != "" {
		return shown.String() + "?[redacted]"
	}
	return shown.String()
}

func (h *HTTPHost) request(method string, u *url.URL) *http.Request {
	return &http.Request{Method: method, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
}

// Name is the host's URL; a query is not shown.
func (h *HTTPHost) Name() string { return h.name }

// Format prints the host's name whatever the verb, so that no header value
// comes out by accident.
func (h *HTTPHost) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, h.name) }

// Close closes idle connections.
func (h *HTTPHost) Close() { h.transport.CloseIdleConnections() }

func baseHeader(values []HeaderValue) http.Header {
	header := make(http.Header, len(values)+1)
	for _, v := range values {
		header.Add(v.Name, v.Value)
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "batchmill")
	}
	return header
}

// header is what every request carries now. It is the caller's.
func (h *HTTPHost) header() http.Header {
	header := maps.Clone(h.base)
	if h.credential != nil {
		header[authorization] = []string{h.credential.value()}
	}
	return header
}

// Invoke sends one request and reads its whole response.
func (h *HTTPHost) Invoke(ctx context.Context, r *Request) (Response, error) {
	c := h.start(ctx)
	defer c.stop()
	body := &upload{data: r.Body}
	// From here on nothing reads r.Body any more, though net/http may still be
	// in the middle of sending it when a host answers early.
	defer body.detach()

	req := h.invoke.WithContext(c.ctx)
	req.Body = body
	req.ContentLength = int64(len(r.Body))
	req.Header = h.header()
	set := func(name, value string) {
		if value != "" {
			req.Header[name] = []string{value}
		}
	}
	set("Content-Type", r.ContentType)
	set("Accept", r.Accept)
	set("Idempotency-Key", escape(r.Key))
	set("X-Batchmill-Object", escape(r.Object))
	set("X-Batchmill-Record", strconv.FormatInt(r.First, 10))

	resp, err := h.transport.RoundTrip(req)
	if err != nil {
		return Response{}, c.fault(err)
	}
	defer resp.Body.Close()
	return c.response(resp, r)
}

// denied is told every status: after one that refuses us the credential is read again.
func (h *HTTPHost) denied(status int) {
	if h.credential != nil && causeOf(status) == Denied {
		h.credential.refused()
	}
}

// hidden are the texts that must not come out of a host's words.
func (h *HTTPHost) hidden() []string {
	if h.credential == nil {
		return h.secrets
	}
	return append(h.credential.hidden(), h.secrets...)
}

// secretsOf are the values, and what follows the word Bearer or the like in one.
func secretsOf(values []HeaderValue) (secrets []string) {
	for _, v := range values {
		secrets = append(secrets, v.Value)
		if _, token, ok := strings.Cut(v.Value, " "); ok && strings.EqualFold(v.Name, authorization) {
			secrets = append(secrets, token)
		}
	}
	return secrets
}

// scrub removes our own secrets from a host's words: some hosts repeat a
// request's headers in their error pages.
func (h *HTTPHost) scrub(b []byte) []byte {
	for _, secret := range h.hidden() {
		if len(secret) >= 4 {
			b = bytes.ReplaceAll(b, []byte(secret), []byte("[redacted]"))
		}
	}
	return b
}

// causeOfError tells a host that is not there from one that broke off.
// A failed TLS handshake is the former: no request has reached the host.
func causeOfError(err error) Cause {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return Unreachable
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return Unreachable
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return Unreachable
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return Unreachable
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok || refusedTLS(err) {
		return Unreachable
	}
	return Broken
}
