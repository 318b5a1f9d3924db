package workers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestClassifyStatus(t *testing.T) {
	want := map[int]Cause{
		200: Good, 204: Good, 301: Redirected, 304: Redirected, 307: Redirected,
		400: Refused, 401: Denied, 402: Refused, 403: Denied, 404: Unfit, 405: Unfit, 407: Refused, 408: Broken,
		409: Conflict, 410: Refused, 413: TooLarge, 415: Unfit, 422: Refused, 425: Broken, 429: Busy,
		500: Failed, 501: Failed, 502: Broken, 503: Busy, 504: Broken, 507: Failed, 599: Failed,
		0: Garbled, 101: Garbled, 600: Garbled, -1: Garbled,
	}
	for status, cause := range want {
		o := Classify(Response{Status: status, RetryAfter: time.Second}, nil)
		if o.Cause != cause || o.Status != status || o.RetryAfter != time.Second {
			t.Errorf("status %d is %+v, want %v", status, o, cause)
		}
	}
}

func TestClassifyErrors(t *testing.T) {
	broken := &TransportError{Host: "http://a", Cause: Unreachable, Err: errors.New("refused")}
	large := &TooLargeResponseError{Host: "http://a", Status: 200, Limit: 5}
	for _, c := range []struct {
		err  error
		want Cause
	}{{broken, Unreachable}, {fmt.Errorf("x: %w", broken), Unreachable}, {large, Oversized}, {errors.New("?"), Broken}} {
		o := Classify(Response{}, c.err)
		if o.Cause != c.want || !strings.Contains(c.err.Error(), o.Message) || o.Message == "" {
			t.Errorf("%v is %+v, want %v", c.err, o, c.want)
		}
	}
}

func TestClassifyMessage(t *testing.T) {
	long := strings.Repeat("é", 2000)
	for _, body := range []string{long, "x" + long, "\xff\xfe" + long} {
		o := Classify(Response{Status: 400, Body: []byte(body)}, nil)
		if len(o.Message) > 1024 || len(o.Message) < 1000 || !utf8.ValidString(o.Message) {
			t.Errorf("a long body became %d bytes", len(o.Message))
		}
	}
	if o := Classify(Response{Status: 404}, nil); o.Message != "status 404 Not Found" {
		t.Errorf("an empty body became %q", o.Message)
	}
	if o := Classify(Response{Status: 302, Location: "http://x/"}, nil); !strings.Contains(o.Message, "http://x/") {
		t.Errorf("the Location is missing in %q", o.Message)
	}
}

func TestWords(t *testing.T) {
	for c := Good; c <= Oversized; c++ {
		if strings.HasPrefix(c.String(), "cause") || c.String() == "" {
			t.Errorf("cause %d has no word", uint8(c))
		}
	}
	for a := Accept; a <= Stop; a++ {
		if strings.HasPrefix(a.String(), "action") || a.String() == "" {
			t.Errorf("action %d has no word", uint8(a))
		}
	}
	if Cause(99).String() != "cause 99" || Action(99).String() != "action 99" {
		t.Error("unknown values must print their number")
	}
}
