// Package answerlog reads and writes the bytes of an answer log, the only
// checkpoint of a job. The package knows what entries look like. What a job's
// entries mean together is the ledger's business.
//
// A log is a file of entries:
//
//	length  uint32, little endian: bytes of body
//	check   uint32, little endian: CRC32C of body
//	body    one byte of kind, then what the kind holds
//
// A [Writer] writes entries in groups and syncs each group before the next. A group
// begins with an entry that holds its own offset and the log's tag. A tail that was being written
// when a run died is cut off. Anything else that does not check is damage, and a
// [DamageError] with its offset, also where bytes were taken out or put in. Where two entries speak of one record, the newer entry wins.
package answerlog
