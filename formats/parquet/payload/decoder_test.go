package payload

import (
	stdjson "encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/parquet"
)

func TestDecode(t *testing.T) {
	type one struct {
		Score *float32 `parquet:"score,optional"`
	}
	type two struct {
		Label string    `parquet:"label"`
		P     []float64 `parquet:"p,list"`
	}
	scores := []one{{new(float32(0.1))}, {nil}, {new(float32(math.Inf(1)))}}
	var many []two
	var long []string
	for i := range 200 {
		many = append(many, two{strings.Repeat("\"", i%3), []float64{float64(i) / 8, 1e300}})
		line, _ := stdjson.Marshal(map[string]any{"label": many[i].Label, "p": many[i].P})
		long = append(long, string(line))
	}
	for _, test := range []struct {
		body []byte
		want []string
	}{
		{fileOf(t, scores), []string{"0.1", "null", `"Infinity"`}},
		{fileOf(t, many), long},
		{fileOf(t, []one{}), nil},
	} {
		list, text, err := Decoder{}.Decode([]formats.Answer{{End: 7}}, test.body, len(test.want))
		if err != nil || len(list) != len(test.want)+1 || list[0].End != 7 {
			t.Fatalf("%d answers, %v", len(list), err)
		}
		answers := formats.Answers{Data: text, List: list[1:]}
		for i, want := range test.want {
			if got := string(answers.Bytes(i)); got != want || answers.List[i].Form != formats.JSONForm {
				t.Errorf("answer %d: %s, want %s", i, got, want)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	type one struct {
		S string `parquet:"s"`
	}
	good := fileOf(t, []one{{"a"}, {"b"}})
	for _, want := range []int{0, 1, 3} {
		list, text, err := Decoder{}.Decode(nil, good, want)
		var count *formats.CountError
		if !errors.As(err, &count) || *count != (formats.CountError{Got: 2, Want: want}) || list != nil || &text[0] != &good[0] {
			t.Errorf("%d wanted: %v, %v", want, list, err)
		}
	}
	for name, body := range map[string][]byte{
		"nothing":   nil,
		"text":      []byte("0.1\n0.2\n"),
		"cut":       good[:len(good)-9],
		"not UTF-8": fileOf(t, []one{{"a"}, {"\xff"}}),
		"too long":  fileOf(t, []one{{strings.Repeat("x", 600)}, {strings.Repeat("y", 600)}}),
	} {
		list, _, err := Decoder{MaxText: 1000}.Decode(nil, body, 2)
		var wrong *formats.SyntaxError
		if !errors.As(err, &wrong) || list != nil || wrong.Message == "" {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

func TestWhole(t *testing.T) {
	good := fileOf(t, randomRows(3))
	if !(Decoder{}).Whole(good) {
		t.Error("a file is not whole")
	}
	for n := range good {
		if (Decoder{}).Whole(good[:n]) {
			t.Errorf("whole with %d bytes of %d", n, len(good))
		}
	}
	if (Decoder{}).Whole([]byte("PAR1\x01\x00\x00\x00PAR1")) {
		t.Error("a footer of one byte in a file of none is whole")
	}
}

// decodeHostile decodes body: it is one of the two errors, or as many answers
// as wanted, each of them JSON.
func decodeHostile(t *testing.T, body []byte) {
	d := Decoder{MaxText: 1 << 20, Options: parquet.Options{Memory: 32 << 20, MaxPage: 1 << 20, MaxRecord: 1 << 20, MaxFooter: 1 << 20}}
	list, text, err := d.Decode(nil, body, 4)
	d.Whole(body)
	var count *formats.CountError
	var wrong *formats.SyntaxError
	if err != nil {
		if !errors.As(err, &count) && !errors.As(err, &wrong) || len(list) > 0 {
			t.Fatalf("%v, and %d answers", err, len(list))
		}
		return
	}
	answers := formats.Answers{Data: text, List: list}
	for i := range list {
		if len(list) != 4 || !stdjson.Valid(answers.Bytes(i)) {
			t.Fatalf("answer %d of %d: %.200s", i, len(list), answers.Bytes(i))
		}
	}
}

// hostileSeeds are good files of four rows.
func hostileSeeds(t testing.TB) [][]byte {
	good := fileOf(t, randomRows(4))
	b, f := batchOf(t, good)
	names := f.Schema().Names
	return [][]byte{
		good, encode(t, b, EncoderConfig{Names: names}, all(4)),
		encode(t, b, EncoderConfig{Names: names, Filter: []string{"many"}}, all(4)), []byte("PAR1\x00\x00\x00\x00PAR1"),
	}
}

// TestBentFiles changes a few bytes at random, and cuts files anywhere.
func TestBentFiles(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, good := range hostileSeeds(t) {
		for range 1500 {
			body := slices.Clone(good)
			for range 1 + r.IntN(3) {
				body[r.IntN(len(body))] = byte(r.Uint32()) >> r.IntN(8)
			}
			decodeHostile(t, body)
		}
		for n := 0; n < len(good); n += 1 + len(good)/200 {
			decodeHostile(t, good[:n])
			decodeHostile(t, append(slices.Clone(good[:n]), good[len(good)-8:]...))
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range hostileSeeds(f) {
		f.Add(seed)
	}
	f.Fuzz(decodeHostile)
}
