package workers

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// maxSecret bounds a file that holds a secret, in bytes.
	maxSecret = 64 << 10
	// lookAgain is how often at most a credential's file is looked at.
	lookAgain = time.Second
	// keptSecrets is how many older ones are still cut out of error pages:
	// requests that carry them may be under way.
	keptSecrets = 2
)

// A Credential is what an Authorization header says: a bearer token, or a user
// and password. One from a file is read again when the file has changed, so
// that a token which is replaced while a job runs is picked up; a file that
// cannot be used then changes nothing. It may serve many hosts, concurrently,
// and never comes out of the fmt, json or log packages.
type Credential struct {
	flag string // for messages
	path string // "" when it does not change
	make func(secret string) (header string, secrets []string, err error)

	mu      sync.Mutex
	header  string
	secrets []string // the current ones, then older ones
	looked  time.Time
	size    int64
	changed time.Time
}

// Bearer makes the credential of a token. With a path it is what that file
// holds, and secret is not used; flag names it in errors.
func Bearer(flag, path, secret string) (*Credential, error) {
	return newCredential(flag, path, secret, func(token string) (string, []string, error) {
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return "", nil, errors.New("a token has no blanks, line breaks or other characters beyond ASCII")
		}
		return "Bearer " + token, []string{token}, nil
	})
}

// Basic is Bearer for basic authentication. The secret is user:password.
func Basic(flag, path, secret string) (*Credential, error) {
	return newCredential(flag, path, secret, func(pair string) (string, []string, error) {
		user, password, ok := strings.Cut(pair, ":")
		if !ok || user == "" {
			return "", nil, errors.New("write it as user:password")
		}
		if strings.ContainsAny(pair, "\r\n\x00") {
			return "", nil, errors.New("it has more than one line")
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(pair))
		return "Basic " + encoded, []string{encoded, password}, nil
	})
}

func newCredential(flag, path, secret string, from func(string) (string, []string, error)) (*Credential, error) {
	c := &Credential{flag: flag, path: path, make: from}
	if path == "" {
		return c, c.take(secret)
	}
	return c, c.read(time.Now())
}

// Format prints what it is for, whatever the verb.
func (c *Credential) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.flag+": [redacted]") }

// MarshalText is Format for encoders.
func (c *Credential) MarshalText() ([]byte, error) { return []byte(c.flag + ": [redacted]"), nil }

// take makes secret the current one.
func (c *Credential) take(secret string) error {
	if secret == "" {
		return fmt.Errorf("%s is empty", c.flag)
	}
	header, secrets, err := c.make(secret)
	if err != nil {
		return fmt.Errorf("%s: %w", c.flag, err)
	}
	if header != c.header {
		c.header = header
		c.secrets = append(secrets, c.secrets[:min(len(c.secrets), keptSecrets*len(secrets))]...)
	}
	return nil
}

// read reads the file, if it has changed since it was read.
func (c *Credential) read(now time.Time) error {
	c.looked = now
	info, err := os.Stat(c.path)
	if err != nil {
		return fmt.Errorf("%s: %w", c.flag, err)
	}
	if c.header != "" && info.Size() == c.size && info.ModTime().Equal(c.changed) {
		return nil
	}
	text, err := ReadSecret(c.path)
	if err != nil {
		return fmt.Errorf("%s: %w", c.flag, err)
	}
	if err := c.take(text); err != nil {
		return err
	}
	c.size, c.changed = info.Size(), info.ModTime()
	return nil
}

// value is the header's value. A change of the file is seen within a second.
func (c *Credential) value() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.path != "" && now.Sub(c.looked) >= lookAgain {
		_ = c.read(now) // the old one may still do; if not, the host says so
	}
	return c.header
}

// refused is called when a host did not take what value gave: the next request
// reads the file again, whatever its time says.
func (c *Credential) refused() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked, c.changed = time.Time{}, time.Time{}
}

// hidden are the texts that must not come out.
func (c *Credential) hidden() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secrets[:len(c.secrets):len(c.secrets)]
}

// ReadSecret reads a small file, less the line end that editors leave.
func ReadSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxSecret {
		return "", fmt.Errorf("%s is larger than %d bytes: is it the right file", path, maxSecret)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}
