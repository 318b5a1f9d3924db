package jobtest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

func inUTF16(text string) []byte {
	raw, _ := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder().Bytes([]byte(text))
	return raw
}

// TestEncodingIsRefused: what cannot be decoded as it is named is found before anything
// is sent, with the cure.
func TestEncodingIsRefused(t *testing.T) {
	for _, c := range []struct {
		name, data, encoding string
		want                 string // "" is no error
	}{
		{"x.csv", string(inUTF16("id,v\n1,a\n")), "", "say --encoding utf-16le"},
		{"x.jsonl", string(inUTF16("{\"a\":1}\n")), "", "say --encoding utf-16le"},
		{"x", string(inUTF16("{\"a\":1}\n")), "", "say --encoding utf-16le"},
		{"x.csv", string(inUTF16("id,v\n1,a\n")), "utf-16", "utf-16le or utf-16be"},
		{"x.csv", string(inUTF16("id,v\n1,a\n")), "utf-16le", ""},
		{"x", string(inUTF16("{\"a\":1}\n")), "utf-16le", ""},
		{"x.csv", "\xff\xfe" + string(inUTF16("id,v\n1,a\n")), "", ""},
		{"x", "\xff\xfe" + string(inUTF16("{\"a\":1}\n")), "", ""},
		{"x.csv", "\xff\xfe" + string(inUTF16("id,v\n1,a\n")), "latin1", "byte order mark of utf-16le"},
		{"x.csv", "id,v\x81\n1,a\n", "windows-1252", "byte 5 of its header line is not windows-1252"},
		{"x.csv", "id,\xe9\n1,a\n", "utf-8", "byte 4 of its header line is not utf-8"},
		{"x.csv", "id,\xe9\n1,a\n", "", ""},
		{"x.csv", "id,v\n1,a\n", "klingon", `"klingon" is no encoding that is known`},
		{"x.csv", "id,v\n1,a\n", "iso-2022-jp", "iconv"},
	} {
		_, out, err := planOf(t, c.name, []byte(c.data), func(s *job.Spec) { s.Encoding = c.encoding })
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || len(out.Snapshot()) > 0 {
			t.Errorf("%s %q as %q: %v, want %q", c.name, c.data, c.encoding, err, c.want)
		}
	}
	if _, _, err := planOf(t, "x.parquet", twins(t), func(s *job.Spec) { s.Encoding, s.OutputFormat = "latin1", "csv" }); transform.ClassOf(err) != job.Usage {
		t.Errorf("Parquet: %v", err)
	}
}

// TestMarkedObjects: objects of one job may be stored in different ways, as their marks
// say; an object that looks like UTF-16 and has no mark fails alone.
func TestMarkedObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out := store.NewMemory(), store.NewMemory()
		big, _ := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().Bytes([]byte("id,v\n3,é\n"))
		for name, data := range map[string][]byte{
			"a.csv": []byte("id,v\n1,é\n"), "b.csv": append([]byte("\xff\xfe"), inUTF16("id,v\n2,é\n")...), "c.csv": big,
			"d.csv": []byte("\xef\xbb\xbfid,v\n4,é\n"), "e.csv": inUTF16("id,v\n5,e\n"), "f.csv": append([]byte("\xff\xfe"), inUTF16("id,v\n6,é\n")...),
		} {
			if err := in.Put(name, data); err != nil {
				t.Fatal(err)
			}
		}
		spec := job.Spec{Input: []string{"mem:in"}, Output: "mem:out", Header: "yes", Join: "input", BatchRecords: 3}
		res, err := start(t, spec, in, out, onesHost{}, new(transform.Progress))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"1 object decoded from utf-16be, by the byte order mark", "2 objects decoded from utf-16le, by the byte order mark"}
		if fmt.Sprint(res.Encodings) != fmt.Sprint(want) {
			t.Errorf("told %q", res.Encodings)
		}
		for i, name := range []string{"a.csv", "b.csv", "c.csv", "d.csv", "e.csv", "f.csv"} {
			o := res.Manifest.Objects[i]
			if name == "e.csv" {
				if o.Status != manifest.Failed || !strings.Contains(o.Error, "say --encoding utf-16le") {
					t.Errorf("%s: %s, %s", name, o.Status, o.Error)
				}
				continue
			}
			if got, want := string(out.Snapshot()[name]), fmt.Sprintf("id,v,prediction\n%d,é,1\n", i+1); got != want {
				t.Errorf("%s: %q, %s", name, got, o.Error)
			}
		}
	})
}

// TestPlanTellsEncoding: a dry run says how text is decoded.
func TestPlanTellsEncoding(t *testing.T) {
	for encoding, want := range map[string]string{"": "1 object decoded from utf-16le", "utf-16le": "read as utf-16le"} {
		p, _, err := planOf(t, "x.csv", append([]byte("\xff\xfe"), inUTF16("id,v\n1,é\n")...), func(s *job.Spec) { s.Encoding = encoding })
		if err != nil {
			t.Fatal(err)
		}
		v, err := transform.DryRun(t.Context(), p)
		if err != nil || string(v.Payload) != "1,é\n" || !strings.Contains(strings.Join(v.Encodings, ";"), want) {
			t.Errorf("%q: %v, %q, %q", encoding, err, v.Encodings, v.Payload)
		}
	}
}

