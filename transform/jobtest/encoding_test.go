package jobtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/workers"
)

// storedAs are encodings, a word that each has, and bytes that each has no character for.
var storedAs = []struct {
	name   string
	enc    encoding.Encoding
	word   string
	bad    string
	marked bool // a byte order mark tells the encoding; the name is not needed
}{
	{"latin1", charmap.ISO8859_1, "Orléans", "", false},
	{"windows-1252", charmap.Windows1252, "5 €", "\x81", false},
	{"utf-16le", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "文😀", "\x3d\xd8", false},
	{"utf-16", unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "文😀", "\xdc\x00", true},
	{"utf-16", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "文😀", "\x00\xdc", true},
	{"utf-32", utf32.UTF32(utf32.LittleEndian, utf32.UseBOM), "文😀", "\x00\x00\x11\x00", true},
	{"shift_jis", japanese.ShiftJIS, "日本ｶ", "\xa0", false},
	{"gb18030", simplifiedchinese.GB18030, "中文😀", "\xff", false},
	{"utf-8", encoding.Nop, "é", "\xe9", false},
}

// badHere stands for the bytes without a character, in text.
const badHere = "BAD"

// encodedTexts are objects of each format with the word everywhere, blank lines, a bad
// record, and at last a record that holds badHere. want is the output beside 1s.
func encodedTexts(word string) map[string][2]string {
	return map[string][2]string{
		"csv": {
			"id," + word + "\r\n1,\"" + word + "\n" + word + "\"\r\n\r\n2," + word + "," + word + "\r\n\r\n3," + word + "\r\n4," + word + badHere + "\r\n5," + word + "\r\n",
			"id," + word + ",prediction\r\n1,\"" + word + "\n" + word + "\",1\r\n,,\r\n3," + word + ",1\r\n,,\r\n5," + word + ",1\r\n",
		},
		"jsonl": {
			`{"` + word + `":"` + word + "\"}\n \n{" + word + "\n\n{\"a\":\"" + word + "\"}\n{\"a\":\"" + word + badHere + "\"}\n[\"" + word + "\"]",
			`{"` + word + `":"` + word + "\",\"prediction\":1}\n{\"prediction\":null}\n{\"a\":\"" + word + "\",\"prediction\":1}\n{\"prediction\":null}\n{\"input\":[\"" + word + "\"],\"prediction\":1}\n",
		},
		"lines": {word + "\n\n" + word + "\n" + word + badHere + "\n" + word + "\n", "1\n1\n\n1\n"},
	}
}

// utf8Host is onesHost, and wants payloads of UTF-8.
type utf8Host struct {
	onesHost
	t *testing.T
}

func (h utf8Host) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	if !utf8.Valid(r.Body) {
		h.t.Errorf("a payload is not UTF-8: %q", r.Body)
	}
	resp, err := h.onesHost.Invoke(ctx, r)
	if err == nil && r.ContentType == "text/csv" { // each quoted field holds a line break
		resp.Body = resp.Body[:len(resp.Body)-bytes.Count(r.Body, []byte(`"`))]
	}
	return resp, err
}

// TestEncodings: text of another encoding reaches hosts, outputs and rejects as UTF-8,
// and offsets count in the stored object. What has no character is a reject.
func TestEncodings(t *testing.T) {
	for _, e := range storedAs {
		for in, texts := range encodedTexts(e.word) {
			for _, packed := range []string{"", ".gz"} {
				for _, named := range []bool{true, false} {
					if !named && !e.marked {
						continue
					}
					synctest.Test(t, func(t *testing.T) { checkEncoding(t, e.name, e.enc, e.bad, in, texts, packed, named) })
				}
			}
		}
	}
}

// stored is text as stored, and where each of its lines begins.
func stored(enc encoding.Encoding, text, bad string) ([]byte, map[string]int) {
	place := func(before string) int {
		raw, err := enc.NewEncoder().Bytes([]byte(before))
		if err != nil {
			panic(err)
		}
		return len(raw)
	}
	at := map[string]int{}
	whole := strings.Replace(text, badHere, "", 1)
	raw, _ := enc.NewEncoder().Bytes([]byte(whole))
	mark := 0 // a byte order mark alone
	if first, _ := enc.NewEncoder().Bytes([]byte("a")); len(first) > 0 {
		second, _ := enc.NewEncoder().Bytes([]byte("aa"))
		mark = 2*len(first) - len(second)
	}
	begin := func(i int) int { return max(mark, place(text[:i])) }
	for _, key := range []string{badHere, "2,", "{" + "\n"} {
		if i := strings.Index(text, key); i > 0 {
			at[key] = begin(strings.LastIndexByte(text[:i], '\n') + 1)
		}
	}
	cut := begin(strings.Index(text, badHere))
	return append(append(append([]byte(nil), raw[:cut]...), bad...), raw[cut:]...), at
}

