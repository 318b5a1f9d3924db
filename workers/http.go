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
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchmill/batchmill/workers/http1"
)

const (
	defaultTimeout     = time.Minute
	defaultMaxResponse = 64 << 20
	longestDial        = 10 * time.Second
	// idleTimeout is shorter than any common server's keep-alive (gunicorn's is
	// 2 seconds): a request on a connection that the server is closing is lost,
	// since no request is ever resent behind the caller's back.
	idleTimeout = 1500 * time.Millisecond
	// maxHeaderBytes caps the header of a response, in bytes.
	maxHeaderBytes = 64 << 10
	// connectionRest is how long the first kept connections of a host rest before
	// their second request: a second response to the first request is seen until then.
	connectionRest = 20 * time.Millisecond
	// wholeBody is how long the host may go on reading a request that it has answered.
	wholeBody = time.Second
)

// HTTPOptions describe an HTTP host. Only URL is needed.
type HTTPOptions struct {
	// URL without a path follows the container contract: /ping,
	// /execution-parameters, /invocations. A URL with a path gets the POSTs itself.
	URL string
	// Timeout bounds a request from its start to the last byte of its
	// response; 0 is a minute.
	Timeout time.Duration
	// MaxResponse is the largest response body in bytes, after decompression; 0 is 64 MiB.
	MaxResponse int64
	// MaxConns is the most idle connections to the host; 0 is 64.
	MaxConns int
	// Headers go with every request.
	Headers []HeaderValue
	// Credential is the Authorization header of every request; nil for none.
	Credential *Credential
	// TLS is for URLs of https; nil trusts the system's authorities. The host uses a
	// copy of TLS.
	TLS *tls.Config `json:"-"`
	// Dial opens a connection to a host that the URL does not name: a socket, or an
	// address that changes. Nil dials the URL's host over TCP. An error of Dial
	// means that the host is unreachable.
	Dial func(ctx context.Context) (net.Conn, error) `json:"-"`
	// Name is shown instead of the URL; "" shows the URL.
	Name string
	// NewConnections opens a connection for each request, and keeps none.
	NewConnections bool
	// Notice is told, in one line, what the user should know about the host; nil tells nobody.
	Notice func(string) `json:"-"`
}

// Validate names the field that is wrong, and the fix. No error holds a secret.
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

const (
	authorization  = "Authorization"
	idempotencyKey = "Idempotency-Key"
)

// errAnotherRequest says that a response names another request than its own.
var errAnotherRequest = errors.New("the response is that to another request")

// An HTTPHost is a [Host] behind HTTP/1.1.
type HTTPHost struct {
	name        string
	timeout     time.Duration
	maxResponse int64
	secrets     []string    // the secret values in baseHeader
	baseHeader  http.Header // the headers of every request; never changed
	credential  *Credential // nil without a credential
	client      *http1.Client
	authority   string // the header Host
	invocation  string // the request target of the POSTs
	ping        string // "" without a ping
	parameters  string
}

// NewHTTPHost makes a host; nothing is sent yet. The caller closes the host.
func NewHTTPHost(o HTTPOptions) (*HTTPHost, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	u, err := parseHostURL(o.URL)
	if err != nil {
		return nil, err
	}
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.MaxResponse = cmp.Or(o.MaxResponse, defaultMaxResponse)
	o.MaxConns = cmp.Or(o.MaxConns, defaultConns)
	h := &HTTPHost{name: cmp.Or(o.Name, nameOf(u)), timeout: o.Timeout, maxResponse: o.MaxResponse, authority: withoutZone(u.Host),
		secrets: secretsOf(o.Headers), baseHeader: newBaseHeader(o.Headers), credential: o.Credential}
	h.client = http1.New(h.clientOptions(o, u))
	if u.Path == "" || u.Path == "/" {
		u.Path = "/" // without the slash JoinPath makes relative paths
		h.ping = u.JoinPath("ping").RequestURI()
		h.parameters = u.JoinPath("execution-parameters").RequestURI()
		u = u.JoinPath("invocations")
	}
	h.invocation = u.RequestURI()
	return h, nil
}

