package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestCheckEndpoint(t *testing.T) {
	for _, good := range []string{"", "http://127.0.0.1:7070", "https://minio.example.org", "https://host/path", "http://[::1]:9000"} {
		if err := checkEndpoint(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"localhost:9000", "minio", "ftp://host", "https://", "https://user:secret@host", "https://secret@host:x", "https://host?x=secret",
		"https://host#x", "://", "https://host:secret", "file:///etc/secret", "http://h/?token=secret", "http://h/secret?x", "h:80?token=secret",
		"http://h/#secret", "http://user@h/secret", "http:secret", "http:///secret",
	} {
		err := checkEndpoint(bad)
		if err == nil || !strings.Contains(err.Error(), "endpoint") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestPlaces: what the SDK says of other services shows where they are and no more.
func TestPlaces(t *testing.T) {
	for text, want := range map[string]string{
		`Get "http://h:1/a?token=secret": EOF`: `Get "http://h:1": EOF`,
		"https://user:secret@h/x and http://g": "https://h and http://g",
		"https://h:secret":                     "an address",
		"no address, http:// or https":         "no address, http:// or https",
	} {
		if got := places(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestAddress(t *testing.T) {
	for _, test := range []struct {
		endpoint, style, bucket string
		path                    bool
	}{
		{"", "", "data", false}, {"", "auto", "data.set", true}, {"", "", "Data", true}, {"", "", "da_ta", true}, {"", "yes", "data", true}, {"", "no", "data.set", false},
		{"http://127.0.0.1:1", "", "data", true}, {"http://127.0.0.1:1", "no", "data", false},
		{"https://s3.eu-west-1.amazonaws.com", "", "data", false}, {"https://s3.cn-north-1.amazonaws.com.cn", "", "data", false},
		{"https://amazonaws.com.evil.org", "", "data", true}, {"https://evilamazonaws.com", "", "data", true},
	} {
		var so s3.Options
		address(&so, test.bucket, Options{Endpoint: test.endpoint, PathStyle: test.style})
		if so.UsePathStyle != test.path || so.Region != homeRegion {
			t.Errorf("%+v: path style %t, region %q", test, so.UsePathStyle, so.Region)
		}
		if custom := so.RequestChecksumCalculation == aws.RequestChecksumCalculationWhenRequired; custom == amazonHost(test.endpoint) {
			t.Errorf("%+v: checksums only when required: %t", test, custom)
		}
	}
}

func TestNoCredentials(t *testing.T) {
	setKeys(t)
	if err := os.Remove(os.Getenv("AWS_SHARED_CREDENTIALS_FILE")); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Location{Bucket: "data"}, Options{Endpoint: "http://127.0.0.1:1"})
	wantStoreError(t, err, nil)
	if !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") || !strings.Contains(err.Error(), "AWS_PROFILE") {
		t.Error(err)
	}
	t.Setenv("AWS_PROFILE", "nobody")
	_, err = Open(t.Context(), Location{Bucket: "data"}, Options{Endpoint: "http://127.0.0.1:1"})
	wantStoreError(t, err, nil)
	if !strings.Contains(err.Error(), "nobody") {
		t.Error(err)
	}
}

func TestEndpointFromEnvironment(t *testing.T) {
	setKeys(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
	t.Setenv("AWS_MAX_ATTEMPTS", "77")
	s, err := Open(t.Context(), Location{Bucket: "data"}, Options{Attempts: 5})
	if err != nil {
		t.Fatal(err)
	}
	so := s.sdk().Options()
	if aws.ToString(so.BaseEndpoint) != "http://127.0.0.1:1" || !so.UsePathStyle || so.Region != homeRegion || so.Retryer.MaxAttempts() != 5 {
		t.Errorf("endpoint %q, path style %t, region %q, %d attempts", *so.BaseEndpoint, so.UsePathStyle, so.Region, so.Retryer.MaxAttempts())
	}
	for _, endpoint := range []string{"http://user:secret@127.0.0.1:1", "http://127.0.0.1:1/?token=secret", "http://127.0.0.1:1/secret#x"} {
		t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
		_, err = Open(t.Context(), Location{Bucket: "data"}, Options{})
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "http://127.0.0.1:1 ") {
			t.Errorf("endpoint %s: %v", endpoint, err)
		}
	}
}

// TestFindRegion: Amazon tells the region in all it answers.
func TestFindRegion(t *testing.T) {
	for _, test := range []struct {
		status         int
		header, set    string
		want, inErrors string
	}{
		{200, "eu-west-1", "", "eu-west-1", ""},
		{301, "eu-west-1", "us-west-2", "eu-west-1", ""},
		{400, "ap-south-1", "us-west-2", "ap-south-1", ""},
		{403, "eu-west-1", "", "eu-west-1", ""},
		{403, "", "us-west-2", "us-west-2", ""},
		{200, "", "us-west-2", "us-west-2", ""},
		{200, "evil.org/x", "us-west-2", "us-west-2", ""},
		{403, "", "", "", "AWS_REGION"},
		{404, "", "us-west-2", "", "NoSuchBucket"},
	} {
		t.Run(fmt.Sprint(test.status, test.header, test.set), func(t *testing.T) {
			setKeys(t)
			t.Setenv("AWS_REGION", test.set)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodHead || r.URL.Path != "/data" {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				if test.header != "" {
					w.Header().Set("X-Amz-Bucket-Region", test.header)
				}
				w.WriteHeader(test.status)
			}))
			defer server.Close()
			c, err := connect(t.Context(), "data", Options{Endpoint: server.URL, Attempts: 1, Stall: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			got, err := findRegion(t.Context(), c, "data", test.set)
			if got != test.want || (err != nil) != (test.inErrors != "") || err != nil && !strings.Contains(err.Error(), test.inErrors) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// TestRotatedCredentials: requests that find their credentials expired go on
// with those that the file holds by then.
func TestRotatedCredentials(t *testing.T) {
	f, s := serve(t, nil, Options{})
	rotate := setKeys(t)
	valid := "first"
	bodies := 0
	f.handler = func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		defer f.mu.Unlock()
		switch {
		case !strings.Contains(r.Header.Get("Authorization"), "Credential="+valid+"/"):
			refuse(w, http.StatusBadRequest, "ExpiredToken")
		case r.Method == http.MethodPut && string(body) == "content":
			bodies++
		}
	}
	try := func() error {
		_, put := s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.bucket, Key: aws.String("k"), Body: bytes.NewReader([]byte("content"))})
		_, stat := s.Stat(t.Context(), "k")
		return errors.Join(put, stat)
	}
	if err := try(); err != nil {
		t.Fatal(err)
	}
	rotate("second")
	f.set(func() { valid = "second" })
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := try(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if bodies != 21 {
		t.Errorf("%d bodies came whole, want 21", bodies)
	}
	f.set(func() { valid = "third" })
	_, _, err := s.Open(t.Context(), "k")
	wantStoreError(t, err, nil)
	if !strings.Contains(err.Error(), "ExpiredToken") || !strings.Contains(err.Error(), "renew the credentials") || strings.Contains(err.Error(), "sesame") {
		t.Error(err)
	}
}

// TestStalledUpload: a service that stops reading is given up too.
func TestStalledUpload(t *testing.T) {
	f, s := serve(t, nil, Options{Stall: 50 * time.Millisecond, Attempts: 2})
	over := make(chan struct{}) // who does not read does not see either that the client left
	defer close(over)
	f.handler = func(w http.ResponseWriter, r *http.Request) { <-over }
	_, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String("k"), Body: bytes.NewReader(make([]byte, 30<<20)),
	}, func(o *s3.Options) { o.ContinueHeaderThresholdBytes = -1 })
	err = wrap("write", "s3://data/k", err)
	wantStoreError(t, err, nil)
	if contextError(err) != nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "tried 2 times") {
		t.Error(err)
	}
}

// TestAnswersAreBounded: only bodies of objects may be of any length.
func TestAnswersAreBounded(t *testing.T) {
	f, s := serve(t, nil, Options{})
	f.handler = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusBadRequest)
		}
		for range 2*mostAnswer/(1<<20) + 1 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}
	client := s.sdk().Options().HTTPClient
	for path, want := range map[string]int64{"/?list-type=2": mostAnswer, "/refused": mostRefusal, "/data/o?x-id=GetObject": 2*mostAnswer + 1<<20} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if cut := want < 2*mostAnswer; n > want || !cut && n != want || errors.Is(err, errFlood) != cut {
			t.Errorf("%s: %d bytes, %v; want %d", path, n, err, want)
		}
		resp.Body.Close()
	}
}
