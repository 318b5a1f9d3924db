package s3

import (
	"errors"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

func TestParse(t *testing.T) {
	for uri, want := range map[string]Location{
		"s3://data":                {Bucket: "data"},
		"s3://data/":               {Bucket: "data", Folder: true},
		"s3://data/a.csv":          {Bucket: "data", Key: "a.csv"},
		"s3://data/a/b/":           {Bucket: "data", Key: "a/b", Folder: true},
		"s3://Old_Bucket.1/a b%20": {Bucket: "Old_Bucket.1", Key: "a b%20"},
		"s3://data/x?y#z":          {Bucket: "data", Key: "x?y#z"},
		"s3://data/..x/...":        {Bucket: "data", Key: "..x/..."},
	} {
		if got, err := Parse(uri); got != want || err != nil {
			t.Errorf("%q: %+v, %v; want %+v", uri, got, err, want)
		}
	}
	for _, uri := range []string{
		"", "data/a", "S3://data/a", "http://data/a", "s3:/data/a", "s3://", "s3:///a", "s3://ab/x", "s3://a:b@c/x", "s3://..../x",
		"s3://data:80/x", "s3://data?x/y", "s3://" + strings.Repeat("a", 256), "s3://a..b/x", "s3://da ta/x", "s3://dätä/x",
	} {
		if got, err := Parse(uri); err == nil || !strings.Contains(err.Error(), "s3://") && !strings.Contains(err.Error(), "bucket") {
			t.Errorf("%q: %+v, %v", uri, got, err)
		}
	}
	for _, uri := range []string{
		"s3://data//a", "s3://data/a//b", "s3://data/a//", "s3://data/./a", "s3://data/..", "s3://data/../a", "s3://data/a/..", "s3://data/.", "s3://data/\xff", "s3://data/a\x00",
	} {
		if got, err := Parse(uri); !errors.Is(err, store.ErrBadName) {
			t.Errorf("%q: %+v, %v", uri, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("s3://data/a/b/")
	f.Add("s3://data//x")
	f.Fuzz(func(t *testing.T, uri string) {
		l, err := Parse(uri)
		if err != nil {
			return
		}
		if l.String() != uri {
			t.Errorf("%q is %+v, which is %q", uri, l, l.String())
		}
		if l.Key != "" && !store.ValidName(l.Key) {
			t.Errorf("%q has the key %q", uri, l.Key)
		}
	})
}