// clientOptions are those of the host's connections.
func (h *HTTPHost) clientOptions(o HTTPOptions, u *url.URL) http1.Options {
	c := http1.Options{
		Dial: dialer(o, u), MaxIdle: o.MaxConns, IdleTime: idleTimeout, Rest: connectionRest, MaxHeader: maxHeaderBytes,
		WholeBody: wholeBody, NewConnections: o.NewConnections,
	}
	if o.Notice != nil {
		c.Surplus = func(said string) { o.Notice(surplusNotice(h.name, string(h.scrub([]byte(said))))) }
	}
	if u.Scheme == "https" {
		c.TLS = &tls.Config{}
		if o.TLS != nil {
			c.TLS = o.TLS.Clone()
		}
		c.TLS.MinVersion = max(c.TLS.MinVersion, tls.VersionTLS12)
		c.TLS.ServerName = cmp.Or(c.TLS.ServerName, u.Hostname())
	}
	return c
}

// surplusNotice names a host that cannot keep connections.
func surplusNotice(name, said string) string {
	return fmt.Sprintf("host %s sends more than the response to its request (%q): from now on each request has a new connection; mend the host", name, said)
}

// withoutZone is an authority without the zone of an IPv6 address, which means nothing elsewhere.
func withoutZone(authority string) string {
	address, zone, ok := strings.Cut(authority, "%")
	if !ok {
		return authority
	}
	_, port, _ := strings.Cut(zone, "]")
	return address + "]" + port
}

// dialer makes what opens connections. An error of o.Dial becomes a
// *net.OpError, which means that the host is unreachable.
func dialer(o HTTPOptions, u *url.URL) func(context.Context) (net.Conn, error) {
	within := min(longestDial, max(o.Timeout/2, time.Millisecond))
	if o.Dial == nil {
		address := net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme]))
		d := &net.Dialer{Timeout: within}
		return func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
	}
	return func(ctx context.Context) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		conn, err := o.Dial(ctx)
		if err != nil && !isA[*net.OpError](err) {
			err = &net.OpError{Op: "dial", Net: "tcp", Err: err}
		}
		return conn, err
	}
}

// parseHostURL refuses a URL that could hold a secret or be read in two ways. No
// error repeats the whole URL, which may hold a password.
func parseHostURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("--host is not a URL: write it like http://10.0.0.7:8080")
	case u.User != nil:
		return nil, fmt.Errorf("--host %s://...@%s holds a user name or password: give it with --host-basic @FILE", u.Scheme, u.Host)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, errors.New("--host must begin with http:// or https:// (or unix:/// or dns+http://) and name a host: write it like http://10.0.0.7:8080")
	case !ValidPort(u):
		return nil, fmt.Errorf("--host %s: %s is not a port, which is a number up to 65535", nameOf(u), u.Port())
	case u.Fragment != "":
		return nil, fmt.Errorf("--host %s has a fragment (#...), which is never sent: leave it out", nameOf(u))
	case (u.Path == "" || u.Path == "/") && u.RawQuery != "":
		return nil, fmt.Errorf("--host %s has a query but no path: write the whole path, or leave the query out", nameOf(u))
	}
	return u, nil
}

// nameOf is the URL for people, without the query, which may hold a key.
func nameOf(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/")}
	if u.RawQuery != "" {
		return shown.String() + "?[redacted]"
	}
	return shown.String()
}

// Name is the host's URL, without its query.
func (h *HTTPHost) Name() string { return h.name }

// Format prints the host's name, whatever the verb, so that no header value is
// printed by accident.
func (h *HTTPHost) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, h.name) }

// Close closes the connections that rest.
func (h *HTTPHost) Close() { h.client.Close() }

// Examine looks for responses that nobody asked for on the connections that rest. Where such a
// response may still come, Examine waits for it a little, unless ctx ends.
func (h *HTTPHost) Examine(ctx context.Context) { h.client.Examine(ctx) }

