package workers

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for _, c := range []struct {
		in, name, host, port string // name "" is an error
		named, secure, near  bool
		wrong                string
	}{
		{in: "http://10.0.0.7:8080", name: "http://10.0.0.7:8080", host: "10.0.0.7", port: "8080"},
		{in: "https://h/score?key=hunter2", name: "https://h/score?[redacted]", host: "h", port: "443", secure: true},
		{in: "http://localhost", name: "http://localhost", host: "localhost", port: "80", near: true},
		{in: "http://[::1]:1/", name: "http://[::1]:1", host: "::1", port: "1", near: true},
		{in: "unix:///run/a%20b.sock", name: "unix:///run/a b.sock", host: "localhost", port: "80", near: true},
		{in: "dns+http://models.default.svc:8080", name: "dns+http://models.default.svc:8080", host: "models.default.svc", port: "8080", named: true},
		{in: "dns+https://models/score", name: "dns+https://models/score", host: "models", port: "443", named: true, secure: true},
		{in: "unix://run/a.sock", wrong: "unix:///run/model.sock"},
		{in: "unix:a.sock", wrong: "unix:///run/model.sock"},
		{in: "unix:///", wrong: "unix:///run/model.sock"},
		{in: "unix:///a.sock?x=hunter2", wrong: "query"},
		{in: "unix:///%zz", wrong: "cannot be read"},
		{in: "unix:///" + strings.Repeat("x", 103), wrong: "shorter"},
		{in: "dns+http://me:hunter2@h", wrong: "--host-basic"},
		{in: "dns+ftp://h", wrong: "must begin"},
		{in: "dns+unix:///a.sock", wrong: "must begin"},
		{in: "dns://h:53", wrong: "dns+http://"},
		{in: "nonsense", wrong: "must begin"},
	} {
		a, err := ParseAddress(c.in)
		if c.name == "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", c.in, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		host, port := a.Host()
		if a.String() != c.name || host != c.host || port != c.port || a.Named() != c.named || a.Secure() != c.secure || a.Near() != c.near {
			t.Errorf("%s: %s, %s %s, %v %v %v", c.in, a, host, port, a.Named(), a.Secure(), a.Near())
		}
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.sock")
	a, err := ParseAddress("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := a.NewHost(HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := h.Ready(t.Context()); Classify(Response{}, err).Cause != Unreachable {
		t.Errorf("without a server: %v", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var paths string
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths += " " + r.Host + r.URL.Path
		_, _ = io.WriteString(w, "1\n")
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	defer func() { _ = server.Close(); <-done }()
	if _, err := h.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if resp, err := h.Invoke(t.Context(), &Request{}); err != nil || string(resp.Body) != "1\n" {
		t.Errorf("%q, %v", resp.Body, err)
	}
	if paths != " localhost/ping localhost/execution-parameters localhost/invocations" || h.Name() != "unix://"+path {
		t.Errorf("%s was asked for%s", h.Name(), paths)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"", "http://h", "unix:///a", "dns+http://h:1", "dns+", "unix:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		h, err := a.NewHost(HTTPOptions{})
		if err != nil || h.Name() != a.String() {
			t.Fatalf("%q: %v, %v", s, h, err)
		}
	})
}
