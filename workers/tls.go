package workers

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// TLSOptions say how batchmill checks the hosts of https, and shows itself to them.
// The zero value trusts the system's certificate authorities.
type TLSOptions struct {
	// CA is a file with the certificates, in PEM, of the authorities that are
	// trusted; no other authority is, so no public authority can vouch for hosts of
	// a private one. To trust both kinds, put both into the file.
	CA string
	// Cert and Key are files, in PEM, with the client certificate that hosts may
	// ask for, and its key.
	Cert, Key string
	// ServerName is the name that a host's certificate must have; "" is the URL's name.
	ServerName string
}

// Config reads the files. An error names the flag that is wrong, and the fix.
func (o TLSOptions) Config(now time.Time) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.ServerName}
	if o.CA != "" {
		pool, err := readCA(o.CA, now)
		if err != nil {
			return nil, fmt.Errorf("--host-ca: %w", err)
		}
		c.RootCAs = pool
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("--host-cert and --host-key: one is given without the other: give both")
	}
	if o.Cert != "" {
		pair, err := readPair(o.Cert, o.Key, now)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// readCA reads a bundle of certificates, of which at least one must be in date.
func readCA(path string, now time.Time) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, found, current := x509.NewCertPool(), 0, 0
	var last error
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", path, found+1, err)
		}
		found++
		pool.AddCert(cert)
		if err := inDate(cert, now); err != nil {
			last = err
		} else {
			current++
		}
	}
	switch {
	case found == 0:
		return nil, fmt.Errorf("%s holds no certificate in PEM: give the file that begins with -----BEGIN CERTIFICATE-----", path)
	case current == 0:
		return nil, fmt.Errorf("%s: %w: give a newer one", path, last)
	}
	return pool, nil
}

func readPair(cert, key string, now time.Time) (tls.Certificate, error) {
	certText, err := os.ReadFile(cert)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("--host-cert: %w", err)
	}
	keyText, err := os.ReadFile(key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("--host-key: %w", err)
	}
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return pair, fmt.Errorf("--host-cert %s and --host-key %s: %w: give a certificate and its own key, both in PEM, the key without a password", cert, key, err)
	}
	if err := inDate(pair.Leaf, now); err != nil {
		return pair, fmt.Errorf("--host-cert %s: %w: give a newer one", cert, err)
	}
	return pair, nil
}

func inDate(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("the certificate of %q expired at %s", c.Subject, c.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the certificate of %q is not valid before %s", c.Subject, c.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// refusals are the alerts by which a server refuses a handshake, so that no request
// has reached the server. A connection's error has no exported type, only a text.
var refusals = func() map[string]bool {
	texts := map[string]bool{}
	for _, alert := range []tls.AlertError{
		40,  // handshake failure
		42,  // bad certificate
		43,  // unsupported certificate
		44,  // revoked
		45,  // expired
		46,  // certificate unknown
		48,  // unknown authority
		49,  // access denied
		70,  // protocol version
		112, // unrecognized name
		116, // certificate required
	} {
		texts[alert.Error()] = true
	}
	return texts
}()

// refusedTLS tells whether err is the server's refusal of a handshake.
func refusedTLS(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" && refusals[op.Err.Error()]
}

const versionHint = "the host speaks another version of TLS, and batchmill needs 1.2 or 1.3: have the host speak one of these"

// refusalHint is what to do about the alert by which a host refused a handshake.
func refusalHint(err error) string {
	op, _ := errors.AsType[*net.OpError](err)
	switch op.Err.Error() {
	case tls.AlertError(70).Error():
		return versionHint
	case tls.AlertError(112).Error():
		return "the host knows no such name: name the one it knows with --host-server-name"
	case tls.AlertError(40).Error():
		return "the host shares no cipher or key type with batchmill, or wants a certificate: look at the host's settings, or give the certificate with --host-cert and --host-key"
	}
	return "the host refuses our side of TLS: give the certificate it wants with --host-cert and --host-key"
}

// otherVersion tells whether a host chose a version of TLS that was not offered. The
// error has no type, only a text.
func otherVersion(err error) bool {
	return strings.Contains(err.Error(), "tls: server selected unsupported protocol version")
}

// explained adds to an error of TLS what the user can do.
func explained(err error) error {
	if refusedTLS(err) {
		return fmt.Errorf("%w: %s", err, refusalHint(err))
	}
	if otherVersion(err) {
		return fmt.Errorf("%w: %s", err, versionHint)
	}
	if isA[x509.UnknownAuthorityError](err) {
		return fmt.Errorf("%w: if its authority is a private one, name that one's certificate with --host-ca", err)
	}
	if isA[x509.HostnameError](err) {
		return fmt.Errorf("%w: if the certificate is right, name what it was made for with --host-server-name", err)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return fmt.Errorf("%w: renew the host's certificate, or set this machine's clock", err)
	}
	if isA[tls.RecordHeaderError](err) {
		return fmt.Errorf("%w: does the host speak TLS? If not, write http://", err)
	}
	return err
}
