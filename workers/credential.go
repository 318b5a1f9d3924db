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
	// maxSecret is the most bytes that a file with a secret may have.
	maxSecret = 64 << 10
	// lookEvery is the least time between two looks at a credential's file.
	lookEvery = time.Second
	// keptSecrets is how many older secrets are still cut out of error pages:
	// requests with an older secret may be under way.
	keptSecrets = 2
)

// A Credential is the value of an Authorization header: a bearer token, or a user
// and a password. A credential from a file is read again when the file changes, so
// a token can be replaced while a job runs; a changed file that cannot be used is
// ignored. A credential may serve many hosts concurrently, and its secret is never
// printed by the packages fmt, json or log.
type Credential struct {
	flag   string // named in messages
	path   string // "" for a secret that does not change
	encode func(secret string) (header string, secrets []string, err error)

	mu       sync.Mutex
	header   string
	secrets  []string // of the current header, then of older headers
	lookedAt time.Time
	size     int64
	modTime  time.Time
}

// Bearer makes the credential of a token: the content of the file path, or secret
// where path is "". Errors name flag, and never hold the token.
func Bearer(flag, path, secret string) (*Credential, error) {
	return newCredential(flag, path, secret, func(token string) (string, []string, error) {
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return "", nil, errors.New("a token has no blanks, line breaks or other characters beyond ASCII")
		}
		return "Bearer " + token, []string{token}, nil
	})
}

// Basic is Bearer for basic authentication; the secret is user:password.
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
	c := &Credential{flag: flag, path: path, encode: from}
	if path == "" {
		return c, c.set(secret)
	}
	return c, c.reload(time.Now())
}

// Format prints the flag and [redacted], whatever the verb.
func (c *Credential) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.flag+": [redacted]") }

// MarshalText is Format for encoders.
func (c *Credential) MarshalText() ([]byte, error) { return []byte(c.flag + ": [redacted]"), nil }

// set makes secret the current secret.
func (c *Credential) set(secret string) error {
	if secret == "" {
		return fmt.Errorf("%s is empty", c.flag)
	}
	header, secrets, err := c.encode(secret)
	if err != nil {
		return fmt.Errorf("%s: %w", c.flag, err)
	}
	if header != c.header {
		c.header = header
		c.secrets = append(secrets, c.secrets[:min(len(c.secrets), keptSecrets*len(secrets))]...)
	}
	return nil
}

// reload reads the file, if the file has changed since the last time.
func (c *Credential) reload(now time.Time) error {
	c.lookedAt = now
	info, err := os.Stat(c.path)
	if err != nil {
		return fmt.Errorf("%s: %w", c.flag, err)
	}
	if c.header != "" && info.Size() == c.size && info.ModTime().Equal(c.modTime) {
		return nil
	}
	text, err := ReadSecret(c.path)
	if err != nil {
		return fmt.Errorf("%s: %w", c.flag, err)
	}
	if err := c.set(text); err != nil {
		return err
	}
	c.size, c.modTime = info.Size(), info.ModTime()
	return nil
}

// value is the value of the header. A change of the file is seen within a second.
func (c *Credential) value() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.path != "" && now.Sub(c.lookedAt) >= lookEvery {
		_ = c.reload(now) // the old secret may still do; if not, the host says so
	}
	return c.header
}

// forceReload is called when a host refused value: the next request reads the file
// again, even if the file's time has not changed.
func (c *Credential) forceReload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookedAt, c.modTime = time.Time{}, time.Time{}
}

// secretTexts are the texts that are never printed.
func (c *Credential) secretTexts() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secrets[:len(c.secrets):len(c.secrets)]
}

// Secrets are the texts that no message may hold: the values of headers and, unless
// c is nil, what c is now and was lately.
func Secrets(headers []HeaderValue, c *Credential) []string {
	if c == nil {
		return secretsOf(headers)
	}
	return append(c.secretTexts(), secretsOf(headers)...)
}

// ReadSecret reads a file of at most 64 KiB, without the line end that editors leave.
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
