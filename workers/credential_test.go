package workers

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	rewrite(t, path, text)
	return path
}

// rewrite replaces a file as rotating a token does: at once.
func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestCredentials(t *testing.T) {
	for _, c := range []struct {
		name   string
		make   func(flag, path, secret string) (*Credential, error)
		secret string
		header string
		wrong  string
	}{
		{"a token", Bearer, "abc.d-e_f", "Bearer abc.d-e_f", ""},
		{"user and password", Basic, "me:pass:word", "Basic bWU6cGFzczp3b3Jk", ""},
		{"no password", Basic, "me:", "Basic bWU6", ""},
		{"nothing", Bearer, "", "", "is empty"},
		{"two words", Bearer, "Bearer hunter2", "", "blanks"},
		{"two lines", Bearer, "hunter2\nhunter3", "", "line breaks"},
		{"no user", Basic, ":hunter2", "", "user:password"},
		{"no colon", Basic, "hunter2", "", "user:password"},
		{"two lines of users", Basic, "a:hunter2\nb:x", "", "line"},
	} {
		path := secretFile(t, c.secret+"\n")
		for _, made := range []func() (*Credential, error){
			func() (*Credential, error) { return c.make("--flag", "", c.secret) },
			func() (*Credential, error) { return c.make("--flag", path, "") },
		} {
			got, err := made()
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), "--flag") || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: %v", c.name, err)
				}
			} else if err != nil || got.value() != c.header {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	if _, err := Bearer("--flag", "/no/such/file", ""); err == nil || !strings.Contains(err.Error(), "--flag") {
		t.Error(err)
	}
	if _, err := Bearer("--flag", secretFile(t, strings.Repeat("x", maxSecret+1)), ""); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Error(err)
	}
}

func TestCredentialsAreNotPrinted(t *testing.T) {
	c, err := Basic("--host-basic", "", "me:hunter2")
	if err != nil {
		t.Fatal(err)
	}
	o := HTTPOptions{URL: "http://h:1", Credential: c}
	h := hostFor(t, o)
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	said := string(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		said += fmt.Sprintf(verb, o) + fmt.Sprintf(verb, c) + fmt.Sprintf(verb, h)
	}
	if strings.Contains(said, "hunter2") || strings.Contains(said, c.value()) || !strings.Contains(said, "[redacted]") {
		t.Errorf("printed: %s", said)
	}
	o.Headers = []HeaderValue{{"authorization", "x"}}
	if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "both") {
		t.Errorf("two of them: %v", err)
	}
}

// A token that is replaced is picked up, what replaces it badly is not, and none
// of them comes back out of a host's words.
func TestTokenIsReplaced(t *testing.T) {
	path := secretFile(t, "token-one\n")
	c, err := Bearer("--host-bearer", path, "")
	if err != nil {
		t.Fatal(err)
	}
	valid := "token-one"
	h := served(t, HTTPOptions{Credential: c}, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer "+valid {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "no: "+got+" is not "+strings.Repeat("token-one", 200))
		}
	})
	ask := func(want int) {
		t.Helper()
		resp, err := h.Invoke(t.Context(), &Request{})
		if err != nil || resp.Status != want || strings.Contains(string(resp.Body), "token") {
			t.Errorf("%d %q, %v; want %d", resp.Status, resp.Body, err, want)
		}
	}
	ask(200)
	valid = "token-two"
	ask(401)
	ask(401) // the file is looked at, and is the same
	rewrite(t, path, "token-two\n")
	ask(200)
	for _, bad := range []string{"", "two words\n"} {
		rewrite(t, path, bad)
		c.forceReload()
		ask(200)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c.forceReload()
	ask(200)
	valid = "none"
	ask(401) // and token-one is still cut out
}

// Without a refusal too: some tokens are replaced before they end.
func TestTokenIsReadByTime(t *testing.T) {
	path := secretFile(t, "token-one")
	inBubble(t, func(t *testing.T) {
		c, err := Bearer("--host-bearer", path, "")
		if err != nil {
			t.Fatal(err)
		}
		rewrite(t, path, "token-2")
		if got := c.value(); got != "Bearer token-one" {
			t.Errorf("at once: %s", got)
		}
		time.Sleep(lookEvery)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if got := c.value(); got != "Bearer token-2" {
					t.Errorf("later: %s", got)
				}
			})
		}
		wg.Wait()
	})
}

func TestTokenOfAHeaderIsCutOut(t *testing.T) {
	h := served(t, HTTPOptions{Headers: []HeaderValue{{"Authorization", "Bearer s3cret"}}}, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "who is s3cret", http.StatusForbidden)
	})
	if resp, err := h.Invoke(t.Context(), &Request{}); err != nil || string(resp.Body) != "who is [redacted]\n" {
		t.Errorf("%q, %v", resp.Body, err)
	}
}
