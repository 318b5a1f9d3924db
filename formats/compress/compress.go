// Package compress reads compressed text inputs and writes compressed text
// outputs, as streams and without goroutines.
//
// What is written depends on the content alone: a stream is cut by position
// into frames of [FrameSize] bytes, each compressed for itself. A resumed job
// therefore writes the bytes that an unbroken one would have written. They are
// the same for one build of batchmill; another release or processor
// architecture may compress the same content to other bytes.
//
// The formats: gzip is RFC 1952, zstd is RFC 8878, snappy is the framing format
// of google/snappy (framing_format.txt), lz4 is the LZ4 frame format 1.6
// (lz4_Frame_format.md), bzip2 is what bzip2 1.0 writes.
package compress

import (
	"bufio"
	"strings"
)

// Codec is a way to compress. The zero value is None.
type Codec uint8

const (
	None   Codec = iota // bytes as they are
	Gzip                // .gz
	Zstd                // .zst, .zstd
	Snappy              // .sz, .snappy: framed, not a raw block
	Lz4                 // .lz4: framed; what begins with a legacy frame, which has no end mark, is refused
	Bzip2               // .bz2, reading only
)

// A spec is all that is known of a codec. A nil begin or make is what the
// codec cannot do, or in the case of None has no need of.
type spec struct {
	name  string
	exts  []string // the first one is written; lower case
	begin func(*bufio.Reader, Limits) (decoder, error)
	make  func() (encoder, error)
}

var specs = [...]spec{
	None:   {name: "none"},
	Gzip:   {"gzip", []string{".gz"}, beginGzip, makeGzip},
	Zstd:   {"zstd", []string{".zst", ".zstd"}, beginZstd, makeZstd},
	Snappy: {"snappy", []string{".sz", ".snappy"}, beginSnappy, makeSnappy},
	Lz4:    {"lz4", []string{".lz4"}, beginLz4, makeLz4},
	Bzip2:  {"bzip2", []string{".bz2"}, beginBzip2, nil},
}

// String is the codec's name, as [ByName] takes it.
func (c Codec) String() string { return specs[c].name }

// Ext is the extension that files of the codec get, with its dot; "" for None.
func (c Codec) Ext() string {
	if exts := specs[c].exts; len(exts) > 0 {
		return exts[0]
	}
	return ""
}

// CanWrite tells whether [NewWriter] takes the codec.
func (c Codec) CanWrite() bool { return c == None || specs[c].make != nil }

// ByName finds a codec by its name, those for reading only among them.
func ByName(name string) (Codec, bool) {
	for c := range specs {
		if specs[c].name == name {
			return Codec(c), true
		}
	}
	return None, false
}

// Names are the names of the codecs that can be written, for flags and their
// messages: none first.
func Names() []string {
	var names []string
	for c := range specs {
		if Codec(c).CanWrite() {
			names = append(names, specs[c].name)
		}
	}
	return names
}

// OfFileName tells by its extension, whatever its case, how a file is
// compressed; rest is the name without that extension. A name that is nothing
// but an extension (".gz") is not compressed.
func OfFileName(name string) (c Codec, rest string) {
	low := strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	for c := range specs {
		for _, ext := range specs[c].exts {
			if strings.HasSuffix(low, ext) && len(low) > len(ext) {
				return Codec(c), name[:len(name)-len(ext)]
			}
		}
	}
	return None, name
}
