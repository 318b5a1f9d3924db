// Package compress reads compressed text inputs and writes compressed text
// outputs, as streams and without goroutines.
//
// Compressed bytes depend on the content alone: a stream is cut by position
// into frames of [FrameSize] bytes, each compressed for itself. A resumed job
// therefore writes the bytes that an unbroken job would have written. The
// bytes are the same for one build of batchmill; another release or processor
// architecture may compress the same content to other bytes.
//
// The formats: gzip is RFC 1952, zstd is RFC 8878, snappy is the framing format
// of google/snappy (framing_format.txt), lz4 is the LZ4 frame format 1.6
// (lz4_Frame_format.md), bzip2 is what bzip2 1.0 writes.
package compress

import (
	"bufio"
	"bytes"
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
	exts  []string // the first extension is written; lower case
	magic []string // what a stream begins with, where that is fixed
	begin func(*bufio.Reader, Limits) (decoder, error)
	make  func() (encoder, error)
}

var specs = [...]spec{
	None:   {name: "none"},
	Gzip:   {"gzip", []string{".gz"}, []string{"\x1f\x8b\x08"}, beginGzip, makeGzip},
	Zstd:   {"zstd", []string{".zst", ".zstd"}, []string{"\x28\xb5\x2f\xfd"}, beginZstd, makeZstd},
	Snappy: {"snappy", []string{".sz", ".snappy"}, []string{"\xff\x06\x00\x00sNaPpY"}, beginSnappy, makeSnappy},
	Lz4:    {"lz4", []string{".lz4"}, []string{"\x04\x22\x4d\x18"}, beginLz4, makeLz4},
	Bzip2:  {"bzip2", []string{".bz2"}, nil, beginBzip2, nil},
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

// ByName finds a codec by its name, codecs for reading only among them.
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

// MagicLen is how many first bytes [OfContent] looks at.
const MagicLen = 10

// OfContent tells by its first bytes how data is compressed. Text is none of it: all but
// bzip2 begin with bytes that are no text, and bzip2 with ten that no text begins with.
func OfContent(head []byte) Codec {
	for c := range specs {
		for _, magic := range specs[c].magic {
			if bytes.HasPrefix(head, []byte(magic)) {
				return Codec(c)
			}
		}
	}
	if Skippable(head) { // as pzstd begins its files
		return Zstd
	}
	if len(head) >= MagicLen && string(head[:3]) == "BZh" && string(head[4:MagicLen]) == "1AY&SY" {
		return Bzip2
	}
	return None
}

// Skippable tells whether data begins with a frame that readers of zstd and of lz4 skip
// (RFC 8878, section 3.1.2).
func Skippable(head []byte) bool {
	return len(head) >= 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18"
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
