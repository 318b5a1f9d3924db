package charset

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	xunicode "golang.org/x/text/encoding/unicode"
	xutf32 "golang.org/x/text/encoding/unicode/utf32"
)

// known are encodings with the library's own encoder, and text that they have.
var known = []struct {
	name string
	enc  encoding.Encoding
	text string
}{
	{"latin1", charmap.ISO8859_1, "Orléans,\u0085ÿ\x00\n"}, {"iso-8859-1", charmap.ISO8859_1, "é\n"}, {"Latin-1", charmap.ISO8859_1, "é"},
	{"windows-1252", charmap.Windows1252, "€5,“q”\r\nš\n"}, {"cp1252", charmap.Windows1252, "€"}, {"windows-1251", charmap.Windows1251, "привет\n"},
	{"koi8-r", charmap.KOI8R, "привет"}, {"ibm037", charmap.CodePage037, "abc,1\né"},
	{"utf-16le", xunicode.UTF16(xunicode.LittleEndian, xunicode.IgnoreBOM), "a,é文😀\n\ufffd\x00"},
	{"utf-16be", xunicode.UTF16(xunicode.BigEndian, xunicode.IgnoreBOM), "a,é文😀\n"},
	{"utf-32le", xutf32.UTF32(xutf32.LittleEndian, xutf32.IgnoreBOM), "a,é文😀\n\U0010ffff"},
	{"utf-32be", xutf32.UTF32(xutf32.BigEndian, xutf32.IgnoreBOM), "a,é文😀\n"},
	{"shift_jis", japanese.ShiftJIS, "日本,ｶﾀ\nabc"}, {"euc-jp", japanese.EUCJP, "日本,ｶﾀ\n"}, {"euc-kr", korean.EUCKR, "한국,1\n"},
	{"gbk", simplifiedchinese.GBK, "中文,1\n"}, {"gb18030", simplifiedchinese.GB18030, "中文,😀\ufffd\n"}, {"big5", traditionalchinese.Big5, "中文,1\n"},
}

