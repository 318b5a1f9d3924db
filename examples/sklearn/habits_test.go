package sklearn_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// post sends one invocation and returns the status and the whole body.
func post(t *testing.T, url, contentType, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(url+"/invocations", contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func lines(l []string) string { return strings.Join(l, "\n") + "\n" }

// TestHabits shows that the host does what the jobs below have to live with.
// Were it more forgiving, those tests would pass and prove nothing.
func TestHabits(t *testing.T) {
	d := needDataset(t)
	url := startHost(t, "MAX_CONTENT_LENGTH=20000")
	waitReady(t, url)
	three := []string{d.csv[0], d.csv[1], d.csv[2]}
	bad := []string{d.csv[0], "n/a" + d.csv[1][strings.Index(d.csv[1], ","):], d.csv[2]}
	short := []string{d.csv[0], d.csv[1][:strings.LastIndex(d.csv[1], ",")], d.csv[2]}
	gap := []string{d.csv[0], "", d.csv[2]}

	for _, c := range []struct {
		name, kind, body string
		status           int
		want             string // of a 200
	}{
		{"csv", "text/csv", lines(three), 200, lines(d.wantCSV[:3])},
		{"no final newline", "text/csv", strings.Join(three, "\n"), 200, lines(d.wantCSV[:3])},
		{"crlf", "text/csv", strings.Join(three, "\r\n") + "\r\n", 200, lines(d.wantCSV[:3])},
		{"json lines", "application/jsonlines", lines(d.jsonl[:3]), 200, lines(d.wantJS[:3])},
		{"json array", "application/json", "[" + strings.Join(d.jsonl[:3], ",") + "]", 200,
			`{"predictions": [` + strings.Join(d.wantJS[:3], ", ") + `]}`},
		{"json instances", "application/json", `{"instances":[[` + strings.Join(three, "],[") + `]]}`, 200,
			`{"predictions": [` + strings.Join(d.wantJS[:3], ", ") + `]}`},
		{"a blank line costs an answer", "text/csv", lines(gap), 200, d.wantCSV[0] + "\n" + d.wantCSV[2] + "\n"},
		{"one bad row fails all", "text/csv", lines(bad), 500, ""},
		{"one short row fails all", "text/csv", lines(short), 500, ""},
		{"the header is a bad row", "text/csv", d.header + "\n" + lines(three), 500, ""},
		{"charset", "text/csv; charset=utf-8", lines(three), 415, ""},
		{"other type", "text/plain", lines(three), 415, ""},
		{"too large", "text/csv", lines(d.csv[:200]), 413, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := post(t, url, c.kind, c.body)
			if status != c.status {
				t.Fatalf("status %d, want %d: %s", status, c.status, body)
			}
			if status == 200 && body != c.want {
				t.Errorf("got\n%s\nwant\n%s", body, c.want)
			}
		})
	}
}

func TestBadGatewayWhileStarting(t *testing.T) {
	d := needDataset(t)
	url := startHost(t, "START_DELAY=2")
	if status, body := post(t, url, "text/csv", d.csv[0]); status != http.StatusBadGateway {
		t.Fatalf("status %d, want 502: %s", status, body)
	}
	waitReady(t, url)
	if status, body := post(t, url, "text/csv", d.csv[0]); status != http.StatusOK {
		t.Fatalf("status %d once the ping is good: %s", status, body)
	}
}

// TestIdleConnectionIsClosed uses one bare connection: a client library would
// hide what the host does.
func TestIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits until the host closes an idle connection")
	}
	url := startHost(t)
	waitReady(t, url)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	var asked time.Time
	for i := range 2 { // the second shows that the connection was kept
		asked = time.Now()
		fmt.Fprintf(conn, "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("ping %d: %v", i+1, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("the idle connection ended with %v, want EOF", err)
	}
	if took := time.Since(asked); took < 4*time.Second {
		t.Errorf("closed %v after the last request, want KEEPALIVE's 5 s", took)
	}
}
