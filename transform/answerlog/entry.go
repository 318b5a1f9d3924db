package answerlog

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
)

// A Kind says what the body of an entry holds.
type Kind byte

// The kinds of entries. An entry of JSON holds one value.
const (
	kindGroup   Kind = 'G' // the entry's own offset in the log, and the log's tag: see AppendGroup
	KindJob     Kind = 'J' // JSON, what binds the log to a job: the first entry behind a group's, and again where the job goes on to another limit
	KindObject  Kind = 'O' // JSON, an input and its pin: one entry for each input, in the job's order
	KindAnswers Kind = 'A' // what hosts said about a batch: see Batch.Append
	KindRetried Kind = 'R' // what hosts said about one record in a retry
	KindLayout  Kind = 'W' // JSON, formats.Layout: what the job's first answers settled
	KindIntent  Kind = 'I' // JSON: an object's outputs are complete, and about to get their names
	KindSettled Kind = 'S' // JSON: an object's outputs have their names
	KindAlive   Kind = 'H' // nothing: a run is at work and has nothing to log
	KindRedo    Kind = 'D' // JSON, {}: all outputs are to be made again, from what is logged
	KindDoubt   Kind = 'U' // JSON: a host whose answers may be those to other records
	KindForget  Kind = 'F' // JSON, as a KindJob's: the job begins anew, and the answers before count no more
)

// Sizes in bytes: of what stands before an entry's body, of the entry that
// begins a group, and of the largest body with its kind.
const (
	HeaderSize = 8
	GroupSize  = untagged + tagSize
	maxEntry   = 1 << 30

	untagged = HeaderSize + 1 + 8 // GroupSize in a log without a tag
	// A tag is what the groups of one log have in common: random bytes that no host and no other
	// log knows. By its tag a group is told from bytes that look like one, wherever these stand. The zero
	// tag is that of logs whose groups have none: earlier versions wrote such logs.
	tagSize = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// An Entry is one entry of a log.
type Entry struct {
	Kind   Kind
	Body   []byte // without the kind; valid until the next entry is read
	Offset int64  // where the entry begins in the log, in bytes
	uri    string // of the log
}

// end is where the next entry begins.
func (e *Entry) end() int64 { return e.Offset + HeaderSize + 1 + int64(len(e.Body)) }

// Decode decodes a body of JSON into v.
func (e *Entry) Decode(v any) error { return json.Unmarshal(e.Body, v) }

// Fault is err, which is about e, with the place of e.
func (e *Entry) Fault(err error) error {
	return fmt.Errorf("%s: entry at byte %d: %w", e.uri, e.Offset, err)
}

// A DamageError is a log that does not hold what was written to it.
type DamageError struct {
	URI    string
	Offset int64 // in bytes
	Why    string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s: damaged at byte %d: %s", e.URI, e.Offset, e.Why)
}

// AppendEntry appends to dst an entry of the kind whose body is what body appends.
func AppendEntry(dst []byte, kind Kind, body func([]byte) []byte) []byte {
	at := len(dst)
	dst = body(append(dst, 0, 0, 0, 0, 0, 0, 0, 0, byte(kind)))
	checked := dst[at+HeaderSize:]
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(checked)))
	binary.LittleEndian.PutUint32(dst[at+4:], crc32.Checksum(checked, castagnoli))
	return dst
}

// AppendGroup appends to dst the entry that begins a group at byte at of the log with
// the tag: all before that byte was durable when the group was written. The entry holds its own
// offset, so that a group that bytes were taken from or put before tells that.
func AppendGroup(dst []byte, at int64, tag [tagSize]byte) []byte {
	return AppendEntry(dst, kindGroup, func(dst []byte) []byte {
		if dst = binary.LittleEndian.AppendUint64(dst, uint64(at)); tag == ([tagSize]byte{}) {
			return dst
		}
		return append(dst, tag[:]...)
	})
}

// parseGroup reads the body of an entry that begins a group: where the group was written, in which log.
func parseGroup(body []byte) (at int64, tag [tagSize]byte, ok bool) {
	if len(body) != untagged-HeaderSize-1 && len(body) != GroupSize-HeaderSize-1 {
		return 0, tag, false
	}
	copy(tag[:], body[8:])
	return int64(binary.LittleEndian.Uint64(body)), tag, true
}

// beginsGroup tells whether b, which has [GroupSize] bytes or ends with the log, begins with a group's entry.
func beginsGroup(b []byte) (at int64, tag [tagSize]byte, ok bool) {
	if len(b) < untagged || Kind(b[HeaderSize]) != kindGroup {
		return 0, tag, false
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if n < 1 || HeaderSize+n > int64(len(b)) {
		return 0, tag, false
	}
	if at, tag, ok = parseGroup(b[HeaderSize+1 : HeaderSize+n]); !ok {
		return 0, tag, false
	}
	return at, tag, bytes.HasPrefix(b, AppendGroup(nil, at, tag))
}