func mustFind(t testing.TB, name string) *Encoding {
	e, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestDecodes: text comes back, whatever pieces the stored bytes are read in, and
// every place in it is known as stored.
func TestDecodes(t *testing.T) {
	for _, k := range known {
		text := strings.Repeat(k.text+"plain,1.5\n", 2000)
		raw, err := k.enc.NewEncoder().Bytes([]byte(text))
		if err != nil {
			t.Fatal(k.name, err)
		}
		for name, src := range map[string]io.Reader{"whole": bytes.NewReader(raw), "bytes": iotest.OneByteReader(bytes.NewReader(raw)), "end": iotest.DataErrReader(bytes.NewReader(raw))} {
			got, err := io.ReadAll(NewReader(src, mustFind(t, k.name), 1<<20))
			if err != nil || string(got) != text {
				t.Errorf("%s by %s: %v, %d bytes of %d, %.60q", k.name, name, err, len(got), len(text), got)
			}
		}
		r := NewReader(bytes.NewReader(raw), mustFind(t, k.name), 1<<20)
		if _, err := io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(text); at += 997 { // not every place: the yardstick is slow
			for !utf8.RuneStart(text[at]) {
				at++
			}
			before, _ := k.enc.NewEncoder().Bytes([]byte(text[:at]))
			if got := r.Stored(int64(at)); got != int64(len(before)) {
				t.Fatalf("%s: byte %d of the text stands at %d, want %d", k.name, at, got, len(before))
			}
		}
	}
}

// TestUndecodable: a byte without a character becomes neither U+FFFD nor any other
// character, and the stored bytes can be made again.
func TestUndecodable(t *testing.T) {
	for _, c := range []struct{ name, raw, before string }{
		{"windows-1252", "ab\x81c\n", "ab"}, {"windows-1253", "\xd2x", ""}, {"shift_jis", "a\xa0b\x82\xa0", "a"}, {"shift_jis", "\x80\xa0", "\u0080"}, {"shift_jis", "\x93\xfa\x93", "日"},
		{"euc-kr", "\xc7\xd1\xff1", "한"}, {"gbk", "\xd6\xd0\xff", "中"}, {"gb18030", "\x84\x31\xa4\x37\xff\x84\x31\xa4\x37", "\ufffd"}, {"big5", "a\xff", "a"},
		{"utf-16le", "a\x00\x3d\xd8b\x00", "a"}, {"utf-16le", "a\x00\x00\xdcb\x00", "a"}, {"utf-16le", "a\x00b", "a"}, {"utf-16be", "\x00a\xd8\x3d", "a"},
		{"utf-32le", "a\x00\x00\x00\x00\x00\x11\x00b\x00\x00\x00", "a"}, {"utf-32be", "\x00\x00\x00a\x00\x00\xd8\x00", "a"}, {"utf-32be", "\x00\x00\x00a\x00", "a"},
	} {
		e := mustFind(t, c.name)
		got, err := io.ReadAll(NewReader(strings.NewReader(c.raw), e, 1<<20))
		if err != nil || utf8.Valid(got) || !strings.HasPrefix(string(got), c.before) || utf8.Valid(got[:min(len(c.before)+1, len(got))]) {
			t.Errorf("%s %q: %q, %v", c.name, c.raw, got, err)
		}
		if strings.Count(string(got), "\ufffd") != strings.Count(c.raw, "\x84\x31\xa4\x37") {
			t.Errorf("%s %q: U+FFFD in %q", c.name, c.raw, got)
		}
		if again := e.scheme.encode(nil, got); string(again) != c.raw || e.scheme.width(got) != int64(len(c.raw)) {
			t.Errorf("%s: %q comes back as %q, of %d bytes", c.name, c.raw, again, e.scheme.width(got))
		}
	}
}

// TestAnyBytes: any bytes decode to text and escapes, never to U+FFFD that was not
// there, and one-byte and Unicode encodings give the same bytes back.
func TestAnyBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 20_000 {
		name := known[n%len(known)].name
		raw := make([]byte, r.IntN(40))
		for i := range raw {
			raw[i] = []byte{byte(r.IntN(256)), byte(r.IntN(64)), byte(0x80 + r.IntN(64)), '\n'}[r.IntN(4)]
		}
		e := mustFind(t, name)
		text, taken := e.scheme.decode(nil, raw, true)
		if taken != len(raw) {
			t.Fatalf("%s %q: %d bytes were taken", name, raw, taken)
		}
		if got := e.scheme.encode(nil, text); !bytes.Equal(got, raw) && !strings.ContainsAny(name, "_5gbckr") {
			t.Fatalf("%s %q: comes back as %q", name, raw, got)
		}
		if bytes.Contains(text, []byte("\ufffd")) && !strings.HasPrefix(name, "utf") && !bytes.Contains(raw, genuine) {
			t.Fatalf("%s %q: U+FFFD in %q", name, raw, text)
		}
		var small []byte // by halves
		head := r.IntN(len(raw) + 1)
		small, taken = e.scheme.decode(small, raw[:head], false)
		small, _ = e.scheme.decode(small, raw[taken:], true)
		if !bytes.Equal(small, text) {
			t.Fatalf("%s %q: in two pieces %q, in one %q", name, raw, small, text)
		}
	}
}

