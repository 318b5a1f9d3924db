package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// plain encodes m in one piece, with nothing but the standard library.
func plain(t *testing.T, m *Manifest) []byte {
	t.Helper()
	c := *m
	if c.Version == 0 {
		c.Version = Version
	}
	if c.Objects == nil {
		c.Objects = []Object{}
	}
	if c.Hosts == nil {
		c.Hosts = []Host{}
	}
	if len(c.Config) == 0 {
		c.Config = json.RawMessage("{}")
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(&c); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// text is something that needs escapes now and then.
func text(rnd *rand.Rand) string {
	parts := []string{"", "a", "in/b.csv", "<&>", "\"", "\\", "\n", "\u2028", "é", "\x00", "},{", `"objects":[`}
	var s string
	for range rnd.IntN(4) {
		s += parts[rnd.IntN(len(parts))]
	}
	return s
}

func random(rnd *rand.Rand) *Manifest {
	when := func() time.Time { return time.Unix(rnd.Int64N(1<<32), rnd.Int64N(1e9)).UTC() }
	m := &Manifest{Version: rnd.IntN(2), Tool: text(rnd), JobID: text(rnd), Started: when(), Finished: when(),
		Totals: Totals{Counts: Counts{In: rnd.Int64()}, Seconds: rnd.Float64()}}
	if rnd.IntN(3) > 0 {
		m.Config = json.RawMessage(`{"b" : [1, {}], "objects":[],"n":10000000000000000999}`)
	}
	if rnd.IntN(2) > 0 {
		m.Identity = json.RawMessage(`"x"`)
	}
	for range rnd.IntN(4) {
		o := Object{Input: Input{URI: text(rnd), Size: rnd.Int64N(1000)}, Status: Status(text(rnd)), Error: text(rnd), OnBad: text(rnd),
			Counts: Counts{In: rnd.Int64(), Rejected: rnd.Int64()}, Requests: rnd.Int64N(9)}
		if rnd.IntN(2) > 0 {
			o.Output, o.Input.MTime = &Output{URI: text(rnd), Size: 5, SHA256: text(rnd)}, when()
		}
		if rnd.IntN(2) > 0 {
			o.Rejects, o.Input.ETag = &Rejects{URI: text(rnd)}, text(rnd)
		}
		m.Objects = append(m.Objects, o)
	}
	for range rnd.IntN(3) {
		m.Hosts = append(m.Hosts, Host{URL: text(rnd), P50: rnd.Float64()})
	}
	return m
}

// TestStreamIsTheSame: whatever a manifest holds, it is written object by
// object as it would be in one piece, and read like that too.
func TestStreamIsTheSame(t *testing.T) {
	for seed := range uint64(500) {
		m := random(rand.New(rand.NewPCG(seed, 1)))
		want := plain(t, m)
		got, err := m.Encode()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("seed %d (%v):\n%s\nwant\n%s", seed, err, got, want)
		}
		var back Manifest
		if err := json.Unmarshal(want, &back); err != nil {
			t.Fatal(err)
		}
		if len(back.Objects) == 0 {
			back.Objects = nil
		}
		read, err := Decode(iotest.HalfReader(bytes.NewReader(got)))
		if err != nil || !reflect.DeepEqual(read, &back) {
			t.Fatalf("seed %d (%v): read\n%+v\nwant\n%+v", seed, err, read, &back)
		}
	}
}

// TestReadKeysInAnyOrder: what jq makes of a manifest is one too, and an
// object's place tells nothing.
func TestReadKeysInAnyOrder(t *testing.T) {
	m := sample()
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(plain(t, m), &keys); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		var parts []string
		for key, value := range keys { // in another order each time
			parts = append(parts, fmt.Sprintf("%q: %s", key, value))
		}
		in := "{" + strings.Join(parts, ",\n") + "}"
		got, err := Decode(strings.NewReader(in))
		if err != nil {
			t.Fatalf("%v\n%s", err, in)
		}
		if err := got.Check(); err != nil || len(got.Objects) != 4 || got.JobID != m.JobID {
			t.Fatalf("%d objects, %v\n%s", len(got.Objects), err, in)
		}
	}
}

