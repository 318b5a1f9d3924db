package s3

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
)

// termHeaders are the headers that terms become, with what they are in these tests.
var termHeaders = map[string]string{
	"X-Amz-Server-Side-Encryption":                "aws:kms",
	"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "key/1",
	"X-Amz-Acl":           "bucket-owner-full-control",
	"X-Amz-Tagging":       "cost=a+b&team=%C3%BC",
	"X-Amz-Request-Payer": "requester",
}

var someTerms = Terms{Encryption: "aws:kms", KMSKey: "key/1", ACL: "bucket-owner-full-control", Tags: "team=ü,cost=a b", Payer: "requester"}

// TestTerms: every operation that a store has carries the terms that the API takes with it, whatever the
// operation is for: outputs, parts, copies, segments of the log, trial objects, what is removed.
func TestTerms(t *testing.T) {
	makes := slices.Collect(maps.Keys(termHeaders))
	payer := []string{"X-Amz-Request-Payer"}
	want := map[s3test.Op][]string{
		s3test.Put: makes, s3test.CreateUpload: makes, s3test.UploadPart: payer, s3test.CopyPart: payer, s3test.Complete: payer,
		s3test.Abort: payer, s3test.Get: payer, s3test.Head: payer, s3test.List: payer, s3test.ListUploads: payer,
		s3test.Delete: payer, s3test.DeleteMany: payer,
	}
	for _, terms := range []Terms{someTerms, {}} {
		var mu sync.Mutex
		seen := map[s3test.Op]int{}
		b := bucket.New("bucket")
		o := small
		o.Terms = terms
		s := storeOver(o, func(r *http.Request) (*http.Response, error) {
			op, _, key := s3test.Operation(r)
			mu.Lock()
			seen[op]++
			mu.Unlock()
			for name, value := range termHeaders {
				expect := ""
				if terms != (Terms{}) && slices.Contains(want[op], name) {
					expect = value
				}
				if got := r.Header.Get(name); got != expect {
					t.Errorf("%s %s: %s is %q, want %q", op, key, name, got, expect)
				}
			}
			return b.Do(r)
		})
		everyOperation(t, b, s)
		for op := range want {
			if seen[op] == 0 {
				t.Errorf("no request for %s was made", op)
			}
		}
	}
}

// everyOperation makes a store make every kind of request that it has.
func everyOperation(t *testing.T, b *bucket.Bucket, s *Store) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Probe(ctx, "probe"))
	must(s.Reach(ctx, ""))
	b.LeastPart = int(s.o.Part) / 8 * 5
	sources, contents := sourcesIn(b, s)
	for n, data := range [][]byte{[]byte("small"), random(5 * int(s.o.Part))} {
		o, err := s.Create(ctx, []string{"a", "dir/b"}[n], store.Replace)
		must(err)
		_, err = o.Write(data)
		must(err)
		if n == 1 {
			_, err = o.(store.Copier).WriteFrom(contents[0], sources[0], 0)
			must(err)
		}
		must(o.Commit(ctx))
	}
	o, err := s.Create(ctx, "c", store.New)
	must(err)
	_, err = o.Write(random(3 * int(s.o.Part)))
	must(err)
	must(o.Abort())
	log, err := s.Append(ctx, "work/log", 0)
	must(err)
	_, err = log.Write([]byte("an entry"))
	must(err)
	must(log.Sync())
	must(log.Close())
	_, err = s.Stat(ctx, "a")
	must(err)
	_ = read(t, s, "a")
	for _, err := range s.List(ctx, "") {
		must(err)
	}
	for _, err := range s.Clean(ctx, func(string) bool { return true }) {
		must(err)
	}
	must(s.Remove(ctx, "work/log"))
	must(s.Remove(ctx, "dir"))
	must(s.Remove(ctx, "a"))
}

// read reads an object to its end.
func read(t *testing.T, s *Store, name string) string {
	t.Helper()
	r, info, err := s.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data := make([]byte, info.Size)
	if _, err := r.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestOddKeys: keys that are no paths are read under names with codes, and none of them costs another.
// In a store that writes, they are passed over.
func TestOddKeys(t *testing.T) {
	names := map[string]string{
		"a/b": "a/b", "a//b": "a/%2F/b", "/a": "%2F/a", "a/../b": "a/%2E%2E/b", "./a": "%2E/a", "..": "%2E%2E", "a/": "a/%2F",
		"a/%2F/b": "a/%252F/b", "a/%252E%2E/b": "a/%25252E%2E/b", "50%25": "50%25", "%2F2F": "%2F2F", "a///b": "a/%2F/%2F/b", "...": "...",
	}
	b := bucket.New("bucket")
	for key := range names {
		b.Put("out/"+key, []byte("of "+key))
	}
	o := small
	o.OddKeys = true
	s := storeOver(o, b.Do)
	left := len(names)
	for info, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		key := strings.TrimPrefix(s.URI(info.Name), "s3://bucket/out/")
		if names[key] != info.Name || !store.ValidName(info.Name) {
			t.Errorf("key %q has the name %q, want %q", key, info.Name, names[key])
		}
		if got := read(t, s, info.Name); got != "of "+key {
			t.Errorf("%q holds %q", info.Name, got)
		}
		left--
	}
	if left != 0 {
		t.Errorf("%d keys are not listed", left)
	}
	for info, err := range storeOver(small, b.Do).List(t.Context(), "") {
		if err != nil || !store.ValidName(info.Name) || names[info.Name] == "" {
			t.Errorf("in a store that writes: %q, %v", info.Name, err)
		}
	}
}