func checkEncoding(t *testing.T, name string, enc encoding.Encoding, bad, in string, texts [2]string, packed string, named bool) {
	what := fmt.Sprintf("%s, %s%s, named %v", name, in, packed, named)
	raw, at := stored(enc, texts[0], bad)
	if bad == "" {
		texts[1] = "" // that record is answered
	}
	if packed != "" {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(raw)
		_ = w.Close()
		raw = b.Bytes()
	}
	media := map[string]string{"csv": "text/csv", "jsonl": "application/jsonlines", "lines": "text/plain"}[in]
	p, out, err := planOf(t, "x."+in+packed, raw, func(s *job.Spec) {
		s.InputFormat, s.ContentType, s.Accept, s.Encoding = in, media, "text/csv", name
		s.MaxRejects = &job.Allowance{Percent: 100, IsShare: true}
		if in == "lines" {
			s.Join = "none"
		}
		if !named {
			s.Encoding = ""
		}
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	res, err := transform.Run(t.Context(), p, workers.Fleet{Hosts: []workers.Host{utf8Host{onesHost{}, t}}}, new(transform.Progress))
	res, err = whole(out, res, err)
	if err != nil || res.Manifest.Objects[0].Status != manifest.Published {
		t.Fatalf("%s: %v, %+v", what, err, res)
	}
	seen := out.Snapshot()
	if got := string(seen["x."+in]); got != texts[1] && bad != "" {
		t.Errorf("%s: output\n%q, want\n%q", what, got, texts[1])
	}
	told := strings.Join(res.Encodings, "; ")
	if marked := strings.Contains(told, "by the byte order mark"); marked != strings.HasPrefix(string(raw), "\xff\xfe") && packed == "" && !strings.HasPrefix(string(raw), "\xfe\xff") {
		t.Errorf("%s: told %q", what, told)
	}
	if named != strings.Contains(told, "read as "+name) {
		t.Errorf("%s: told %q", what, told)
	}
	rejects := 0
	for line := range bytes.Lines(seen[plan.RejectsDir+"/x."+in+packed+".jsonl"]) {
		r, err := manifest.DecodeReject(line)
		if err != nil {
			t.Fatal(err)
		}
		rejects++
		want, ok := at[map[string]string{"ragged": "2,", "bad_encoding": badHere}[r.Reason]]
		if ok && r.Offset != int64(want) || !ok && r.Reason != "invalid_json" {
			t.Errorf("%s: %s at %d, want %d: %s", what, r.Reason, r.Offset, want, r.Message)
		}
		if r.Reason == "bad_encoding" && (!bytes.Contains(r.Data, []byte(bad)) || !strings.Contains(r.Message, " of the stored record (0x") ||
			in != "lines" && !strings.Contains(r.Message, "column ")) {
			t.Errorf("%s: data %q, message %q", what, r.Data, r.Message)
		}
	}
	wantRejects := map[string]int{"csv": 2, "jsonl": 2, "lines": 1}[in]
	if bad == "" {
		wantRejects--
	}
	if rejects != wantRejects {
		t.Errorf("%s: %d rejects, want %d", what, rejects, wantRejects)
	}
}

// TestEncodedToEveryOutput: decoded text becomes every payload and output, and what has
// no character becomes none.
func TestEncodedToEveryOutput(t *testing.T) {
	for in, data := range map[string]string{
		"csv":   "id,k\xf6ln\n1,5 \x80\n2,a\x81\n3,\x93x\x94\n",
		"jsonl": "{\"id\":1,\"k\xf6ln\":\"5 \x80\"}\n{\"id\":2,\"k\xf6ln\":\"a\\n\x81\"}\n{\"id\":3,\"k\xf6ln\":\"\x93x\x94\"}\n",
	} {
		for _, payload := range []string{"text/csv", "application/jsonlines"} {
			for _, output := range []string{"csv", "jsonl", "parquet"} {
				synctest.Test(t, func(t *testing.T) {
					p, out, err := planOf(t, "x."+in, []byte(data), func(s *job.Spec) {
						s.ContentType, s.Accept, s.OutputFormat, s.Encoding = payload, "text/csv", output, "windows-1252"
						s.MaxRejects = &job.Allowance{Percent: 100, IsShare: true}
					})
					if err != nil {
						t.Fatal(err)
					}
					if _, err := transform.Run(t.Context(), p, workers.Fleet{Hosts: []workers.Host{onesHost{}}}, new(transform.Progress)); err != nil {
						t.Fatal(err)
					}
					seen := out.Snapshot()
					got := string(seen["x."+output])
					if output == "parquet" {
						s, err := readParquet(seen["x.parquet"])
						got = fmt.Sprint(s.names, s.rows, err)
					}
					want := map[string]string{
						"csv":     "id,köln,prediction\n1,5 €,1\n,,\n3,“x”,1\n",
						"jsonl":   `{"id":1,"köln":"5 €","prediction":1}` + "\n" + `{"prediction":null}` + "\n" + `{"id":3,"köln":"“x”","prediction":1}` + "\n",
						"parquet": "[id köln prediction] [[n1 s5 € n1] [0 0 0] [n3 s“x” n1]] <nil>",
					}[output]
					rejects := string(seen[plan.RejectsDir+"/x."+in+".jsonl"])
					if got != want || strings.Count(rejects, "\n") != 1 || !strings.Contains(rejects, `"record":2,`) || !strings.Contains(rejects, `"reason":"bad_encoding"`) ||
						!strings.Contains(rejects, "(0x81) is not windows-1252") {
						t.Errorf("%s as %s to %s: %q, want %q, rejects %s", in, payload, output, got, want, rejects)
					}
				})
			}
		}
	}
}