func TestFind(t *testing.T) {
	for _, name := range []string{"utf-8", "UTF8", "ascii"} {
		if !mustFind(t, name).Identity() {
			t.Errorf("%s is decoded", name)
		}
	}
	for name, want := range map[string]string{"klingon": "no encoding that is known", "": "no encoding", "iso-2022-jp": "iconv", "hz-gb-2312": "iconv", "replacement": "no encoding"} {
		if _, err := Find(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestDecide(t *testing.T) {
	wide := func(name, text string) string { return string(mustFind(t, name).scheme.encode(nil, []byte(text))) }
	for _, c := range []struct {
		head, named string
		want        string // an encoding, or part of an error
		marked      bool
	}{
		{"", "", "utf-8", false}, {"id,v\n1,a\n", "", "utf-8", false}, {"\xef\xbb\xbfid\n", "", "utf-8", false}, {"a\x00b", "", "utf-8", false}, {"é\xe9", "", "utf-8", false},
		{"\xff\xfe", "", "utf-16le", true}, {"\xff\xfea\x00", "", "utf-16le", true}, {"\xfe\xff\x00a", "", "utf-16be", true},
		{"\xff\xfe\x00\x00a\x00\x00\x00", "", "utf-32le", true}, {"\x00\x00\xfe\xff\x00\x00\x00a", "", "utf-32be", true},
		{wide("utf-16le", "id,v\n1,é\n"), "", "say --encoding utf-16le", false}, {wide("utf-16be", "id,v\n1,文\n"), "", "say --encoding utf-16be", false},
		{wide("utf-32le", "id,v\n1,😀\n"), "", "say --encoding utf-32le", false}, {wide("utf-32be", "id,v\n1,a\n"), "", "say --encoding utf-32be", false},
		{wide("utf-16le", "id,v\n"), "utf-16le", "utf-16le", false}, {"\xff\xfea\x00", "utf-16", "utf-16le", true}, {"\xfe\xff\x00a", "utf-16", "utf-16be", true},
		{"\xff\xfea\x00", "utf-16le", "utf-16le", true}, {"\xff\xfe\x00\x00a\x00\x00\x00", "utf-32", "utf-32le", true},
		{"a\x00b\x00", "utf-16", "utf-16le or utf-16be", false}, {"\xfe\xff\x00a", "utf-16le", "of utf-16be, and is said to be utf-16le", false}, {"\xff\xfea\x00", "latin1", "is said to be latin1", false},
		{"\xef\xbb\xbfid", "latin1", "is said to be latin1", false}, {"\xef\xbb\xbfid", "utf-8", "utf-8", true}, {"id\x81", "windows-1252", "windows-1252", false},
		{"\x00a\x00b\x00c\x00d", "utf-8", "utf-8", false}, {"\x01\x00\x00\x00\x02\x00\x00\x00", "", "utf-8", false}, {"a\x00\x00b\x00\x00", "", "utf-8", false},
		{"0 x\x00y", "", "utf-8", false}, {"0 x\x00y\n", "", "utf-8", false}, {"x\x00y\n", "", "utf-8", false}, {"1,x\x00y\x00\n", "", "utf-8", false},
		{strings.Repeat("1234,x\x00\n", 80)[:HeadLen], "", "utf-8", false}, {wide("utf-16le", strings.Repeat("id,v\n1,文\n", 80))[:HeadLen], "", "say --encoding utf-16le", false},
	} {
		var named *Encoding
		if c.named != "" {
			named = mustFind(t, c.named)
		}
		e, marked, err := decide([]byte(c.head), named)
		if err != nil && (!strings.Contains(err.Error(), c.want) || e != nil) || err == nil && (e.String() != c.want || marked != c.marked) {
			t.Errorf("%q named %q: %v, %v, %v, want %q", c.head, c.named, e, marked, err, c.want)
		}
	}
}

// TestReadErrors: a read error is no end, and the text before it is given.
func TestReadErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, head := range []string{"", "\xff\xfea\x00b", "\xff\xfe" + strings.Repeat("a\x00", 400) + "b", "plain" + strings.Repeat("x", 600)} {
		for _, named := range []*Encoding{nil, mustFind(t, "utf-16")} {
			if named != nil && !strings.HasPrefix(head, "\xff") {
				continue
			}
			r := NewReader(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken)), named, 1<<20)
			got, err := io.ReadAll(r)
			if !errors.Is(err, broken) || !utf8.Valid(got) || len(head) > 0 && len(got) == 0 {
				t.Errorf("%.10q: %q, %v", head, got, err)
			}
		}
	}
}

// TestForgets: memory is bounded where nobody asks for offsets, and the blocks that are
// left tell about where.
func TestForgets(t *testing.T) {
	raw := strings.Repeat("Orl\xe9ans\n", 1<<17) // a MiB
	r := NewReader(strings.NewReader(raw), mustFind(t, "latin1"), 64<<10)
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Fatal(err)
	}
	if held := r.kept + 4*2*blockSize; held > 64<<10+8*blockSize {
		t.Errorf("%d bytes are held", r.kept)
	}
	half := int64(len(raw) / 2)
	if got := r.Stored(half / 8 * 9); got > half || got < half-blockSize {
		t.Errorf("stored at %d, want %d or up to a block less", got, half)
	}
	end := int64(len(raw)) / 8 * 9
	if got := r.Stored(end - 9); got != int64(len(raw))-8 {
		t.Errorf("stored at %d, want %d", got, len(raw)-8)
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		name, raw, want string
		at              int64
	}{
		{"latin1", "caf\xe9", "café", -1}, {"utf-16", "\xff\xfea\x00", "a", -1}, {"utf-16le", "\xff\xfea\x00", "a", -1}, {"utf-16le", "a\x00", "a", -1},
		{"utf-8", "caf\xe9", "caf\xe9", -1}, {"windows-1252", "a\x81", "", 1}, {"utf-16le", "a\x00\x3d\xd8", "", 2}, {"shift_jis", "\x93\xfa\xff", "", 2},
	} {
		text, at, err := mustFind(t, c.name).Text([]byte(c.raw))
		if string(text) != c.want || at != c.at || err != nil {
			t.Errorf("%s %q: %q, %d, %v", c.name, c.raw, text, at, err)
		}
	}
	if _, _, err := mustFind(t, "utf-16").Text([]byte("a\x00")); err == nil {
		t.Error("UTF-16 without a mark has no byte order")
	}
}
