package arrow

import (
	"encoding/base64"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

// golden reads a stored value. small, types and small.extended were made with
// arrow-go v18.8.0, which also read small.extended and found the schema that
// was meant; the others are from files of parquet-go's tests, as Arrow for C++,
// for Rust and for Python once wrote them.
func golden(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

var goldens = []string{"small", "types", "small.extended", "cpp20", "cpp21", "pyarrow0.15", "rust9"}

// one of each type, in the order of small.extended
var every = []Field{{"prediction", Double}, {"n", Int64}, {"ok", Bool}, {"label", Utf8}, {"vec", Doubles}}

func TestExtend(t *testing.T) {
	small := golden(t, "small")
	tests := []struct {
		name string
		keep []int
		add  []Field
		want []string
	}{
		{"add", nil, []Field{{"prediction", Double}}, []string{
			`field{"id" _ 02 Int{40000000 01} _ many[] many[keyValue{"PARQUET:field_id" "1"}]}`,
			`field{"at" 01 0a Timestamp{0200 "Europe/Berlin"} _ many[] _}`,
			`field{"word" 01 05 Utf8{} dictionary{_ Int{10000000 01} 01 _} many[] _}`,
			`field{"big" 01 14 LargeUtf8{} _ many[] _}`,
			`field{"prediction" 01 03 Float{0200} _ many[] _}`}},
		{"keep", []int{3, 1}, nil, []string{
			`field{"big" 01 14 LargeUtf8{} _ many[] _}`,
			`field{"at" 01 0a Timestamp{0200 "Europe/Berlin"} _ many[] _}`}},
		{"none kept", []int{}, every, []string{
			`field{"prediction" 01 03 Float{0200} _ many[] _}`,
			`field{"n" 01 02 Int{40000000 01} _ many[] _}`,
			`field{"ok" 01 06 Bool{} _ many[] _}`,
			`field{"label" 01 05 Utf8{} _ many[] _}`,
			`field{"vec" 01 0c List{} _ many[field{"element" 01 03 Float{0200} _ many[] _}] _}`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Extend(small, test.keep, test.add)
			if err != nil {
				t.Fatal(err)
			}
			const metadata = ` many[keyValue{"pandas" "{\"index_columns\":[]}"} keyValue{"k" "v"}] _`
			want := `message{0400 01 schema{_ many[` + strings.Join(test.want, " ") + `]` + metadata + `} _ _}`
			if dumped := dump(t, got); dumped != want {
				t.Errorf("got  %s\nwant %s", dumped, want)
			}
		})
	}
}

// The bytes are those that arrow-go was seen to read.
func TestExtendBytes(t *testing.T) {
	got, err := Extend(golden(t, "small"), []int{2, 0}, every)
	if err != nil {
		t.Fatal(err)
	}
	if want := golden(t, "small.extended"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What is kept stays as it was, in values of all writers, with all types.
func TestExtendKeeps(t *testing.T) {
	for _, name := range goldens {
		t.Run(name, func(t *testing.T) {
			value := golden(t, name)
			got, err := Extend(value, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if before, after := dump(t, value), dump(t, got); before != after {
				t.Errorf("got  %s\nwant %s", after, before)
			}
			again, err := Extend(got, nil, nil)
			if err != nil || dump(t, again) != dump(t, value) {
				t.Errorf("extended twice: %v, %s", err, again)
			}
		})
	}
}

func TestExtendIsAligned(t *testing.T) {
	for _, name := range goldens {
		got, err := Extend(golden(t, name), nil, every)
		if err != nil {
			t.Fatal(name, err)
		}
		msg, err := base64.StdEncoding.DecodeString(got)
		if err != nil || len(msg)%8 != 0 {
			t.Fatalf("%s: a message of %d bytes, %v", name, len(msg), err)
		}
		if bad := misaligned(msg[8:]); bad != "" {
			t.Errorf("%s: %s", name, bad)
		}
	}
}

func TestFields(t *testing.T) {
	tests := map[string][]string{
		"small":          {"id", "at", "word", "big"},
		"small.extended": {"word", "id", "prediction", "n", "ok", "label", "vec"},
		"cpp20":          {"id", "int64_array"},
		"cpp21":          {"name", "value"},
		"pyarrow0.15":    {"int64_list", "utf8_list"},
		"rust9":          {"emptylist"},
	}
	for name, want := range tests {
		got, err := Fields(golden(t, name))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

// Older files lack the continuation marker, some writers base64's padding.
func TestOlderForms(t *testing.T) {
	value := golden(t, "small")
	msg, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]string{
		"no marker":  base64.StdEncoding.EncodeToString(msg[4:]),
		"no padding": base64.RawStdEncoding.EncodeToString(msg[4:]),
	}
	want, err := Extend(value, nil, every)
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range forms {
		if got, err := Extend(form, nil, every); err != nil || got != want {
			t.Errorf("%s: %v, got %s, want %s", name, err, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	small := golden(t, "small")
	tests := []struct {
		name, value string
		keep        []int
		add         []Field
		want        string
	}{
		{name: "empty", want: "arrow schema: ends before the length of the message"},
		{name: "not base64", value: "a b", want: "arrow schema: not base64: illegal base64 data at input byte 1"},
		{name: "cut", value: small[:400], want: "arrow schema: holds 292 of the message's 528 bytes"},
		{name: "no message", value: "/////wAAAAA=", want: "arrow schema: a message of 0 bytes"},
		{name: "root outside", value: "/////wgAAAAIAAAAAAAAAA==", want: "arrow schema: byte 0: an offset points to byte 8 of 8"},
		{name: "root backwards", value: "/////wgAAAACAAAAAAAAAA==", want: "arrow schema: byte 0: an offset points to byte 2 of 8"},
		{name: "keep", value: small, keep: []int{4}, want: "arrow schema: field 4 is to be kept and there are 4"},
		{name: "keep negative", value: small, keep: []int{-1}, want: "arrow schema: field -1 is to be kept and there are 4"},
		{name: "type", value: small, add: []Field{{"x", 9}}, want: `arrow schema: field "x" has type 9, which is none`},
		{name: "too large", value: strings.Repeat("A", maxValue+1), want: "arrow schema: 16777217 bytes of base64, more than 16777216"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Extend(test.value, test.keep, test.add)
			if _, ok := errors.AsType[*Error](err); !ok || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
