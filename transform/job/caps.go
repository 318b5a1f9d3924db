package job

import "github.com/batchmill/batchmill/formats"

// BatchSize is how many records a batch may have; 0 finds the best number.
// Responses that are written whole make batches show in the output, so there the number is fixed.
func (s *Spec) BatchSize() int {
	if s.BatchRecords == 0 && s.Answers == "per-batch" {
		return DefaultBatchRecords
	}
	return int(s.BatchRecords)
}

// Caps are the bounds of a batch: flags first, then what hosts tell (maxPayload in bytes;
// 0 and false when hosts tell nothing), then the defaults. Caps without a number of
// records mean that the number is to be found.
func (s *Spec) Caps(maxPayload int64, single bool) formats.Caps {
	c := formats.Caps{Records: s.BatchSize(), Bytes: int(s.BatchBytes)}
	if single && s.BatchRecords == 0 {
		c.Records = 1
	}
	if c.Bytes == 0 {
		if maxPayload <= 0 {
			maxPayload = DefaultBatchBytes
		}
		c.Bytes = int(min(maxPayload, int64(s.Memory/4)))
	}
	return c
}
