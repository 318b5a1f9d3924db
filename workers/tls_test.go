package workers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An authority signs certificates for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
	file string // its own certificate
}

func newAuthority(t *testing.T, name string, until time.Time) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.file, _ = a.sign(t, name, until, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	return a
}

// sign makes a certificate and its key; the first one is the authority's.
func (a *authority) sign(t *testing.T, name string, until time.Time, change func(*x509.Certificate)) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour),
		NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	change(c)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, k
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, k.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert == nil {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		a.key = k
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// tlsServer is a host with a certificate for 127.0.0.1 and models.test. It asks
// for one of the authority clients, if there is one.
func tlsServer(t *testing.T, a, clients *authority) string {
	t.Helper()
	cert, key := a.sign(t, "host", time.Now().Add(time.Hour), func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"models.test"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	})
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			who = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		_, _ = io.WriteString(w, who+" "+r.TLS.ServerName)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		server.TLS.ClientAuth, server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		server.TLS.ClientCAs.AddCert(clients.cert)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func later() time.Time { return time.Now().Add(time.Hour) }

func same(*x509.Certificate) {}

func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t, "ours", later()), newAuthority(t, "theirs", later())
	cert, key := ours.sign(t, "batchmill", later(), same)
	badCert, badKey := theirs.sign(t, "stranger", later(), same)
	open, closed := tlsServer(t, ours, nil), tlsServer(t, ours, ours)
	for _, c := range []struct {
		name  string
		url   string
		o     TLSOptions
		want  string
		wrong string
	}{
		{"a private authority", open, TLSOptions{CA: ours.file}, "nobody ", ""},
		{"the system's authorities", open, TLSOptions{}, "", "--host-ca"},
		{"another authority", open, TLSOptions{CA: theirs.file}, "", "--host-ca"},
		{"another name", open, TLSOptions{CA: ours.file, ServerName: "models.test"}, "nobody models.test", ""},
		{"a wrong name", open, TLSOptions{CA: ours.file, ServerName: "other.test"}, "", "--host-server-name"},
		{"both sides", closed, TLSOptions{CA: ours.file, Cert: cert, Key: key}, "batchmill ", ""},
		{"no certificate", closed, TLSOptions{CA: ours.file}, "", "--host-cert"},
		{"a stranger's certificate", closed, TLSOptions{CA: ours.file, Cert: badCert, Key: badKey}, "", "--host-cert"},
		{"no TLS there", "https" + strings.TrimPrefix(plainServer(t), "http"), TLSOptions{}, "", "does the host speak TLS"},
	} {
		config, err := c.o.Config(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		h := hostFor(t, HTTPOptions{URL: c.url, TLS: config})
		resp, err := h.Invoke(t.Context(), &Request{})
		if c.wrong == "" {
			if err != nil || string(resp.Body) != c.want {
				t.Errorf("%s: %q, %v", c.name, resp.Body, err)
			}
			continue
		}
		refusedWith(t, c.name, c.wrong, func() error { _, err := h.Invoke(t.Context(), &Request{}); return err })
		refusedWith(t, c.name, c.wrong, func() error { _, err := h.Ready(t.Context()); return err })
	}
}

// refusedWith asks until the answer is that the host is unreachable, and why. In
// TLS 1.3 a client learns only with its first read that the server has turned it
// down, and its request may meet the closed connection before.
func refusedWith(t *testing.T, name, why string, ask func() error) {
	t.Helper()
	var err error
	for range 1000 {
		if err = ask(); err == nil {
			break
		}
		if Classify(Response{}, err).Cause == Unreachable && strings.Contains(err.Error(), why) {
			return
		}
	}
	t.Errorf("%s: %v, want %s", name, err, why)
}

func plainServer(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func TestOldTLSIsRefused(t *testing.T) {
	ours := newAuthority(t, "ours", later())
	config, err := TLSOptions{CA: ours.file}.Config(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, key := ours.sign(t, "host", later(), func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.StartTLS()
	defer server.Close()
	for _, config := range []*tls.Config{config, {RootCAs: config.RootCAs, MinVersion: tls.VersionTLS10}} {
		h := hostFor(t, HTTPOptions{URL: server.URL, TLS: config})
		refusedWith(t, "TLS 1.1", versionHint, func() error { _, err := h.Ready(t.Context()); return err })
	}
	h := hostFor(t, HTTPOptions{URL: oldServer(t), TLS: config})
	refusedWith(t, "TLS 1.1, chosen by the server", versionHint, func() error { _, err := h.Ready(t.Context()); return err })
}

// oldServer is a server of https that chooses TLS 1.1, whatever the client offers.
func oldServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	hello := append([]byte{22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2}, make([]byte, 32+1+2+1)...) // a random, no session, a cipher, no compression
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096)) // the client's
			_, _ = c.Write(hello)
			defer c.Close()
		}
	}()
	return "https://" + l.Addr().String()
}

func TestTLSOptionsAreChecked(t *testing.T) {
	ours, old := newAuthority(t, "ours", later()), newAuthority(t, "old", time.Now().Add(-time.Hour))
	cert, key := ours.sign(t, "batchmill", later(), same)
	_, otherKey := ours.sign(t, "other", later(), same)
	oldCert, oldKey := ours.sign(t, "expired", time.Now().Add(-time.Hour), same)
	newCert, newKey := ours.sign(t, "future", later(), func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) })
	for _, c := range []struct {
		name string
		o    TLSOptions
		want []string
	}{
		{"no such bundle", TLSOptions{CA: "/no/ca"}, []string{"--host-ca", "/no/ca"}},
		{"a key as bundle", TLSOptions{CA: key}, []string{"--host-ca", "no certificate"}},
		{"an old bundle", TLSOptions{CA: old.file}, []string{"--host-ca", "expired", "newer"}},
		{"no key", TLSOptions{Cert: cert}, []string{"--host-key", "give both"}},
		{"no certificate", TLSOptions{Key: key}, []string{"--host-cert", "give both"}},
		{"no such key", TLSOptions{Cert: cert, Key: "/no/key"}, []string{"--host-key", "/no/key"}},
		{"no such certificate", TLSOptions{Cert: "/no/cert", Key: key}, []string{"--host-cert", "/no/cert"}},
		{"another's key", TLSOptions{Cert: cert, Key: otherKey}, []string{"--host-key", "its own key"}},
		{"expired", TLSOptions{Cert: oldCert, Key: oldKey}, []string{"--host-cert", "expired at"}},
		{"not yet", TLSOptions{Cert: newCert, Key: newKey}, []string{"--host-cert", "not valid before"}},
	} {
		_, err := c.o.Config(time.Now())
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", c.name, err, want)
			}
		}
	}
	if _, err := (TLSOptions{CA: ours.file, Cert: cert, Key: key}).Config(time.Now()); err != nil {
		t.Error(err)
	}
}
