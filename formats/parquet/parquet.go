// Package parquet reads Parquet files as records: typed columns, only the
// columns that a job needs, decoded into batches and rendered row by row on
// demand.
//
// Files are hostile until shown otherwise. No size that a file declares is
// believed: a size is held against the file and against a budget before memory is
// taken, and decoded values are held against what the footer says. For this the
// package decodes pages itself, from the format's own description
// (https://github.com/apache/parquet-format); parquet-go reads its Thrift
// structures and describes its schemas. docs/parquet-go.md says what stood in the
// way of leaving more to parquet-go.
//
// Package text says what a value looks like as text, splice copies column
// chunks, encode writes files, payload speaks Parquet to hosts.
package parquet

import (
	"errors"
	"fmt"
	"io"

	"github.com/batchmill/batchmill/formats"
)

// Defaults of [Options], in bytes. The default of MaxRecord is [formats.DefaultMaxRecord].
const (
	DefaultMaxPage   = 64 << 20
	DefaultMaxFooter = 128 << 20
	DefaultMemory    = 256 << 20
)

// Options bound what a file may ask for. All bounds are in bytes; 0 means the default.
type Options struct {
	// MaxRecord is the most that the decoded values of one record may take.
	// A larger record keeps its place in its batch, and is a flaw.
	MaxRecord int
	// MaxPage is the most that one page or dictionary may take, compressed or
	// decoded. A larger page fails the file.
	MaxPage int
	// MaxFooter is the most that the decoded footer may take.
	MaxFooter int
	// Memory is the most that all that a reader holds may take: for each
	// needed column one page and one dictionary. Batches are not in it.
	Memory int
	// Advice says what to do where the file needs a MaxPage of page bytes, or a
	// Memory of all bytes; the other number is 0. The text ends an error's
	// message. Without Advice the message ends before it.
	Advice func(page, all int64) string
}

// mostPage bounds MaxPage and MaxRecord: spans and ends count in 32 bits.
const mostPage = 1 << 30

// tooSmall is the error of a file that needs more than the options grant.
func (o *Options) tooSmall(what string, page, all int64) error {
	switch {
	case page > mostPage:
		what += "; batchmill reads none that large, write the file with smaller pages"
	case o.Advice != nil:
		what += "; " + o.Advice(page, all)
	}
	return errors.New(what)
}

func (o Options) orDefault() Options {
	set := func(n *int, def int) {
		if *n <= 0 {
			*n = def
		}
	}
	set(&o.MaxRecord, formats.DefaultMaxRecord)
	set(&o.MaxPage, DefaultMaxPage)
	set(&o.MaxFooter, DefaultMaxFooter)
	set(&o.Memory, DefaultMemory)
	o.MaxRecord, o.MaxPage = min(o.MaxRecord, mostPage), min(o.MaxPage, mostPage)
	return o
}

// A FormatError is a file that breaks the format, that asks for more than
// [Options] grant, or that uses a feature that batchmill cannot read.
type FormatError struct {
	Offset  int64  // where in the file, in bytes
	Column  string // the leaf column, its path joined by dots; may be empty
	Message string
}

func (e *FormatError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("byte %d: %s", e.Offset, e.Message)
	}
	return fmt.Sprintf("byte %d: column %q: %s", e.Offset, e.Column, e.Message)
}

// An EncryptedError is a file that cannot be read without keys.
type EncryptedError struct {
	Column string // the encrypted column; empty where the footer is encrypted or signed
}

func (e *EncryptedError) Error() string {
	if e.Column == "" {
		return "the file is encrypted, which batchmill does not read; decrypt it first"
	}
	return fmt.Sprintf("column %q is encrypted, which batchmill does not read; decrypt it first, or leave it out", e.Column)
}

// A SchemaError is a file whose columns are not those of the job's first file.
type SchemaError struct {
	Column  string // the first column, by place, that differs
	Message string
}

func (e *SchemaError) Error() string { return fmt.Sprintf("column %q: %s", e.Column, e.Message) }

// guard turns a panic below the caller into a *FormatError. No code here is
// meant to panic; but a file that breaks parquet-go must not break the job.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = &FormatError{Message: fmt.Sprintf("broken in a way that was not foreseen: %v", p)}
	}
}

// readAt fills p with the bytes at off. Any failure, the end of the source
// included, is a *formats.ReadError: offsets are checked before.
func readAt(src io.ReaderAt, p []byte, off int64) error {
	n, err := src.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil {
		err = errors.New("a short read without an error")
	}
	return &formats.ReadError{Offset: off + int64(n), Err: err}
}
