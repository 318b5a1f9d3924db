package reference

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t testing.TB, o Options) (*Host, string) {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(func() { http.DefaultClient.CloseIdleConnections(); srv.Close() })
	return h, srv.URL
}

// post returns status and body; the error is for a response that is not whole.
func post(t testing.TB, url, contentType, accept, body string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/invocations", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func TestModelByHand(t *testing.T) {
	for _, c := range []struct {
		fields []string
		want   string
	}{
		{nil, "0.5"}, {[]string{"3", "x", "2"}, "9.5"}, {[]string{"-1.25"}, "-0.75"}, {[]string{"", "1e2"}, "200.5"},
		{[]string{"NaN", "inf", "-Infinity"}, "0.5"}, {[]string{"1e308", "1e308"}, "1.7976931348623157e+308"},
		{[]string{"1e30"}, "1e+30"}, {[]string{"-0.5"}, "0"}, {[]string{"-0.4999999"}, "1.0000000000287557e-07"},
	} {
		got := formatScore(scoreOf(c.fields))
		if got != c.want || !json.Valid([]byte(got)) {
			t.Errorf("score of %q is %s, want %s", c.fields, got, c.want)
		}
	}
}

func TestTypes(t *testing.T) {
	_, url := serve(t, Options{})
	const csv, lines, doc = "text/csv", "application/jsonlines", "application/json"
	for _, c := range []struct {
		in, accept, body string
		status           int
		want             string
	}{
		{csv, "", "3,x,2\n1\n", 200, "9.5\n1.5\n"},
		{csv, csv, "\"a\n\"\"b\",2\r\n7", 200, "4.5\n7.5\n"},
		{csv, doc, "1\n2\n", 200, `{"predictions":[1.5,2.5]}`},
		{csv, doc, "", 200, `{"predictions":[]}`},
		{csv + "; charset=utf-8", "*/*", "1\n", 200, "1.5\n"},
		{lines, "", "{\"a\":3,\"b\":{\"c\":\"x\",\"d\":[2]}}\n\n[1]\n5", 200, "9.5\n1.5\n5.5\n"},
		{lines, csv, "{\"a\":null,\"b\":true,\"c\":1}\n", 200, "3.5\n"},
		{doc, "", `[[3,"x",2],[1]]`, 200, `{"predictions":[9.5,1.5]}`},
		{doc, lines, `{"instances":[{"features":[3,"x",2]},1]}`, 200, "9.5\n1.5\n"},
		{doc, lines, `{"dataframe_split":{"columns":["a","b","c"],"data":[[3,"x",2],[1,null,null]]}}`, 200, "9.5\n1.5\n"},
		{csv, "", "a,\"b\n", 400, ""}, {lines, "", "{", 400, ""}, {lines, "", "1 2", 400, ""}, {doc, "", "{}", 400, ""}, {doc, "", "x", 400, ""},
		{"image/png", "", "x", 415, ""}, {"", "", "x", 415, ""}, {csv, "image/png", "1", 406, ""},
	} {
		status, got, err := post(t, url, c.in, c.accept, c.body)
		if err != nil || status != c.status || (status == 200 && got != c.want) {
			t.Errorf("%s to %s, %q: %d %q, %v; want %d %q", c.in, c.accept, c.body, status, got, err, c.status, c.want)
		}
	}
}

func TestObjectsAndAnswer(t *testing.T) {
	_, url := serve(t, Options{Objects: true})
	if _, got, _ := post(t, url, "application/jsonlines", "", "[1]\n"); got != "{\"score\":1.5}\n" {
		t.Errorf("got %q", got)
	}
	if _, got, _ := post(t, url, "application/jsonlines", "text/csv", "[1]\n"); got != "1.5\n" {
		t.Errorf("got %q", got)
	}
}

func TestCheap(t *testing.T) {
	h, url := serve(t, Options{Cheap: true})
	for body, want := range map[string]string{
		"17,x\n20\r\nabc,5\n,9\n\"3\",1": "0.7\n0.0\n0.0\n0.0\n0.3\n", "": "", "\n\n": "", "{\"id\":42,\"x\":\"\"}\n[8]\n": "0.2\n0.8\n",
	} {
		if status, got, err := post(t, url, "text/csv", "", body); status != 200 || got != want || err != nil {
			t.Errorf("%q: %d %q, %v, want %q", body, status, got, err, want)
		}
	}
	if requests, records := h.Served(); requests != 4 || records != 7 {
		t.Errorf("served %d requests, %d records", requests, records)
	}
}

