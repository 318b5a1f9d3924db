//go:build unix

package crashtest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats/compress"
)

// s3Job is a job whose outputs go to S3.
type s3Job struct {
	name    string
	flags   []string
	objects map[string]string
	inS3    bool // the inputs are there too
	exit    int  // of a run to its end
	large   bool // its outputs are uploaded in parts
}

// s3Jobs are as different as what they do to a bucket.
func s3Jobs() []s3Job {
	csv := []string{"--header", "yes", "--join", "input", "--batch-records", "50"}
	return []s3Job{
		{name: "csv", flags: csv, objects: csvObjects(3, 200)},
		{name: "rejects", flags: []string{"--join", "input", "--batch-records", "5", "--max-rejects", "100%"}, objects: jsonObjects(3, 20, 7), exit: 3},
		{name: "many objects", flags: []string{"--header", "yes", "--join", "input", "--batch-records", "3"}, objects: csvObjects(40, 4), inS3: true},
		{name: "gzip", flags: append([]string{"--compression", "gzip", "--input-filter", "id"}, csv...), objects: packed(noise(1, 15_000), compress.Gzip), large: true},
		{name: "parquet spliced", flags: []string{"--join", "input", "--batch-records", "2000", "--input-filter", "id"}, objects: noisyTables(1, 30_000), inS3: true, large: true},
	}
}

// noiseSize is how many random bytes a large job's records have.
const noiseSize = 512

// noise is CSV that no compression makes smaller than 8 MiB.
func noise(objects, records int) map[string]string {
	random := rand.NewChaCha8([32]byte{1})
	text := make([]byte, noiseSize)
	files := map[string]string{}
	for o := range objects {
		var b strings.Builder
		b.WriteString("id,text\n")
		for r := range records {
			_, _ = random.Read(text) // it never fails
			fmt.Fprintf(&b, "#%d;,%s\n", o*100_000+r, base64.StdEncoding.EncodeToString(text))
		}
		files[fmt.Sprintf("o%02d.csv", o)] = b.String()
	}
	return files
}

// noisyTables are Parquet files whose column of noise takes more than 8 MiB.
func noisyTables(objects, records int) map[string]string {
	type row struct {
		ID   string `parquet:"id"`
		Text []byte `parquet:"text"`
	}
	random := rand.NewChaCha8([32]byte{2})
	files := map[string]string{}
	for o := range objects {
		rows := make([]row, records)
		for r := range rows {
			rows[r] = row{fmt.Sprintf("#%d;", o*100_000+r), make([]byte, noiseSize)}
			_, _ = random.Read(rows[r].Text) // it never fails
		}
		var b bytes.Buffer
		if err := pq.Write(&b, rows, pq.MaxRowsPerRowGroup(int64(records+2)/3)); err != nil {
			panic(err)
		}
		files[fmt.Sprintf("o%02d.parquet", o)] = b.String()
	}
	return files
}
