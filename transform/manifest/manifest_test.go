package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

const zeroSum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // of no bytes

// sample is a job with an object of every status, that adds up.
func sample() *Manifest {
	m := &Manifest{
		Version: Version, Tool: "batchmill 1.2.3", JobID: "01J8",
		Started:  time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC),
		Finished: time.Date(2026, 3, 1, 10, 0, 7, 500e6, time.UTC),
		Config:   json.RawMessage(`{"on_bad":"fail","batch_records":10000000000000000999}`),
		Identity: json.RawMessage(`{"join":"input"}`),
		Objects: []Object{
			{
				Input:  Input{URI: "in/a<&>.csv", Size: 10, MTime: time.Date(2026, 2, 1, 0, 0, 0, 1, time.UTC)},
				Output: &Output{URI: "out/a.csv", Size: 0, SHA256: zeroSum},
				Status: Published, Counts: Counts{In: 5, Out: 5, Answered: 5}, Requests: 2,
			},
			{
				Input: Input{URI: "in/b.csv", Size: 9, ETag: `"e"`}, Status: Held, Error: "1 reject",
				Counts:  Counts{In: 4, Answered: 3, Rejected: 1},
				Rejects: &Rejects{URI: "out/_rejects/b.csv.jsonl", SHA256: zeroSum}, Requests: 3, Retries: 1,
			},
			{
				Input: Input{URI: "in/c.csv", Size: 9}, Status: Failed, Error: "record 4: read: connection reset",
				Counts: Counts{In: 3, Answered: 1, Rejected: 1}, Requests: 1,
			},
			{
				Input:  Input{URI: "in/d.csv", Size: 7},
				Output: &Output{URI: "out/d.csv", Size: 0, SHA256: zeroSum}, Status: Published, OnBad: "skip",
				Counts:  Counts{In: 3, Out: 2, Answered: 2, Rejected: 1},
				Rejects: &Rejects{URI: "out/_rejects/d.csv.jsonl", SHA256: zeroSum},
			},
		},
		Totals: Totals{Resumed: 2, Seconds: 7.5},
		Hosts:  []Host{{URL: "http://127.0.0.1:8080", Requests: 6, Records: 11, P50: 1.5, P99: 20, Retries: 1}},
	}
	m.Sum()
	return m
}

func TestSampleChecks(t *testing.T) {
	m := sample()
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	want := Totals{Counts: Counts{In: 15, Out: 7, Answered: 11, Rejected: 3}, Requests: 6, Retries: 1, Resumed: 2, Seconds: 7.5}
	if !reflect.DeepEqual(m.Totals, want) {
		t.Errorf("totals %+v, want %+v", m.Totals, want)
	}
}

