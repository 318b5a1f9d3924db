package transform

import (
	"testing"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/store"
)

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
	log := newLogWriter(out, 0)
	p := &place{object: &object{}, work: &work{batch: &formats.Batch{First: 1, Recs: make([]formats.Span, records)}}}
	for i := range records {
		at := uint32(len(p.answers.Data))
		p.answers.Data = append(p.answers.Data, "0.123\n"...)
		p.answers.List = append(p.answers.List, formats.Answer{Start: at, End: at + 5, Form: formats.CSVForm})
		_ = i
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		p.logEntries(nil)
		if err := log.append(p.entries); err != nil {
			b.Fatal(err)
		}
		entries.put(p.entries)
		if n++; n%50 == 0 {
			if err := log.commit(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/records, "ns/record")
	if err := log.close(); err != nil {
		b.Fatal(err)
	}
}
