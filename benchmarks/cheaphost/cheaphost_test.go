package cheaphost

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAnswer(t *testing.T) {
	tests := []struct {
		name, body string
		quoted     bool
		want       string
		fails      bool
	}{
		{name: "empty"},
		{name: "lines", body: "1,a\n998,b\n", want: "1\n1\n"},
		{name: "no final newline", body: "5\n6", want: "5\n6\n"},
		{name: "blank lines", body: "5\n\n\r\n6\r\n", want: "5\n6\n"},
		{name: "quoted newline", quoted: true, body: "1,\"a\nb\"\n2,\"\"\"\n\"\"\"\n", want: "1\n2\n"},
		{name: "quote left open", quoted: true, body: "1,\"a\nb\n", fails: true},
		{name: "json", body: "{\"id\":12,\"t\":\"a\\\"\"}\n{}\n", want: "12\n0\n"},
		{name: "many digits", body: strings.Repeat("9", 40) + "\n", want: "728\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Answer(nil, []byte(test.body), test.quoted)
			if (err != nil) != test.fails || !test.fails && string(got) != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestContract(t *testing.T) {
	server := httptest.NewServer(Handler())
	defer server.Close()
	tests := []struct {
		method, path, kind, body string
		status                   int
		want                     string
	}{
		{"GET", "/ping", "", "", 200, ""},
		{"GET", "/execution-parameters", "", "", 404, "404 page not found\n"},
		{"POST", "/", "text/csv", "1\n", 404, "404 page not found\n"},
		{"POST", "/invocations", "text/csv", "3,\"\n\"\n4\n", 200, "3\n4\n"},
		{"POST", "/invocations", "application/jsonlines", "{\"id\":3}\n", 200, "3\n"},
		{"POST", "/invocations", "text/csv", "3,\"\n", 400, errBody.Error() + "\n"},
	}
	for _, test := range tests {
		request, err := http.NewRequestWithContext(t.Context(), test.method, server.URL+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", test.kind)
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != test.status || string(body) != test.want {
			t.Errorf("%s %s: %d %q, %v; want %d %q", test.method, test.path, response.StatusCode, body, err, test.status, test.want)
		}
		if test.status == 200 && response.Header.Get("Content-Type") != test.kind && test.kind != "" {
			t.Errorf("%s: answered as %q", test.kind, response.Header.Get("Content-Type"))
		}
	}
}

func TestReadAll(t *testing.T) {
	text := strings.Repeat("0123456789", 5000)
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text)),
		"eof with data": iotest.DataErrReader(strings.NewReader(text)),
	} {
		if got, err := readAll(nil, r); err != nil || string(got) != text {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := readAll(nil, iotest.TimeoutReader(strings.NewReader(text))); err == nil {
		t.Error("a read error was taken for the end")
	}
}