// TestUnreadableKeys: a key that no request can hold is an error that shows it.
func TestUnreadableKeys(t *testing.T) {
	for _, key := range []string{"\xff\x1b", "a\x00"} {
		b := bucket.New("bucket")
		b.Put("out/"+key, nil)
		o := small
		o.OddKeys = true
		if _, err := names(t.Context(), storeOver(o, b.Do), ""); !errors.Is(err, store.ErrBadName) || !strings.Contains(err.Error(), strconv.Quote("out/"+key)) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

// FuzzOddKeys: every key has a name of its own, which no other key has.
func FuzzOddKeys(f *testing.F) {
	for _, key := range []string{"a//b", "%2F", "%252E%2E/..", "", "/", "%25%25"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		name := nameOf(key)
		if keyOf(name) != key {
			t.Errorf("%q has the name %q, which is of %q", key, name, keyOf(name))
		}
		if readable(key) && !store.ValidName(name) {
			t.Errorf("%q has the name %q", key, name)
		}
		if store.ValidName(key) && nameOf(keyOf(key)) != key && coded.FindString(key) == "" && !strings.Contains(key, "%") {
			t.Errorf("%q is the name of %q", key, keyOf(key))
		}
	})
}

// TestAccessPoint: the ARN of an access point leads to its own host, in its own region, whatever the bucket's name would.
func TestAccessPoint(t *testing.T) {
	const arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/data"
	at, err := Parse("s3://" + arn + "/in/a.csv")
	if want := (Location{Bucket: arn, Key: "in/a.csv"}); at != want || err != nil {
		t.Fatalf("%+v, %v", at, err)
	}
	var hosts, sources []string
	client := s3.New(s3.Options{Credentials: aws.AnonymousCredentials{}, HTTPClient: doer(func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.Host+r.URL.Path)
		sources = append(sources, r.Header.Get("X-Amz-Copy-Source"))
		return reply(r, "<CopyPartResult></CopyPartResult>"), nil
	})}, func(so *s3.Options) { address(so, at.Bucket, Options{}) })
	if _, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &at.Bucket, Key: &at.Key}); err != nil {
		t.Fatal(err)
	}
	if want := "data-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/in/a.csv"; hosts[0] != want {
		t.Errorf("the request went to %s", hosts[0])
	}
	if got := copySource(arn, "in/a.csv"); got != arn+"/object/in/a.csv" || copySource("data", "a") != "data/a" {
		t.Errorf("copies come from %s", got)
	}
	for uri, want := range map[string]Location{
		"s3://" + arn:       {Bucket: arn},
		"s3://" + arn + "/": {Bucket: arn, Folder: true},
		"s3://arn:aws-cn:s3:cn-north-1:123456789012:accesspoint:data/x/": {Bucket: "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint:data", Key: "x", Folder: true},
	} {
		if got, err := Parse(uri); got != want || err != nil || got.String() != uri {
			t.Errorf("%s: %+v, %v", uri, got, err)
		}
	}
	for _, uri := range []string{"s3://arn:aws:s3:::bucket/a", "s3://arn:aws:s3::123456789012:accesspoint/x.mrap/a", "s3://arn:aws:s3-object-lambda:eu-west-1:123456789012:accesspoint/data/a",
		"s3://arn:aws:s3:eu-west-1:1234:accesspoint/data/a", "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint", "s3://arn:evil@host/a"} {
		if got, err := Parse(uri); err == nil || !strings.Contains(err.Error(), "access points") {
			t.Errorf("%s: %+v, %v", uri, got, err)
		}
	}
}

// TestAnonymous: without credentials requests bear no signature, and none is looked for.
func TestAnonymous(t *testing.T) {
	f, s := serve(t, nil, quick)
	signed := false
	f.handler = func(w http.ResponseWriter, r *http.Request) {
		signed = signed || r.Header.Get("Authorization") != ""
		page(w, true, "", "a")
	}
	for _, c := range []struct{ anonymous, keys, signed bool }{{false, true, true}, {true, true, false}, {true, false, false}} {
		signed = false
		o := s.o
		o.Anonymous = c.anonymous
		if !c.keys {
			if err := os.Remove(os.Getenv("AWS_SHARED_CREDENTIALS_FILE")); err != nil {
				t.Fatal(err)
			}
		}
		one, err := Open(context.Background(), Location{Bucket: s.bucket}, o)
		if err == nil {
			err = one.Reach(t.Context(), "")
		}
		if err != nil || signed != c.signed {
			t.Errorf("%+v: signed: %v, %v", c, signed, err)
		}
	}
}
