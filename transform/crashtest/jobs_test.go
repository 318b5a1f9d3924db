//go:build unix

package crashtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/job"
)

// crashJob is one to be killed.
type crashJob struct {
	name    string
	spec    job.Spec // without places
	objects map[string]string
	// before is a run to its end that comes first, and leaves its outputs.
	before *job.Spec
	// retry asks again about the rejects of the run before, of a mended model.
	retry   bool
	latency time.Duration
	// values says what is wrong with an output; nil leaves that to the bytes.
	values func([]byte) error
}

// jobs are as different as what they do to the disk.
func jobs() []crashJob {
	everything := &job.Allowance{Percent: 100, IsShare: true}
	named := job.Spec{Header: "yes", Join: "input", AnswerName: "earlier", BatchRecords: 10}
	placeholders := job.Spec{Join: "input", BatchRecords: 5, MaxRejects: everything}
	list := []crashJob{
		{name: "csv", spec: job.Spec{Header: "yes", Join: "input", BatchRecords: 10}, objects: csvObjects(3, 40)},
		{name: "jsonl", spec: job.Spec{Join: "input", BatchRecords: 7, ContentType: "application/jsonlines"}, objects: jsonObjects(3, 40, 0)},
		{name: "rejects", spec: placeholders, objects: jsonObjects(3, 20, 7)},
		{name: "rejects left out", spec: job.Spec{Join: "none", OnBad: "skip", BatchRecords: 5, MaxRejects: everything}, objects: jsonObjects(2, 20, 7)},
		{name: "held", spec: job.Spec{Join: "input", OnBad: "fail", BatchRecords: 8, MaxRejects: everything}, objects: mostlyGood()},
		{name: "many objects", spec: job.Spec{Join: "input", Header: "yes", BatchRecords: 3}, objects: csvObjects(25, 4)},
		{name: "csv to jsonl", spec: job.Spec{Header: "yes", Join: "input", OutputFormat: "jsonl", BatchRecords: 10}, objects: csvObjects(2, 30)},
		{name: "overwrite", spec: job.Spec{Header: "yes", Join: "input", BatchRecords: 10, Overwrite: true}, objects: csvObjects(3, 20), before: &named},
		{name: "retry rejects", spec: placeholders, objects: jsonObjects(3, 20, 7), before: &placeholders, retry: true},
		{name: "seconds long", spec: job.Spec{Header: "yes", Join: "input", BatchRecords: 5, Concurrency: 2}, objects: csvObjects(1, 100), latency: 200 * time.Millisecond},
	}
	return append(list, packedJobs()...)
}

// csvObjects have quoted line breaks, CRLF and numbers that no float holds.
func csvObjects(objects, records int) map[string]string {
	files := map[string]string{}
	for o := range objects {
		var b strings.Builder
		b.WriteString("id,text,n\n")
		for r := range records {
			text, eol := "plain", "\n"
			if r%5 == 1 {
				text = "\"two\nlines, \"\"quoted\"\"\""
			}
			if r%7 == 2 {
				eol = "\r\n"
			}
			fmt.Fprintf(&b, "#%d;,%s,10000000000000000999%s", o*10000+r, text, eol)
		}
		files[fmt.Sprintf("d%d/o%02d.csv", o%3, o)] = b.String()
	}
	return files
}

// jsonObjects hold, every so many records, one that no host answers and, as
// often, one that is no JSON; none with 0.
func jsonObjects(objects, records, every int) map[string]string {
	files := map[string]string{}
	for o := range objects {
		var b strings.Builder
		for r := range records {
			id := o*10000 + r
			switch {
			case every > 0 && r%every == 3:
				fmt.Fprintf(&b, "{\"id\":\"#%d;\", \"text\":%q}\n", id, poison)
			case every > 0 && r%every == 5:
				fmt.Fprintf(&b, "{\"id\":\"#%d;\", broken\n", id)
			default:
				fmt.Fprintf(&b, "{\"id\":\"#%d;\", \"n\": 1.10, \"text\":\"ü\"}\n", id)
			}
		}
		files[fmt.Sprintf("o%02d.jsonl", o)] = b.String()
	}
	return files
}

// mostlyGood has objects without a reject around one with some.
func mostlyGood() map[string]string {
	files := jsonObjects(4, 24, 0)
	files["o01.jsonl"] = jsonObjects(2, 24, 7)["o01.jsonl"]
	return files
}

// place writes the job's inputs below dir, and gives the spec to run there.
func (j *crashJob) place(t *testing.T, dir, host string) job.Spec {
	t.Helper()
	for name, text := range j.objects {
		path := filepath.Join(dir, "in", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return at(j.spec, dir, host)
}

// at is the spec with its places.
func at(s job.Spec, dir, host string) job.Spec {
	s.Input, s.Output, s.Hosts = []string{filepath.Join(dir, "in")}, filepath.Join(dir, "out"), []string{host}
	if s.Concurrency == 0 {
		s.Concurrency = 2
	}
	return s
}