// TestOffsetsFarIn: offsets are those of the stored object behind many batches, blank
// lines, and a record that is too large to be kept.
func TestOffsetsFarIn(t *testing.T) {
	for name, word := range map[string]string{"windows-1252": "5 €", "shift_jis": "日本ｶ", "utf-16le": "文😀"} {
		synctest.Test(t, func(t *testing.T) {
			text := strings.Repeat("1,"+word+"\n\n", 20_000) + "2," + strings.Repeat(word, 1<<17) + "\n" + strings.Repeat("3,"+word+"\n", 20_000)
			at := len(text)
			text += "4,a,b\n5," + word + "\n"
			encode := func(text string) []byte {
				var raw []byte
				switch name {
				case "utf-16le":
					raw = inUTF16(text)
				case "shift_jis":
					raw, _ = japanese.ShiftJIS.NewEncoder().Bytes([]byte(text))
				default:
					raw, _ = charmap.Windows1252.NewEncoder().Bytes([]byte(text))
				}
				return raw
			}
			p, out, err := planOf(t, "x.csv", encode(text), func(s *job.Spec) {
				s.Encoding, s.Header, s.BatchRecords, s.MaxRecord = name, "no", 1000, 256<<10
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transform.Run(t.Context(), p, workers.Fleet{Hosts: []workers.Host{onesHost{}}}, new(transform.Progress)); err != nil {
				t.Fatal(err)
			}
			want := []int{len(encode(strings.Repeat("1,"+word+"\n\n", 20_000))), len(encode(text[:at]))}
			for line := range bytes.Lines(out.Snapshot()[plan.RejectsDir+"/x.csv.jsonl"]) {
				r, err := manifest.DecodeReject(line)
				if err != nil || len(want) == 0 || r.Offset != int64(want[0]) {
					t.Fatalf("%s: %s at %d, want %v, %v", name, r.Reason, r.Offset, want, err)
				}
				want = want[1:]
			}
			if len(want) > 0 {
				t.Errorf("%s: no rejects at %v", name, want)
			}
		})
	}
}

// latinHost answers each record with café, in a charset.
type latinHost struct {
	onesHost
	media, answer string
}

func (h latinHost) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	resp, err := h.onesHost.Invoke(ctx, r)
	if err != nil {
		return resp, err
	}
	n := bytes.Count(resp.Body, []byte("1"))
	resp.ContentType, resp.Body = h.media, []byte(strings.Repeat(h.answer, n))
	if h.media == "application/json" || strings.HasPrefix(h.media, "application/json;") {
		resp.Body = []byte("[" + strings.TrimSuffix(strings.Repeat(h.answer+",", n), ",") + "]")
	}
	if strings.Contains(h.media, "utf-16") {
		resp.Body = inUTF16(string(resp.Body))
	}
	return resp, r.Reserve(ctx, 8*len(resp.Body))
}

// TestResponseCharset: the charset of a response is honoured, in every format of answers;
// a charset that is not known, or does not fit, makes bad answers that name it.
func TestResponseCharset(t *testing.T) {
	for _, c := range []struct {
		media, answer string
		bad           string // part of the message; "" where café comes out
	}{
		{"application/json; charset=iso-8859-1", "\"caf\xe9\"", ""},
		{"application/json; charset=\"ISO-8859-1\"", "\"caf\xe9\"", ""},
		{"application/json; charset=utf-8", "\"caf\xc3\xa9\"", ""},
		{"application/json; charset=utf-16le", "\"café\"", ""},
		{"application/jsonlines; charset=latin1", "\"caf\xe9\"\n", ""},
		{"text/csv; charset=windows-1252", "caf\xe9\n", ""},
		{"text/csv; charset=utf-16le", "café\n", ""},
		{"text/plain; charset=latin1", "caf\xe9\n", ""},
		{"application/json", "\"caf\xe9\"", "0xe9 is not UTF-8"},
		{"application/json; charset=utf-8", "\"caf\xe9\"", "0xe9 is not UTF-8"},
		{"text/csv", "caf\xe9\n", "0xe9 is not UTF-8, and answers of csv become jsonl"},
		{"text/plain", "caf\xe9\n", "0xe9 is not UTF-8, and answers of lines become jsonl"},
		{"application/json; charset=klingon", "\"caf\xe9\"", `\"klingon\" is no encoding that is known`},
		{"text/csv; charset=utf-16", "caf\xe9\n", "it has no byte order mark"},
		{"text/csv; charset=windows-1252", "caf\x81\n", "0x81 is not windows-1252"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, out, err := planOf(t, "x.jsonl", []byte("{\"a\":1}\n{\"a\":2}\n"), func(s *job.Spec) {
				s.MaxRejects = &job.Allowance{Percent: 100, IsShare: true}
				if strings.HasPrefix(c.media, "text/plain") {
					s.Accept = "text/plain"
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			host := latinHost{media: c.media, answer: c.answer}
			_, err = transform.Run(t.Context(), p, workers.Fleet{Hosts: []workers.Host{host}}, new(transform.Progress))
			seen := out.Snapshot()
			want, rejects := "{\"a\":1,\"prediction\":\"café\"}\n{\"a\":2,\"prediction\":\"café\"}\n", string(seen[plan.RejectsDir+"/x.jsonl.jsonl"])
			if c.bad != "" {
				want = "{\"a\":1,\"prediction\":null}\n{\"a\":2,\"prediction\":null}\n"
			}
			if err != nil || string(seen["x.jsonl"]) != want || strings.Count(rejects, c.bad) < 2 && c.bad != "" || c.bad != "" && strings.Count(rejects, `"reason":"bad_answer"`) != 2 {
				t.Errorf("%s %q: %v\n%s%s", c.media, c.answer, err, seen["x.jsonl"], rejects)
			}
		})
	}
}
