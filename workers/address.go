package workers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strconv"
	"strings"
)

const (
	unixScheme = "unix"
	dnsPrefix  = "dns+"
	// maxSocketPath is the longest path of a socket, in bytes, that every system takes.
	maxSocketPath = 103
)

// An Address is the value of a --host: a URL, a socket, or a name whose addresses
// are hosts.
type Address struct {
	url    *url.URL // of http or https
	socket string   // the path of a Unix socket; "" without one
	named  bool     // every address of the URL's name is a host
}

// ParseAddress reads a URL, unix:///path.sock, or dns+http://name:port. An error
// names the fix, and holds no secret.
func ParseAddress(s string) (Address, error) {
	scheme, _, _ := strings.Cut(s, ":")
	if scheme == unixScheme {
		return parseSocket(s)
	}
	rest, named := strings.CutPrefix(s, dnsPrefix)
	u, err := parseHostURL(rest)
	return Address{url: u, named: named}, err
}

func parseSocket(s string) (Address, error) {
	const example = "write it like unix:///run/model.sock"
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return Address{}, errors.New("--host: the path of the socket cannot be read: " + example)
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return Address{}, errors.New("--host unix://: a user, a query or a fragment has no meaning there: " + example)
	case u.Host != "" || u.Opaque != "" || !path.IsAbs(u.Path) || strings.HasSuffix(u.Path, "/") || strings.Contains(u.Path, "\x00"):
		return Address{}, fmt.Errorf("--host unix: names no socket by its whole path: %s", example)
	case len(u.Path) > maxSocketPath:
		return Address{}, fmt.Errorf("--host unix://%s: the path has more than %d bytes, which systems do not take: use a shorter one", u.Path, maxSocketPath)
	}
	return Address{url: &url.URL{Scheme: "http", Host: "localhost"}, socket: u.Path}, nil
}

// ValidPort tells whether a URL's port, if the URL has one, is one that can be reached.
func ValidPort(u *url.URL) bool {
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return u.Port() == "" || err == nil && n > 0
}

// Named tells whether the hosts are the addresses of a name, which may change.
func (a Address) Named() bool { return a.named }

// Host is the name and the port of the URL.
func (a Address) Host() (name, port string) {
	name, port = a.url.Hostname(), a.url.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[a.url.Scheme]
	}
	return name, port
}

// Secure tells whether requests to the host travel over TLS.
func (a Address) Secure() bool { return a.url.Scheme == "https" }

// Near tells whether requests to the address stay on this machine.
func (a Address) Near() bool {
	name := a.url.Hostname()
	ip := net.ParseIP(name)
	return a.socket != "" || name == "localhost" || ip != nil && ip.IsLoopback()
}

// String is the address as messages show it, without a query.
func (a Address) String() string {
	switch {
	case a.socket != "":
		return unixScheme + "://" + a.socket
	case a.named:
		return dnsPrefix + nameOf(a.url)
	}
	return nameOf(a.url)
}

// NewHost makes the host of a URL or a socket. o.URL, o.Dial and o.Name are ignored.
func (a Address) NewHost(o HTTPOptions) (*HTTPHost, error) {
	o.URL, o.Name, o.Dial = a.url.String(), a.String(), nil
	if a.socket != "" {
		o.Dial = func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", a.socket)
		}
	}
	return NewHTTPHost(o)
}

// NewHostAt makes the host at one address of a name; at is address:port. The Host
// header, and the name that a certificate must have, are those of the URL.
func (a Address) NewHostAt(at string, o HTTPOptions) (*HTTPHost, error) {
	o.URL = a.url.String()
	shown := *a.url
	shown.Host = at
	o.Name = nameOf(&shown)
	o.Dial = func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", at)
	}
	return NewHTTPHost(o)
}
