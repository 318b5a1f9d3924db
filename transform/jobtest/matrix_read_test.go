package jobtest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	pq "github.com/parquet-go/parquet-go"
)

// A sheet is what an independent reader finds in a payload or an output.
type sheet struct {
	names []string // nil where nothing names the columns
	rows  [][]cell
}

// column is the value called name in row i.
func (s *sheet) column(i int, name string) (cell, bool) {
	k := slices.Index(s.names, name)
	if k < 0 || k >= len(s.rows[i]) {
		return cell{}, false
	}
	return s.rows[i][k], true
}

// readCSV reads CSV. Every value is text.
func readCSV(data []byte, header bool) (*sheet, error) {
	r := csv.NewReader(bytes.NewReader(data))
	records, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	s := new(sheet)
	if header && len(records) > 0 {
		s.names, records = records[0], records[1:]
	}
	for _, fields := range records {
		var row []cell
		for _, f := range fields {
			row = append(row, cell{'t', f})
		}
		s.rows = append(s.rows, row)
	}
	return s, nil
}

// readObjects reads JSON Lines of objects that all have the same keys in one order.
func readObjects(lines []json.RawMessage) (*sheet, error) {
	s := new(sheet)
	for _, line := range lines {
		names, row, err := members(line)
		if err != nil {
			return nil, fmt.Errorf("%w in %q", err, line)
		}
		if s.names != nil && !slices.Equal(names, s.names) {
			return nil, fmt.Errorf("keys %q behind %q", names, s.names)
		}
		s.names = names
		s.rows = append(s.rows, row)
	}
	return s, nil
}

// members are the keys and values of an object in its order.
func members(object []byte) (names []string, row []cell, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, fmt.Errorf("no object: %v, %v", t, err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, nil, err
		}
		names, row = append(names, key.(string)), append(row, jsonCell(v))
	}
	return names, row, nil
}

// jsonCell is a JSON value as a cell. Numbers keep their text.
func jsonCell(v json.RawMessage) cell {
	switch text := string(v); text[0] {
	case 'n':
		return cell{kind: '0'}
	case 't', 'f':
		return cell{'b', text}
	case '"':
		var s string
		if json.Unmarshal(v, &s) != nil {
			return cell{'?', text}
		}
		return cell{'s', s}
	case '[', '{':
		var b bytes.Buffer
		if json.Compact(&b, v) != nil {
			return cell{'?', text}
		}
		return cell{'j', b.String()}
	default:
		return cell{'n', text}
	}
}

func jsonLines(data []byte) (lines []json.RawMessage, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var v json.RawMessage
		if err := d.Decode(&v); err == io.EOF {
			if n := bytes.Count(data, []byte("\n")); n != len(lines) {
				return nil, fmt.Errorf("%d values on %d lines", len(lines), n)
			}
			return lines, nil
		} else if err != nil {
			return nil, err
		}
		lines = append(lines, v)
	}
}

// readParquet reads a Parquet file with parquet-go.
func readParquet(data []byte) (*sheet, error) {
	f, err := pq.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	s := new(sheet)
	for _, field := range f.Schema().Fields() {
		s.names = append(s.names, field.Name())
	}
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		if err := s.addRows(rows, f.Schema()); err != nil {
			return nil, err
		}
		if err := rows.Close(); err != nil {
			return nil, err
		}
	}
	if int64(len(s.rows)) != f.NumRows() {
		return nil, fmt.Errorf("%d rows, and the footer says %d", len(s.rows), f.NumRows())
	}
	return s, nil
}

func (s *sheet) addRows(rows pq.Rows, schema *pq.Schema) error {
	for {
		buf := make([]pq.Row, 3)
		n, err := rows.ReadRows(buf)
		for _, row := range buf[:n] {
			var out []cell
			for k, field := range schema.Fields() {
				out = append(out, parquetCell(field, leafValues(row, k)))
			}
			s.rows = append(s.rows, out)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// leafValues are the row's values of leaf k: here every column has one leaf.
func leafValues(row pq.Row, k int) (values []pq.Value) {
	for _, v := range row {
		if v.Column() == k {
			values = append(values, v)
		}
	}
	return values
}

// parquetCell is what a column's values in one row say.
func parquetCell(field pq.Field, values []pq.Value) cell {
	if field.Leaf() {
		return leafCell(field.Type(), values[0])
	}
	leaf := field.Fields()[0].Fields()[0]
	var texts []string
	for _, v := range values {
		switch {
		case v.IsNull() && field.Optional() && v.DefinitionLevel() == 0:
			return cell{kind: '0'}
		case !v.IsNull():
			texts = append(texts, leafCell(leaf.Type(), v).text)
		}
	}
	return cell{'j', "[" + strings.Join(texts, ",") + "]"}
}

func leafCell(typ pq.Type, v pq.Value) cell {
	if v.IsNull() {
		return cell{kind: '0'}
	}
	kind := ""
	if l := typ.LogicalType(); l != nil && l.Value != nil {
		kind = fmt.Sprintf("%T", l.Value)
	}
	switch {
	case strings.HasSuffix(kind, "TimestampType"):
		return cell{'s', time.UnixMicro(v.Int64()).UTC().Format("2006-01-02T15:04:05.999999Z07:00")}
	case strings.HasSuffix(kind, "DecimalType"):
		return cell{'n', hundredths(v.Int64())}
	case strings.HasSuffix(kind, "JsonType"):
		return jsonCell(json.RawMessage(v.ByteArray()))
	case typ.Kind() == pq.Int64 && strings.Contains(typ.String(), "unsigned"), strings.HasPrefix(typ.String(), "UINT"), strings.Contains(typ.String(), "INT(64,false)"):
		return cell{'n', strconv.FormatUint(v.Uint64(), 10)}
	case typ.Kind() == pq.Int64:
		return cell{'n', strconv.FormatInt(v.Int64(), 10)}
	case typ.Kind() == pq.Double:
		return cell{'n', strconv.FormatFloat(v.Double(), 'f', -1, 64)}
	case typ.Kind() == pq.Boolean:
		return cell{'b', strconv.FormatBool(v.Boolean())}
	}
	return cell{'s', string(v.ByteArray())}
}
