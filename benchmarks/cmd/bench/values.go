package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
)

// A columnSum is a digest of a column's values in order, nulls among them. How
// they are encoded, compressed and cut into pages and row groups is not in it.
type columnSum struct {
	name string
	sum  [sha256.Size]byte
}

// sameValues compares two Parquet files by their columns.
func sameValues(one, other string) error {
	a, err := sumColumns(one)
	if err != nil {
		return err
	}
	b, err := sumColumns(other)
	if err != nil {
		return err
	}
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			longer := a
			if len(b) > len(a) {
				longer = b
			}
			return fmt.Errorf("%s and %s differ in column %d, %s", one, other, i+1, longer[i].name)
		}
	}
	return nil
}

func sumColumns(name string) ([]columnSum, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(f, stat.Size())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	var all []columnSum
	for i, path := range file.Schema().Columns() {
		column := columnSum{name: fmt.Sprint(path)}
		sum := sha256.New()
		for _, group := range file.RowGroups() {
			if err := sumChunk(sum, group.ColumnChunks()[i]); err != nil {
				return nil, fmt.Errorf("read column %s of %s: %w", column.name, name, err)
			}
		}
		sum.Sum(column.sum[:0])
		all = append(all, column)
	}
	return all, nil
}

func sumChunk(sum hash.Hash, chunk parquet.ColumnChunk) error {
	pages := chunk.Pages()
	defer func() { _ = pages.Close() }() // it was only read
	for {
		page, err := pages.ReadPage()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		err = sumPage(sum, page)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
}

func sumPage(sum hash.Hash, page parquet.Page) error {
	values, some := page.Values(), make([]parquet.Value, 512)
	var text []byte
	for {
		n, err := values.ReadValues(some)
		text = text[:0]
		for _, value := range some[:n] {
			text = appendValue(text, value)
		}
		_, _ = sum.Write(text) // a hash takes everything
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// appendValue appends a value so that no two sequences of values look alike:
// its type (0 for null), its length, its bytes.
func appendValue(dst []byte, value parquet.Value) []byte {
	if value.IsNull() {
		return append(dst, 0)
	}
	dst = append(dst, byte(value.Kind())+1, 0, 0, 0, 0)
	start := len(dst)
	dst = value.AppendBytes(dst)
	binary.LittleEndian.PutUint32(dst[start-4:], uint32(len(dst)-start))
	return dst
}
