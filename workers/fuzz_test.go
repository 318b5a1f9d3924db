package workers

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/workers/http1"
	"time"
)

func FuzzParameters(f *testing.F) {
	for _, s := range []string{`{"MaxConcurrentTransforms":8,"BatchStrategy":"MULTI_RECORD","MaxPayloadInMB":"6"}`, `[]`, `{"MaxPayloadInMB":1e400}`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if p := parseParameters(body); p.MaxConcurrent < 0 || p.MaxPayload < 0 {
			t.Errorf("%q gives %+v", body, p)
		}
	})
}

// A header value made by escape is one line of plain text that reads back as
// what it was.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"in/a.csv", "50% ä\r\nX: y", "", "\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := escape(s)
		if back, err := url.PathUnescape(got); err != nil || back != s {
			t.Errorf("%q became %q and reads back as %q, %v", s, got, back, err)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("3")
	f.Add("Sun, 01 Mar 2026 12:00:30 GMT")
	f.Fuzz(func(t *testing.T, s string) {
		if retryAfter(s, time.Unix(0, 0)) < 0 {
			t.Errorf("%q asks for a negative rest", s)
		}
	})
}

// FuzzResponse: whatever a host sends, Invoke's reading of it neither panics
// nor keeps more than the cap.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n1\n2\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n1\n\r\n0\r\n\r\n",
		"HTTP/1.0 500 no\r\n\r\nwords", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n%s", zipped("1\n")),
	} {
		f.Add([]byte(s))
	}
	h, err := NewHTTPHost(HTTPOptions{URL: "http://h:1", MaxResponse: 100})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(text))), nil)
		if err != nil {
			t.Skip()
		}
		defer resp.Body.Close()
		c := h.begin(t.Context())
		defer c.end()
		out, err := c.response(&http1.Response{Response: resp}, &Request{})
		if Classify(out, err); err == nil && len(out.Body) > 1024 || err == nil && out.Status/100 == 2 && len(out.Body) > 100 {
			t.Errorf("kept %d bytes", len(out.Body))
		}
	})
}
