package formats

import (
	"bytes"
	"strings"
	"testing"
)

// whole shows each record as its one value.
type whole struct{}

func (whole) Row(b *Batch, i int, r *Row) error {
	r.Reset()
	r.Values = append(r.Values, Value{Kind: String, Text: b.Record(i)})
	return nil
}

func wholes(records ...string) *Batch {
	b := &Batch{Rows: whole{}}
	for _, r := range records {
		b.Data = append(b.Data, r...)
		b.Recs = append(b.Recs, Span{uint32(len(b.Data) - len(r)), uint32(len(b.Data))})
	}
	return b
}

func TestNotUTF8(t *testing.T) {
	for text, want := range map[string]int{
		"": -1, "plain": -1, "é文😀\ufffd": -1, "a\xe9": 1, "é\xff": 2, "\xed\xa0\xbd": 0, "ab\xe2\x82": 2, "\xc0\xaf": 0, "\xf4\x90\x80\x80": 0,
	} {
		if got := NotUTF8([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// TestCheckText finds the records with a value that is not UTF-8, and no others;
// flaws that are known stay.
func TestCheckText(t *testing.T) {
	b := wholes("é\n", "a\xe9b\n", "\ufffd\n", "\xff\n", "\xfe")
	b.AddFlaw(3, ReasonRagged, "x")
	CheckText(b, nil)
	if len(b.Flaws) != 3 || b.Flaw(1) == nil || b.Flaw(3).Reason != ReasonRagged || b.Flaw(4).Reason != ReasonUnicode {
		t.Errorf("flaws %v", b.Flaws)
	}
	if want := "byte 2 (0xe9) is not UTF-8; " + CureNotUTF8; b.Flaw(1).Message != want {
		t.Errorf("message %q", b.Flaw(1).Message)
	}
	b = wholes("\xff\n")
	if CheckText(b, func(int, string) bool { return false }); len(b.Flaws) > 0 {
		t.Errorf("a value that is not wanted: %v", b.Flaws)
	}
}

// BenchmarkCheckText is what the check costs a batch of text that is UTF-8. Its
// yardstick is one copy of the batch.
func BenchmarkCheckText(b *testing.B) {
	for name, line := range map[string]string{"ascii": strings.Repeat("1234.5,", 26) + "plain\n", "accents": strings.Repeat("1234.5,", 26) + "Orléans\n"} {
		batch := wholes(strings.Split(strings.TrimSuffix(strings.Repeat(line+"|", 5000), "|"), "|")...)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(batch.Data)))
			for b.Loop() {
				CheckText(batch, nil)
			}
		})
		b.Run(name+"/copy", func(b *testing.B) {
			b.SetBytes(int64(len(batch.Data)))
			to := bytes.Clone(batch.Data)
			for b.Loop() {
				copy(to, batch.Data)
			}
		})
	}
}
