package answerlog

import (
	"errors"
	"testing"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/store"
)

// TestBrokenLogStaysBroken: a seal that waited for a commit that failed does not
// try again, and does not make the log whole.
func TestBrokenLogStaysBroken(t *testing.T) {
	out := &tireless{}
	w := NewWriter(out, 0, [tagSize]byte{}, mostGroup)
	w.broken = errRefused
	if err := w.write(nil); !errors.Is(err, errRefused) || out.writes > 0 {
		t.Errorf("error %v after %d writes", err, out.writes)
	}
	if err := w.Seal(); !errors.Is(err, errRefused) {
		t.Errorf("sealed: %v", err)
	}
}

var errRefused = errors.New("refused")

// tireless counts what is tried.
type tireless struct{ writes int }

func (r *tireless) Write(b []byte) (int, error) { r.writes++; return len(b), nil }
func (r *tireless) Sync() error                 { return nil }
func (r *tireless) Truncate(int64) error        { return nil }
func (r *tireless) Close() error                { return nil }

// BenchmarkAnswerLog does for a batch of 1,000 records what a run does for its
// log: rendering the entry, its checksum, appending, and, once in 50 batches,
// the write and the sync of a group on a real disk.
func BenchmarkAnswerLog(b *testing.B) {
	const records = 1000
	disk, err := store.OpenDisk(b.TempDir(), false)
	if err != nil {
		b.Fatal(err)
	}
	out, err := disk.Append(b.Context(), "log", 0)
	if err != nil {
		b.Fatal(err)
	}
	log := NewWriter(out, 0, [tagSize]byte{}, mostGroup)
	batch := Batch{First: 1}
	for range records {
		at := uint32(len(batch.Answers.Data))
		batch.Answers.Data = append(batch.Answers.Data, "0.123\n"...)
		batch.Answers.List = append(batch.Answers.List, formats.Answer{Start: at, End: at + 5, Form: formats.CSVForm})
	}
	b.ReportAllocs()
	n := 0
	var entry []byte
	for b.Loop() {
		entry = AppendEntry(entry[:0], KindAnswers, batch.Append)
		if err := log.Append(func(dst []byte) []byte { return append(dst, entry...) }); err != nil {
			b.Fatal(err)
		}
		if n++; n%50 == 0 {
			if err := log.Commit(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/records, "ns/record")
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
}
