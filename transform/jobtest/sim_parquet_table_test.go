package jobtest

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	pq "github.com/parquet-go/parquet-go"
)

// table is a Parquet file as parquet-go reads it.
type table struct {
	file  *pq.File
	bytes []byte
	paths []string            // of its leaves, in order
	rows  []map[string]string // by path
}

// decodeTable reads a Parquet file. A leaf of a row is its values one after
// another, as KIND:value@level, null as null@level.
func decodeTable(data []byte) (*table, error) {
	file, err := pq.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	t := &table{file: file, bytes: data}
	for _, path := range file.Schema().Columns() {
		t.paths = append(t.paths, strings.Join(path, "."))
	}
	for _, g := range file.RowGroups() {
		if err := t.read(g); err != nil {
			return nil, err
		}
	}
	if int64(len(t.rows)) != file.NumRows() {
		return nil, fmt.Errorf("%d rows, and %d by the footer", len(t.rows), file.NumRows())
	}
	return t, nil
}

func mustDecode(data []byte) *table {
	t, err := decodeTable(data)
	if err != nil {
		panic(err)
	}
	return t
}

func (t *table) read(g pq.RowGroup) error {
	in := g.Rows()
	defer in.Close()
	buffer := make([]pq.Row, 64)
	for {
		n, err := in.ReadRows(buffer)
		for _, row := range buffer[:n] {
			leaves := map[string]string{}
			for _, v := range row {
				path := t.paths[v.Column()]
				leaves[path] += showValue(v)
			}
			t.rows = append(t.rows, leaves)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func showValue(v pq.Value) string {
	text := ""
	switch v.Kind() {
	case pq.Int32, pq.Int64:
		text = strconv.FormatInt(v.Int64(), 10)
	case pq.Double:
		text = strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case pq.Boolean:
		text = strconv.FormatBool(v.Boolean())
	case pq.ByteArray:
		text = string(v.ByteArray())
	}
	return showLeaf(v.IsNull(), v.Kind().String(), text, v.DefinitionLevel())
}

func showLeaf(null bool, kind, text string, level int) string {
	if null {
		return fmt.Sprintf("null@%d ", level)
	}
	return fmt.Sprintf("%s:%s@%d ", kind, text, level)
}

const nullLeaf = "null@0 "

// leaves are the fields of a record of text, as columns.
func (r *tabRow) leaves() map[string]string {
	m := map[string]string{"id": showLeaf(false, "INT64", fmt.Sprint(r.ID), 1), "text": nullLeaf, "x": nullLeaf}
	if r.Text != nil {
		m["text"] = showLeaf(false, "BYTE_ARRAY", *r.Text, 1)
	}
	if r.X != nil {
		m["x"] = showLeaf(false, "DOUBLE", fmt.Sprint(*r.X), 1)
	}
	return m
}