func TestContract(t *testing.T) {
	_, url := serve(t, Options{ReadyAfter: time.Hour, MaxConcurrent: 3, MaxBody: 5 << 20, Tell: true})
	_, open := serve(t, Options{})
	_, bare := serve(t, Options{Tell: true})
	for _, c := range []struct {
		url    string
		status int
		want   string
	}{
		{url + "/ping", 503, "not ready"}, {open + "/ping", 200, ""}, {open + "/execution-parameters", 404, ""}, {open + "/invocations", 405, ""}, {open + "/x", 404, ""},
		{url + "/execution-parameters", 200, `"MaxConcurrentTransforms":3,"MaxPayloadInMB":5}`}, {bare + "/execution-parameters", 200, `{"BatchStrategy":"MULTI_RECORD"}`},
	} {
		resp, err := http.Get(c.url)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(text), c.want) {
			t.Errorf("%s: %d %q", c.url, resp.StatusCode, text)
		}
	}
	if status, _, _ := post(t, url, "text/csv", "", "1"); status != 503 {
		t.Errorf("before it is ready it answers %d", status)
	}
}

func TestLimits(t *testing.T) {
	_, url := serve(t, Options{MaxBody: 10, BadValue: "poison"})
	for body, want := range map[string]int{"123456789\n": 200, "1234567890\n": 413, "1,poison\n": 500} {
		if status, _, _ := post(t, url, "text/csv", "", body); status != want {
			t.Errorf("%q: %d, want %d", body, status, want)
		}
	}
	var w = httptest.NewRecorder()
	h, _ := New(Options{MaxBody: 10})
	r := httptest.NewRequest(http.MethodPost, "/invocations", bytes.NewReader(make([]byte, 11)))
	r.ContentLength = -1 // as chunked
	h.ServeHTTP(w, r)
	if w.Code != 413 {
		t.Errorf("a long body of unknown length: %d", w.Code)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel() // one of them takes SlowBy
	for kind, check := range map[Fault]func(status int, body string, err error) bool{
		Fault500:      func(s int, _ string, err error) bool { return s == 500 && err == nil },
		Fault503:      func(s int, _ string, err error) bool { return s == 503 && err == nil },
		FaultReset:    func(s int, _ string, err error) bool { return s == 0 && err != nil },
		FaultTruncate: func(s int, _ string, err error) bool { return s == 200 && errors.Is(err, io.ErrUnexpectedEOF) },
		FaultShort:    func(s int, b string, err error) bool { return s == 200 && b == "1.5\n2.5\n" && err == nil },
		FaultGarble:   func(s int, b string, err error) bool { return s == 200 && strings.Count(b, "\n") == 4 && err == nil },
		FaultSlow:     func(s int, b string, err error) bool { return s == 200 && b == "1.5\n2.5\n3.5\n" && err == nil },
	} {
		h, url := serve(t, Options{FaultRate: 1, FaultKinds: []Fault{kind}})
		status, body, err := post(t, url, "text/csv", "", "1\n2\n3\n")
		if !check(status, body, err) {
			t.Errorf("%s: %d %q, %v", kind, status, body, err)
		}
		if _, records := h.Served(); (kind == FaultSlow) != (records == 3) {
			t.Errorf("%s counts %d records as answered", kind, records)
		}
	}
}

func TestFaultsRepeat(t *testing.T) {
	draw := func(seed uint64) (s string) {
		h, err := New(Options{FaultRate: 0.5, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			fault, _ := h.draw()
			s += string(fault) + ","
		}
		return s
	}
	if first, again := draw(1), draw(1); first != again || first == draw(2) {
		t.Error("the same seed must give the same faults, another one others")
	}
	for _, f := range Faults() {
		if !strings.Contains(draw(1), string(f)) {
			t.Errorf("%s never came in 200 draws", f)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, o := range []Options{{Latency: -1}, {Jitter: -1}, {PerRecord: -1}, {Growth: -0.1}, {Growth: math.NaN()}, {ReadyAfter: -1}, {MaxConcurrent: -1}, {MaxBody: -1}, {FaultRate: 1.1}, {FaultRate: -1}, {FaultKinds: []Fault{"fire"}}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v passes", o)
		}
	}
}

func BenchmarkCheap(b *testing.B) {
	payload := []byte(strings.Repeat("123456,0.25,-1.5,abc,2.125,7\n", 1000))
	var out bytes.Buffer
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		out.Reset()
		if n := cheap(&out, payload, false); n != 1000 {
			b.Fatal("counted " + strconv.Itoa(n))
		}
	}
}
