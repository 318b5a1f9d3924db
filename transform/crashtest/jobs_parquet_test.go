//go:build unix

package crashtest

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform/job"
)

// packedJobs are those with Parquet or compression at one end or both.
func packedJobs() []crashJob {
	everything := &job.Allowance{Percent: 100, IsShare: true}
	csv := job.Spec{Header: "yes", Join: "input", BatchRecords: 10}
	gzip, toParquet := csv, csv
	gzip.Compression = "gzip"
	toParquet.OutputFormat, toParquet.RowGroup = "parquet", 15
	return []crashJob{
		{name: "gzip to gzip", spec: gzip, objects: packed(csvObjects(2, 30), compress.Gzip), values: jointText},
		{name: "jsonl to zstd", spec: job.Spec{Join: "input", BatchRecords: 7, Compression: "zstd"}, objects: jsonObjects(2, 30, 0), values: jointText},
		{name: "parquet spliced", spec: job.Spec{Join: "input", BatchRecords: 7}, objects: tables(2, 40, 0), values: jointTable},
		{name: "parquet left out", spec: job.Spec{Join: "input", OnBad: "skip", BatchRecords: 5, MaxRejects: everything}, objects: tables(2, 20, 7), values: jointTable},
		{name: "csv to parquet", spec: toParquet, objects: csvObjects(2, 40), values: jointTable},
		{name: "parquet to jsonl", spec: job.Spec{Join: "input", OutputFormat: "jsonl", BatchRecords: 7}, objects: tables(2, 40, 0), values: jointText},
	}
}

func packed(objects map[string]string, c compress.Codec) map[string]string {
	files := map[string]string{}
	for name, text := range objects {
		var b bytes.Buffer
		out := compress.NewWriter(&b, c)
		if _, err := io.WriteString(out, text); err != nil {
			panic(err)
		}
		if err := out.Close(); err != nil {
			panic(err)
		}
		files[name+c.Ext()] = b.String()
	}
	return files
}

// tableRow is a row of Parquet input.
type tableRow struct {
	ID   string   `parquet:"id"`
	N    int64    `parquet:"n"`
	Text *string  `parquet:"text,optional,dict"`
	Tags []string `parquet:"tags,list"`
}

// tables are Parquet files of two row groups. No host answers one record of so many; 0 is none.
func tables(objects, records, every int) map[string]string {
	files := map[string]string{}
	for o := range objects {
		var rows []tableRow
		for r := range records {
			row := tableRow{ID: fmt.Sprintf("#%d;", o*10000+r), N: 1 << 60, Tags: []string{"a", "ü"}[:r%3%2]}
			if text := "plain"; every > 0 && r%every == 3 {
				text = poison
				row.Text = &text
			} else if r%4 > 0 {
				row.Text = &text
			}
			rows = append(rows, row)
		}
		var b bytes.Buffer
		if err := pq.Write(&b, rows, pq.MaxRowsPerRowGroup(int64(records+1)/2)); err != nil {
			panic(err)
		}
		files[fmt.Sprintf("o%02d.parquet", o)] = b.String()
	}
	return files
}

// jointTable says what is wrong with a joined output that is Parquet.
func jointTable(data []byte) error {
	rows, err := pq.Read[struct {
		ID         string   `parquet:"id"`
		Prediction *float64 `parquet:"prediction,optional"`
	}](bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	for i, row := range rows {
		id, err := strconv.Atoi(row.ID[1 : len(row.ID)-1])
		if err != nil {
			return err
		}
		if row.Prediction == nil || *row.Prediction != float64(3*id)+0.5 {
			return fmt.Errorf("row %d: record %s has the answer %v", i+1, row.ID, row.Prediction)
		}
	}
	return someRows(len(rows))
}

var jointRecord = regexp.MustCompile(`#(\d+);(?s:[^#]*?)(?:,|:)(\d+)\.50[}\r\n]`)

// jointText is jointTable for text, compressed or not.
func jointText(data []byte) error {
	for _, c := range []compress.Codec{compress.Gzip, compress.Zstd} {
		if text, err := io.ReadAll(compress.NewReader(bytes.NewReader(data), c, compress.Limits{})); err == nil {
			data = text
			break
		}
	}
	found := jointRecord.FindAllSubmatch(data, -1)
	for _, f := range found {
		id, _ := strconv.Atoi(string(f[1]))
		if string(f[2]) != strconv.Itoa(3*id) {
			return fmt.Errorf("record %d has the answer %s.50", id, f[2])
		}
	}
	return someRows(len(found))
}

// someRows: all of them, but those that no host answers.
func someRows(n int) error {
	if !slices.Contains([]int{17, 30, 40}, n) {
		return fmt.Errorf("%d records with an answer", n)
	}
	return nil
}
