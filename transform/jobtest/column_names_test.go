package jobtest

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// planOf plans a job over one object.
func planOf(t *testing.T, name string, data []byte, change func(*job.Spec)) (*plan.Plan, *store.Memory, error) {
	in, out := store.NewMemory(), store.NewMemory()
	if err := in.Put(name, data); err != nil {
		t.Fatal(err)
	}
	spec := job.Spec{Input: []string{"mem:in"}, Output: "mem:out", Header: "yes", Join: "input", BatchRecords: 3}
	change(&spec)
	if err := spec.Validate(); err != nil {
		return nil, out, err
	}
	p, err := plan.New(t.Context(), spec, []plan.Source{{Store: in}}, out, nil)
	if err == nil {
		closing(t, p)
	}
	return p, out, err
}

// onesHost answers every line of a payload with 1.
type onesHost struct{}

func (onesHost) Name() string { return "host" }

func (onesHost) Ready(context.Context) (workers.Parameters, error) { return workers.Parameters{}, nil }

func (onesHost) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	lines := bytes.Count(r.Body, []byte("\n"))
	if !bytes.HasSuffix(r.Body, []byte("\n")) {
		lines++
	}
	body := bytes.Repeat([]byte("1\n"), lines)
	if err := r.Reserve(ctx, len(body)); err != nil {
		return workers.Response{}, err
	}
	return workers.Response{Status: 200, ContentType: "text/csv", Body: body}, nil
}

// twins is a Parquet file with two columns called a, and one called b.
func twins(t *testing.T) []byte {
	file := parquetFile(t, []struct {
		A1 string `parquet:"a~1"`
		B  string `parquet:"bbb"`
		A2 string `parquet:"a~2"`
	}{{"x", "y", "z"}}, pq.Compression(&pq.Uncompressed))
	return bytes.ReplaceAll(file, []byte("a~2"), []byte("a~1")) // names of three bytes stay where they are
}

// TestOneNameTwice: where a name can stand once, two columns of one name are
// refused before the start, with the file's name and the cure; elsewhere they pass.
func TestOneNameTwice(t *testing.T) {
	const both = `columns 0 and 2 (counted from 0) are both called "a"`
	for _, c := range []struct {
		payload, out, join, filter, want string
	}{
		{"text/csv", "csv", "input", "", ""},
		{"text/csv", "csv", "none", "", ""},
		{"text/csv", "jsonl", "none", "", ""},
		{"text/csv", "csv", "input", "0,2", ""},
		{"text/csv", "jsonl", "input", "", "joined JSON output"},
		{"text/csv", "parquet", "input", "", "joined Parquet output"},
		{"application/jsonlines", "csv", "input", "", "a JSON payload"},
		{"application/json", "csv", "none", "", "a JSON payload"},
		{"application/x-parquet", "csv", "none", "", "a Parquet payload"},
		{"application/jsonlines", "csv", "input", "a,b", "a JSON payload"},
		{"application/jsonlines", "csv", "input", "0,2", "a JSON payload"},
		{"application/jsonlines", "csv", "input", "0,1", ""},
		{"application/jsonlines", "csv", "input", "1,2", ""},
		{"application/jsonlines", "csv", "input", "b", ""},
		{"application/jsonlines", "csv", "input", "1:", ""},
		{"application/x-parquet", "csv", "input", "1:", ""},
		{"application/jsonlines", "jsonl", "input", "0,1", "joined JSON output"},
	} {
		for _, dedupe := range []bool{false, true} {
			for _, in := range []string{"x.csv", "x.parquet"} {
				data := []byte("a,b,a\nx,y,z\n")
				if in == "x.parquet" {
					data = bytes.ReplaceAll(twins(t), []byte("a~1"), []byte("aaa"))
				}
				filter, want := c.filter, c.want
				if in == "x.parquet" {
					filter = strings.ReplaceAll(strings.ReplaceAll(filter, "a", "aaa"), "b", "bbb")
					if c.payload == "application/x-parquet" {
						continue // columns are copied, names and all
					}
				}
				_, _, err := planOf(t, in, data, func(s *job.Spec) {
					s.ContentType, s.OutputFormat, s.Join, s.InputFilter, s.DedupeNames = c.payload, c.out, c.join, filter, dedupe
				})
				spliced := in == "x.parquet" && c.out == "parquet"
				if dedupe && !spliced {
					want = ""
				}
				if (err == nil) != (want == "") {
					t.Errorf("%s, %+v, dedupe %v: %v", in, c, dedupe, err)
					continue
				}
				if err == nil {
					continue
				}
				named := both
				if in == "x.parquet" {
					named = strings.Replace(both, `"a"`, `"aaa"`, 1)
				}
				if text := err.Error(); !strings.Contains(text, in) || !strings.Contains(text, named) || !strings.Contains(text, want) ||
					transform.ClassOf(err) != job.Usage || !strings.Contains(transform.HintOf(err), "--dedupe-names") {
					t.Errorf("%s, %+v: %v, hint %q", in, c, err, transform.HintOf(err))
				}
			}
		}
	}
}