func TestEncodeIsStableAndReadable(t *testing.T) {
	data, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := sample().Encode()
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("two encodings of one manifest differ (%v)", err)
	}
	for _, want := range []string{
		"{\n  \"version\": 1,\n", "\n}\n", "in/a<&>.csv", "10000000000000000999",
		`"mtime": "2026-02-01T00:00:00.000000001Z"`, `"finished": "2026-03-01T10:00:07.5Z"`, `"output": null`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%q is not in the manifest:\n%s", want, data)
		}
	}
	if !bytes.HasSuffix(data, []byte("}\n")) {
		t.Error("no newline at the end")
	}
	back, err := Decode(iotest.OneByteReader(bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	final, err := back.Encode()
	if err != nil || !bytes.Equal(final, data) {
		t.Errorf("decoded and encoded again (%v):\n%s", err, final)
	}
}

func TestEncodeEmpty(t *testing.T) {
	data, err := new(Manifest).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"version": 1`, `"objects": []`, `"hosts": []`, `"config": {}`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in %s", want, data)
		}
	}
	if _, err := (&Manifest{Config: json.RawMessage("{")}).Encode(); err == nil {
		t.Error("a config that is not JSON was encoded")
	}
}

// keysOf is the keys of a JSON object.
func keysOf(t *testing.T, data []byte) (map[string]json.RawMessage, []string) {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m, slices.Sorted(maps.Keys(m))
}

// TestShape holds the keys that scripts rely on: none may go or change its name.
func TestShape(t *testing.T) {
	data, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	top, _ := keysOf(t, data)
	var objects, hosts []json.RawMessage
	for key, list := range map[string]*[]json.RawMessage{"objects": &objects, "hosts": &hosts} {
		if err := json.Unmarshal(top[key], list); err != nil {
			t.Fatal(err)
		}
	}
	object, _ := keysOf(t, objects[3])
	for _, test := range []struct {
		what string
		data []byte
		want string
	}{
		{"manifest", data, "config finished hosts identity job_id objects started tool totals version"},
		{"object", objects[0], "blank_lines error input output records_answered records_in records_out records_rejected rejects requests retries skipped_lines status"},
		{"object of another policy", objects[3], "blank_lines error input on_bad output records_answered records_in records_out records_rejected rejects requests retries skipped_lines status"},
		{"input", object["input"], "size uri"},
		{"output", object["output"], "sha256 size uri"},
		{"rejects", object["rejects"], "sha256 uri"},
		{"totals", top["totals"], "blank_lines records_answered records_in records_out records_rejected records_resumed requests retries seconds skipped_lines"},
		{"host", hosts[0], "ejections hedges limit p50_ms p99_ms records records_per_second requests retries url"},
	} {
		if _, keys := keysOf(t, test.data); strings.Join(keys, " ") != test.want {
			t.Errorf("%s has keys %q, want %q", test.what, strings.Join(keys, " "), test.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"nothing", "", "cut or damaged"},
		{"cut", `{"version":1,"objects":[`, "byte 24"},
		{"other JSON", `{"name":"x"}`, "not a manifest"},
		{"a list", `[1]`, "byte"},
		{"newer", `{"version":2,"objects":{"shape":"unknown"}}`, "version 2"},
		{"wrong type", `{"version":1,"totals":{"records_in":1.5}}`, "records_in"},
		{"number too large", `{"version":1,"totals":{"records_in":9223372036854775808}}`, "records_in"},
		{"two documents", `{"version":1}{"version":1}`, "byte 14"},
	} {
		_, err := Decode(strings.NewReader(test.in))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
	var v *VersionError
	if _, err := Decode(strings.NewReader(`{"version":7}`)); !errors.As(err, &v) || v.Got != 7 {
		t.Errorf("error %v, want a *VersionError of 7", err)
	}
	broken := errors.New("broken")
	in := io.MultiReader(strings.NewReader(`{"version":1}`), iotest.ErrReader(broken))
	if _, err := Decode(in); !errors.Is(err, broken) {
		t.Errorf("a read error was taken for the end: %v", err)
	}
}

func TestDecodeToleratesUnknownKeys(t *testing.T) {
	m, err := Decode(strings.NewReader(`{"version":1,"new":{"x":[1]},"objects":[{"status":"failed","more":2}]}`))
	if err != nil || len(m.Objects) != 1 || m.Objects[0].Status != Failed {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestDocumentedSample: the manifest in the reference page is one that this
// package writes and that adds up.
func TestDocumentedSample(t *testing.T) {
	page, err := os.ReadFile("../../docs/manifest.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(page, []byte("```json\n"))
	text, _, found := bytes.Cut(rest, []byte("```"))
	if !found {
		t.Fatal("no JSON in docs/manifest.md")
	}
	m, err := Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	data, err := m.Encode()
	if err != nil || !bytes.Equal(data, text) {
		t.Errorf("encoded (%v) it reads:\n%s", err, data)
	}
}

// TestSchemas: the schemas name every key of the types, and no other.
func TestSchemas(t *testing.T) {
	defs := schema(t, "manifest")["$defs"].(map[string]any)
	wantKeys(t, "manifest", schema(t, "manifest"), keysOfType(reflect.TypeFor[Manifest]()))
	for name, typ := range map[string]reflect.Type{
		"object": reflect.TypeFor[Object](), "input": reflect.TypeFor[Input](), "output": reflect.TypeFor[Output](),
		"rejects": reflect.TypeFor[Rejects](), "totals": reflect.TypeFor[Totals](), "host": reflect.TypeFor[Host](),
	} {
		wantKeys(t, name, defs[name].(map[string]any), keysOfType(typ))
	}
	_, text := keysOf(t, AppendReject(nil, &Reject{}))
	_, binary := keysOf(t, AppendReject(nil, &Reject{Data: []byte{0xff}}))
	all := slices.Compact(slices.Sorted(slices.Values(append(text, binary...))))
	wantKeys(t, "reject", schema(t, "reject"), all)
	wantKeys(t, "progress", schema(t, "progress"), []string{"bytes", "error", "eta_seconds", "exit_code", "hint", "hosts_up", "in_flight", "listed", "notice",
		"records", "records_per_second", "rejects", "resumed", "retries", "stack", "standstill", "time", "total_bytes", "waiting"})
}

func schema(t *testing.T, name string) map[string]any {
	t.Helper()
	data, err := os.ReadFile("../../docs/" + name + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if s["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("%s: another dialect: %v", name, s["$schema"])
	}
	return s
}

func wantKeys(t *testing.T, name string, schema map[string]any, want []string) {
	t.Helper()
	properties := schema["properties"].(map[string]any)
	if got := slices.Sorted(maps.Keys(properties)); !slices.Equal(got, want) {
		t.Errorf("schema of %s has keys %q, want %q", name, got, want)
	}
	for _, key := range schema["required"].([]any) {
		if !slices.Contains(want, key.(string)) {
			t.Errorf("schema of %s requires %q, which is not written", name, key)
		}
	}
}

// keysOfType is the sorted JSON keys of a struct.
func keysOfType(typ reflect.Type) (keys []string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Anonymous {
			keys = append(keys, keysOfType(f.Type)...)
			continue
		}
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