func TestReadEnds(t *testing.T) {
	data, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	seen := 0
	_, err = Read(bytes.NewReader(data), func(*Object) error {
		if seen++; seen == 2 {
			return stop
		}
		return nil
	})
	if err != stop || seen != 2 {
		t.Errorf("%d objects, error %v", seen, err)
	}
	for n := range len(data) - 2 { // the last bytes are the brace and the newline
		m, err := Read(bytes.NewReader(data[:n]), func(*Object) error { return nil })
		if err == nil || m != nil || !strings.Contains(err.Error(), "byte") && n > 0 {
			t.Fatalf("cut to %d bytes: %v, %v", n, m, err)
		}
	}
	if m, err := Read(bytes.NewReader(data), nil); err != nil || m.JobID != "01J8" || m.Objects != nil || m.Totals.In != 15 {
		t.Errorf("without its objects: %+v, %v", m, err)
	}
	for _, in := range []string{`{"version":1,"objects":null}`, `{"version":1,"objects":[]}`, `{"version":1}`} {
		if m, err := Decode(strings.NewReader(in)); err != nil || m.Objects != nil {
			t.Errorf("%s: %v, %v", in, m, err)
		}
	}
	for _, in := range []string{`{"version":1,"objects":[],"objects":[]}`, `{"version":1,"objects":{}}`, `{"version":null}`} {
		if m, err := Decode(strings.NewReader(in)); err == nil {
			t.Errorf("%s: %+v", in, m)
		}
	}
}

// endless is a JSON string without an end.
type endless struct{ began bool }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	if !e.began {
		e.began = true
		return copy(p, `{"version":1,"objects":[{"error":"`), nil
	}
	return len(p), nil
}

// TestReadBoundsWhatItHolds: a hostile manifest is refused before it fills the memory.
func TestReadBoundsWhatItHolds(t *testing.T) {
	if _, err := Read(new(endless), nil); err == nil || !strings.Contains(err.Error(), "in one value") {
		t.Errorf("error %v", err)
	}
	// But many objects are no matter, nor what stands between them.
	one := `{"status":"failed","error":"` + strings.Repeat("y", 1<<20) + `"},` + strings.Repeat(" ", 1<<20)
	in := []io.Reader{strings.NewReader(`{"version":1,"objects":[`)}
	for range 20 {
		in = append(in, strings.NewReader(one))
	}
	in = append(in, strings.NewReader(`{}]}`))
	n := 0
	if _, err := Read(io.MultiReader(in...), func(*Object) error { n++; return nil }); err != nil || n != 21 {
		t.Errorf("%d objects, %v", n, err)
	}
}

// TestWriterFails: what cannot be written is an error at once, and at the end at the latest.
func TestWriterFails(t *testing.T) {
	broken := errors.New("broken")
	for n := range 4 {
		w, err := NewWriter(&failing{left: n * 64 << 10, err: broken}, sample())
		for i := 0; i < 2000 && err == nil; i++ {
			err = w.Object(&sample().Objects[0])
		}
		if err == nil {
			err = w.Close(Totals{}, nil)
		}
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n*64<<10, err)
		}
	}
}

type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, f.err
	}
	return len(p), nil
}

// FuzzRead: whatever is read for a manifest, nothing panics; and what is one
// can be written, and read again as the same.
func FuzzRead(f *testing.F) {
	data, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"objects":[null,{"input":{}}],"x":[[{}]],"hosts":null}`))
	f.Add([]byte(`{"objects":[{"output":{"uri":"a"}}],"version":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		_ = m.Check()
		again, err := m.Encode()
		if err != nil {
			return // a time that JSON cannot hold
		}
		back, err := Decode(bytes.NewReader(again))
		if err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		final, err := back.Encode()
		if err != nil || !bytes.Equal(final, again) {
			t.Fatalf("%v\n%s\n%s", err, again, final)
		}
	})
}

// stumbling fails once, at byte at, and would go on if it were asked again.
type stumbling struct {
	r  io.Reader
	at int
}

func (s *stumbling) Read(p []byte) (int, error) {
	if s.at == 0 {
		s.at = -1
		return 0, errStumble
	}
	if s.at > 0 {
		p = p[:min(len(p), s.at)]
	}
	n, err := s.r.Read(p)
	if s.at > 0 {
		s.at -= n
	}
	return n, err
}

var errStumble = errors.New("the connection broke")

// TestReadErrorIsNoDamage: wherever reading fails, the error says so, and
// not that the manifest is bad.
func TestReadErrorIsNoDamage(t *testing.T) {
	m := &Manifest{Tool: "t", JobID: "j", Objects: []Object{{Input: Input{URI: "a"}, Status: Failed, Error: "e"}}}
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for at := range text {
		_, err := Read(&stumbling{bytes.NewReader(text), at}, func(*Object) error { return nil })
		if !errors.Is(err, errStumble) {
			t.Fatalf("failing at byte %d of %d: %v", at, len(text), err)
		}
	}
}