func newBaseHeader(values []HeaderValue) http.Header {
	header := make(http.Header, len(values)+1)
	for _, v := range values {
		header.Add(v.Name, v.Value)
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "batchmill")
	}
	return header
}

// header is the header of a request sent now. The map is the caller's.
func (h *HTTPHost) header() http.Header {
	header := maps.Clone(h.baseHeader)
	if h.credential != nil {
		header[authorization] = []string{h.credential.value()}
	}
	return header
}

// Invoke sends one request and reads its whole response.
func (h *HTTPHost) Invoke(ctx context.Context, r *Request) (Response, error) {
	c := h.begin(ctx)
	defer c.end()
	header := h.header()
	set := func(name, value string) {
		if value != "" {
			header[name] = []string{value}
		}
	}
	set("Content-Type", r.ContentType)
	set("Accept", r.Accept)
	set(idempotencyKey, escape(r.Key))
	set("X-Batchmill-Object", escape(r.Object))
	set("X-Batchmill-Record", strconv.FormatInt(r.First, 10))
	resp, err := h.client.Do(c.ctx, &http1.Request{Method: http.MethodPost, Target: h.invocation, Host: h.authority, Header: header, Body: r.Body})
	if err != nil {
		return Response{}, c.fault(err)
	}
	defer resp.Body.Close()
	switch echoed := resp.Header.Get(idempotencyKey); echoed {
	case "":
	case escape(r.Key):
		resp.Own()
	default:
		resp.Disown(idempotencyKey + ": " + brief(echoed))
		return Response{}, c.fault(fmt.Errorf("%w: its %s is %q", errAnotherRequest, idempotencyKey, brief(echoed)))
	}
	return c.response(resp, r)
}

// noteStatus makes the credential read its file again after a 401 or 403.
func (h *HTTPHost) noteStatus(status int) {
	if h.credential != nil && causeOf(status) == Denied {
		h.credential.forceReload()
	}
}

// secretTexts are the texts that are cut out of what the host says.
func (h *HTTPHost) secretTexts() []string {
	if h.credential == nil {
		return h.secrets
	}
	return append(h.credential.secretTexts(), h.secrets...)
}

// secretsOf are the values, and of an Authorization the part behind the scheme.
func secretsOf(values []HeaderValue) (secrets []string) {
	for _, v := range values {
		secrets = append(secrets, v.Value)
		if _, token, ok := strings.Cut(v.Value, " "); ok && strings.EqualFold(v.Name, authorization) {
			secrets = append(secrets, token)
		}
	}
	return secrets
}

// scrub removes batchmill's own secrets from what a host says: some hosts repeat
// the headers of a request in their error pages.
func (h *HTTPHost) scrub(b []byte) []byte {
	secrets := slices.Clone(h.secretTexts())
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may begin with another
	for _, secret := range secrets {
		if len(secret) >= 4 {
			quoted := strings.Trim(strconv.Quote(secret), `"`) // as errors quote it
			b = bytes.ReplaceAll(b, []byte(secret), []byte("[redacted]"))
			b = bytes.ReplaceAll(b, []byte(quoted), []byte("[redacted]"))
		}
	}
	return b
}

// scrubbed is err without batchmill's own secrets in its text: some errors quote what a
// host has sent.
func (h *HTTPHost) scrubbed(err error) error {
	text := err.Error()
	if clean := string(h.scrub([]byte(text))); clean != text {
		return &scrubbedError{clean, err}
	}
	return err
}

type scrubbedError struct {
	text string
	err  error
}

func (e *scrubbedError) Error() string { return e.text }
func (e *scrubbedError) Unwrap() error { return e.err }

// causeOfError tells an unreachable host from a broken connection. After a failed
// TLS handshake the host is unreachable: no request has reached the host.
func causeOfError(err error) Cause {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return Unreachable
	}
	if isA[*net.DNSError](err) || isA[*tls.CertificateVerificationError](err) || isA[tls.RecordHeaderError](err) ||
		isA[tls.AlertError](err) || refusedTLS(err) || otherVersion(err) {
		return Unreachable
	}
	return Broken
}
