package manifest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendReject(t *testing.T) {
	r := Reject{Object: "in/a.csv", Record: 812, Offset: 9007199254740993, Reason: "bad_quote", Status: 422,
		Host: "http://gpu-3:8080", Attempts: 4, Message: "line 1\nline 2\t\x1b[31m", Data: []byte("007,\"a,\"\"b\"\r\n")}
	want := `before {"object":"in/a.csv","record":812,"offset":9007199254740993,"reason":"bad_quote","status":422,` +
		`"host":"http://gpu-3:8080","attempts":4,"message":"line 1\nline 2\t\u001b[31m","data":"007,\"a,\"\"b\"\r\n"}` + "\n"
	if got := string(AppendReject([]byte("before "), &r)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRejectDataComesBackExactly(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, data := range []string{
		"", "plain", "\x00\x01\x1f\x7f", "\"\\/\b\f\n\r\t", "\u0085\u2028\u2029", "ünï\U0001F600", "\ufffd",
		"\ufeffbom", string(all), "\xff", "cut rune \xe2\x82", "\xed\xa0\x80", "<&>",
	} {
		line := AppendReject(nil, &Reject{Record: 1, Data: []byte(data)})
		if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
			t.Errorf("%q: not one line: %q", data, line)
		}
		back, err := DecodeReject(line)
		if err != nil || string(back.Data) != data {
			t.Errorf("%q came back as %q, %v", data, back.Data, err)
		}
		if base64 := bytes.Contains(line, []byte(`"data_base64":`)); base64 == utf8.ValidString(data) {
			t.Errorf("%q: base64 %v: %s", data, base64, line)
		}
	}
}

func TestRejectMessageIsCut(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"fits", strings.Repeat("x", 1024), strings.Repeat("x", 1024)},
		{"one too long", strings.Repeat("x", 1025), strings.Repeat("x", 1024)},
		{"rune at the cut", strings.Repeat("x", 1023) + "é", strings.Repeat("x", 1023)},
		{"rune before the cut", strings.Repeat("x", 1022) + "éé", strings.Repeat("x", 1022) + "é"},
		{"wide runes", strings.Repeat("\U0001F600", 300), strings.Repeat("\U0001F600", 256)},
		{"huge", strings.Repeat("é", 1<<20), strings.Repeat("é", 512)},
		{"not UTF-8", "bad \xff\xfe here", "bad \uFFFD here"},
		{"binary", strings.Repeat("\x80", 1<<20), "\uFFFD"},
	} {
		back, err := DecodeReject(AppendReject(nil, &Reject{Message: test.in}))
		if err != nil || back.Message != test.want {
			t.Errorf("%s: %d bytes, %v, want %d", test.name, len(back.Message), err, len(test.want))
		}
	}
}

func TestDecodeRejectRefuses(t *testing.T) {
	for _, line := range []string{"", "{", "[]", `{"record":"1"}`, `{"data_base64":"*"}`, "{}\n{}\n"} {
		if r, err := DecodeReject([]byte(line)); err == nil {
			t.Errorf("%q was read as %+v", line, r)
		}
	}
}

func FuzzReject(f *testing.F) {
	f.Add("in/a", int64(1), int64(0), "http://h", "message", []byte("data"))
	f.Add("\xff", int64(-1), int64(1<<62), "\x00", strings.Repeat("é", 2000), []byte("\u2028\xe2\x80"))
	f.Fuzz(func(t *testing.T, object string, record, offset int64, host, message string, data []byte) {
		in := Reject{Object: object, Record: record, Offset: offset, Host: host, Message: message, Data: data}
		line := AppendReject(nil, &in)
		if !json.Valid(line) || !utf8.Valid(line) || bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatalf("not one line of JSON: %q", line)
		}
		out, err := DecodeReject(line)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Data, data) || out.Record != record || out.Offset != offset || len(out.Message) > maxMessage {
			t.Fatalf("%+v came back as %+v", in, out)
		}
		for _, text := range []struct{ in, out string }{{object, out.Object}, {host, out.Host}} {
			if utf8.ValidString(text.in) && text.in != text.out {
				t.Fatalf("%q came back as %q", text.in, text.out)
			}
		}
		if again, err := DecodeReject(AppendReject(nil, &out)); err != nil || !reflect.DeepEqual(again, out) {
			t.Fatalf("%+v is not stable: %+v, %v", out, again, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	data, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"objects":[{"output":{}}],"totals":{"seconds":1e308}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		checked := m.Check()
		out, err := m.Encode()
		if err != nil {
			t.Fatalf("decoded, but cannot be encoded: %v", err)
		}
		back, err := Decode(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if again := back.Check(); (checked == nil) != (again == nil) {
			t.Fatalf("check said %v, and after a round trip %v", checked, again)
		}
	})
}