// TestPickedByIndex: of two columns of one name the index sends the one that is meant.
func TestPickedByIndex(t *testing.T) {
	for _, c := range []struct {
		in, filter, media string
		dedupe            bool
		want              string
	}{
		{"a,b,a\nx,y,z\n", "0,1", "application/jsonlines", false, `{"a":"x","b":"y"}` + "\n"},
		{"a,b,a\nx,y,z\n", "1,2", "application/jsonlines", false, `{"b":"y","a":"z"}` + "\n"},
		{"a,b,a\nx,y,z\n", "-1", "application/jsonlines", false, `{"a":"z"}` + "\n"},
		{"a,b,a\nx,y,z\n", "", "application/jsonlines", true, `{"a":"x","b":"y","a_2":"z"}` + "\n"},
		{"a,a_2,a,a\nw,x,y,z\n", "", "application/jsonlines", true, `{"a":"w","a_2":"x","a_3":"y","a_4":"z"}` + "\n"},
		{"a,,\nx,y,z\n", "", "application/jsonlines", true, `{"a":"x","":"y","column_3":"z"}` + "\n"},
		{"a,b,a\nx,y,z\n", "a_2", "application/jsonlines", true, `{"a_2":"z"}` + "\n"},
		{"0,b,a\nx,y,z\n", "0", "application/jsonlines", false, `{"0":"x"}` + "\n"},
		{"b,0,a\nx,y,z\n", "0", "application/jsonlines", false, `{"0":"y"}` + "\n"}, // a name first
		{"a,b,a\nx,y,z\n", "2,1", "text/csv", false, "z,y\n"},
		{"a,b,a\nx,y,z\n", "2,1", "application/json", false, `[{"b":"y","a":"z"}]`},
	} {
		p, _, err := planOf(t, "x.csv", []byte(c.in), func(s *job.Spec) {
			s.ContentType, s.InputFilter, s.DedupeNames = c.media, c.filter, c.dedupe
		})
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		v, err := transform.DryRun(t.Context(), p)
		if err != nil || string(v.Payload) != c.want {
			t.Errorf("%+v: %v, %q", c, err, v.Payload)
		}
	}
	p, _, err := planOf(t, "x.parquet", twins(t), func(s *job.Spec) { s.InputFilter, s.OutputFormat = "2,bbb", "csv" })
	if err != nil {
		t.Fatal(err)
	}
	if v, err := transform.DryRun(t.Context(), p); err != nil || string(v.Payload) != `{"bbb":"y","a~1":"z"}`+"\n" {
		t.Errorf("Parquet: %v, %q", err, v.Payload)
	}
}

// TestDedupedOutput: --dedupe-names names the columns of outputs too.
func TestDedupedOutput(t *testing.T) {
	for _, c := range []struct {
		name, out string
		data      []byte
		want      string
	}{
		{"x.csv", "csv", []byte("a,b,a\r\nx,y,z\r\n"), "a,b,a_2,prediction\r\nx,y,z,1\r\n"},
		{"x.csv", "csv", []byte("b,\"a\"\nx,y\n"), "b,\"a\",prediction\nx,y,1\n"}, // no name is another
		{"x.csv", "jsonl", []byte("a,b,a\nx,y,z\n"), `{"a":"x","b":"y","a_2":"z","prediction":1}` + "\n"},
		{"x.parquet", "csv", twins(t), "a~1,bbb,a~1_2,prediction\nx,y,z,1\n"},
		{"x.parquet", "jsonl", twins(t), `{"a~1":"x","bbb":"y","a~1_2":"z","prediction":1}` + "\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, out, err := planOf(t, c.name, c.data, func(s *job.Spec) {
				s.ContentType, s.Accept, s.OutputFormat, s.DedupeNames = "application/jsonlines", "text/csv", c.out, true
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transform.Run(t.Context(), p, workers.Fleet{Hosts: []workers.Host{onesHost{}}}, new(transform.Progress)); err != nil {
				t.Fatal(err)
			}
			if got := string(out.Snapshot()["x."+c.out]); got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
		})
	}
}

// TestHeaderIsUnicode: a name that becomes another format's is refused before the
// start, with its column and byte; where it passes, it passes as it is.
func TestHeaderIsUnicode(t *testing.T) {
	const header = "id,stra\xdfe\n1,x\n"
	for _, c := range []struct {
		payload, out, join, filter string
		refused                    bool
	}{
		{"text/csv", "csv", "input", "", false},
		{"text/csv", "csv", "none", "", false},
		{"text/csv", "jsonl", "none", "", false},
		{"text/csv", "jsonl", "input", "", true},
		{"text/csv", "parquet", "input", "", true},
		{"application/jsonlines", "csv", "input", "", true},
		{"application/jsonlines", "csv", "input", "id", false},
		{"application/jsonlines", "csv", "input", "1", true},
		{"application/json", "csv", "none", "", true},
		{"application/x-parquet", "csv", "none", "", true},
	} {
		_, _, err := planOf(t, "x.csv", []byte(header), func(s *job.Spec) {
			s.ContentType, s.OutputFormat, s.Join, s.InputFilter = c.payload, c.out, c.join, c.filter
		})
		if (err != nil) != c.refused {
			t.Errorf("%+v: %v", c, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "x.csv") || !strings.Contains(err.Error(), `column 1 (counted from 0), "stra\xdfe"`) ||
			!strings.Contains(err.Error(), "byte 5 (0xdf) is not UTF-8") || transform.ClassOf(err) != job.Usage || !strings.Contains(transform.HintOf(err), "--encoding")) {
			t.Errorf("%+v: %v, hint %q", c, err, transform.HintOf(err))
		}
	}
}
