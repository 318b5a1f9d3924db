package jobtest

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
	"github.com/batchmill/batchmill/workers"
)

// runOnS3 runs a job whose inputs are in a bucket below in/, and whose outputs in memory.
func runOnS3(t *testing.T, b *bucket.Bucket, format string) (*transform.Result, map[string][]byte, error) {
	t.Helper()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(name, value)
	}
	server := httptest.NewServer(b)
	defer server.Close()
	w := smallJob(0, 0)
	w.spec.Input, w.spec.InputFormat, w.spec.S3Endpoint = []string{"s3://bucket/in"}, format, server.URL
	if err := w.spec.Validate(); err != nil {
		t.Fatal(err)
	}
	sources, err := plan.OpenInputs(t.Context(), &w.spec)
	if err != nil {
		return nil, nil, err
	}
	p, err := plan.New(t.Context(), w.spec, sources, w.output, nil)
	if err != nil {
		return nil, nil, err
	}
	defer p.Close()
	res, err := transform.Run(t.Context(), p, workers.Fleet{Hosts: []workers.Host{w.hosts[0]}}, nil)
	res, err = whole(w.output, res, err)
	return res, w.output.Snapshot(), err
}

// recordOf is a line for object number n.
func recordOf(n int) []byte { return fmt.Appendf(nil, `{"id":%d,"text":"good"}`+"\n", n) }

// TestUnreadableObject: an object that is archived, or that the credentials may not read, fails alone, whether it is the
// first or another, and whether its format is known or looked for.
func TestUnreadableObject(t *testing.T) {
	for _, code := range []string{"InvalidObjectState", "AccessDenied"} {
		for _, format := range []string{"", "jsonl"} {
			for at := range 3 {
				b := bucket.New("bucket")
				for i := range 3 {
					b.Put(fmt.Sprintf("in/o%d", i), recordOf(i))
				}
				b.Fault = func(op s3test.Op, key string, _ int) string {
					return map[bool]string{true: code}[op == s3test.Get && key == fmt.Sprintf("in/o%d", at)]
				}
				when := fmt.Sprintf("object %d, %s, format %q", at, code, format)
				res, seen, err := runOnS3(t, b, format)
				if err != nil {
					t.Errorf("%s: %v", when, err)
					continue
				}
				for i, o := range res.Manifest.Objects {
					name := fmt.Sprintf("o%d", i)
					failed := o.Status == manifest.Failed && strings.Contains(o.Error, code) && strings.Contains(o.Error, "s3://bucket/in/"+name) && seen[name] == nil
					if (i == at) != failed || i != at && !bytes.Contains(seen[name], []byte("prediction")) {
						t.Errorf("%s: object %d is %s (%s), visible: %q", when, i, o.Status, o.Error, seen[name])
					}
				}
			}
		}
	}
}

// TestNothingReadable: where no object can be read, the job says why, and nothing is asked.
func TestNothingReadable(t *testing.T) {
	b := bucket.New("bucket")
	b.Put("in/o0", recordOf(0))
	b.Fault = func(op s3test.Op, _ string, _ int) string {
		return map[bool]string{true: "InvalidObjectState"}[op == s3test.Get]
	}
	if _, _, err := runOnS3(t, b, "jsonl"); err == nil || !strings.Contains(err.Error(), "restore it first") {
		t.Errorf("error is %v", err)
	}
}

// TestKeysThatAreNoPaths: each is read, its answers stand under a name of its own, and costs no other.
func TestKeysThatAreNoPaths(t *testing.T) {
	b := bucket.New("bucket")
	want := map[string]string{"in/a/b": "a/b", "in/a//b": "a/%2F/b", "in/../b": "%2E%2E/b", "in//_b": "", "in/a/./b": "a/%2E/b", "in/b/": "b/%2F"}
	n := 0
	for key := range want {
		n++
		b.Put(key, recordOf(n))
	}
	res, seen, err := runOnS3(t, b, "jsonl")
	if err != nil || !res.AllPublished() {
		t.Fatalf("%+v, %v", res, err)
	}
	for _, o := range res.Manifest.Objects {
		name := want[strings.TrimPrefix(o.Input.URI, "s3://bucket/")]
		if name == "" || seen[name] == nil || filepath.Base(o.Output.URI) != filepath.Base(name) || !store.ValidName(name) {
			t.Errorf("%s is in %s, want %s", o.Input.URI, o.Output.URI, name)
		}
	}
	if len(res.Manifest.Objects) != len(want)-1 || res.Manifest.Skipped[0].Sample[0] != "s3://bucket/in//_b" {
		t.Errorf("%d objects, skipped %+v", len(res.Manifest.Objects), res.Manifest.Skipped)
	}
}
