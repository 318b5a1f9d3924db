package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/store"
)

// page writes a page of a listing; keys that end in a slash are empty.
func page(w http.ResponseWriter, encoded bool, next string, keys ...string) {
	var b strings.Builder
	b.WriteString("<ListBucketResult>")
	if encoded {
		b.WriteString("<EncodingType>url</EncodingType>")
	}
	fmt.Fprintf(&b, "<IsTruncated>%t</IsTruncated>", next != "")
	if next != "" && next != "none" {
		fmt.Fprintf(&b, "<NextContinuationToken>%s</NextContinuationToken>", next)
	}
	for _, key := range keys {
		size := 5
		if strings.HasSuffix(key, "/") {
			size = 0
		}
		if encoded {
			key = url.QueryEscape(key)
		}
		b.WriteString("<Contents><Key>")
		xml.EscapeText(&b, []byte(key))
		fmt.Fprintf(&b, "</Key><LastModified>2006-01-02T15:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag><Size>%d</Size></Contents>", size)
	}
	b.WriteString("</ListBucketResult>")
	w.Write([]byte(b.String()))
}

// lister serves a listing: answer gets the token and the prefix that were asked with.
func lister(t *testing.T, prefix string, answer func(w http.ResponseWriter, token, prefix string)) *Store {
	t.Helper()
	f, s := serve(t, nil, Options{})
	s.prefix = prefix
	f.handler = func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("list-type") != "2" || q.Get("encoding-type") != "url" {
			t.Errorf("asked %s", r.URL)
		}
		answer(w, q.Get("continuation-token"), q.Get("prefix"))
	}
	return s
}

// names lists up to an error.
func names(ctx context.Context, s *Store, prefix string) (names []string, err error) {
	for info, err := range s.List(ctx, prefix) {
		if err != nil {
			return names, err
		}
		names = append(names, info.Name)
	}
	return names, nil
}

func TestListPages(t *testing.T) {
	for _, encoded := range []bool{true, false} {
		pages := map[string][]string{
			"": {"in/", "in/a b+c%20d.csv", "in/b/", "in/b/c"}, "t1": {}, "t2": {"in/é", "in/文"},
		}
		next := map[string]string{"": "t1", "t1": "t2"}
		s := lister(t, "in/", func(w http.ResponseWriter, token, _ string) { page(w, encoded, next[token], pages[token]...) })
		got, err := names(t.Context(), s, "")
		if want := []string{"a b+c%20d.csv", "b/c", "é", "文"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("encoded %t: %q, %v; want %q", encoded, got, err, want)
		}
		for info := range s.List(t.Context(), "") {
			want := store.Info{Name: info.Name, Size: 5, ModTime: time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC), ETag: "e"}
			if info != want {
				t.Errorf("%+v, want %+v", info, want)
			}
		}
	}
}

// TestListOneAndFolder: of an object and its namesakes, only it and its folder are listed.
func TestListOneAndFolder(t *testing.T) {
	all := []string{"in/a", "in/a-2", "in/a.csv", "in/a//odd", "in/a/x", "in/a0"}
	s := lister(t, "in/", func(w http.ResponseWriter, _, prefix string) {
		var keys []string
		for _, key := range all {
			if strings.HasPrefix(key, prefix) && !strings.Contains(key, "odd") {
				keys = append(keys, key)
			}
		}
		if prefix == "in/a" { // one was asked for
			keys = keys[:1]
		}
		page(w, true, "", keys...)
	})
	for prefix, want := range map[string][]string{"a": {"a", "a/x"}, "a/x": {"a/x"}, "a-2": {"a-2"}, "a-": nil, "z": nil} {
		if got, err := names(t.Context(), s, prefix); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", prefix, got, err, want)
		}
	}
}

// TestHostileLists end, with an error that names what is wrong.
func TestHostileLists(t *testing.T) {
	asked := 0
	for _, test := range []struct {
		name   string
		answer func(w http.ResponseWriter, token string)
		names  int // before the error
		text   string
	}{
		{"negative size", func(w http.ResponseWriter, _ string) {
			fmt.Fprint(w, "<ListBucketResult><Contents><Key>in/x</Key><Size>-5</Size></Contents></ListBucketResult>")
		}, 0, `"in/x" of -5 bytes`},
		{"elsewhere", func(w http.ResponseWriter, _ string) { page(w, true, "", "out/a") }, 0, `"out/a"`},
		{"no order", func(w http.ResponseWriter, _ string) { page(w, true, "", "in/b", "in/a") }, 0, "directory buckets"},
		{"the same key", func(w http.ResponseWriter, _ string) { page(w, true, "", "in/b", "in/b") }, 0, "order"},
		{"no order of pages", func(w http.ResponseWriter, token string) { page(w, true, token+"x", "in/b") }, 1, "order"},
		{"the same token", func(w http.ResponseWriter, token string) {
			asked++
			page(w, true, "t", fmt.Sprintf("in/%09d", asked))
		}, 1, "does not end"},
		{"no token", func(w http.ResponseWriter, _ string) { page(w, true, "none", "in/b") }, 0, "does not end"},
		{"empty pages", func(w http.ResponseWriter, token string) { page(w, true, token+"x") }, 0, "does not end"},
		{"no encoding", func(w http.ResponseWriter, _ string) {
			fmt.Fprint(w, "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>in/%zz</Key></Contents></ListBucketResult>")
		}, 0, "decoded"},
		{"no XML", func(w http.ResponseWriter, _ string) { fmt.Fprint(w, "<html><p>It works") }, 0, ""},
		{"cut short", func(w http.ResponseWriter, _ string) { panic(http.ErrAbortHandler) }, 0, "tried"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := lister(t, "in/", func(w http.ResponseWriter, token, _ string) { test.answer(w, token) })
			within(t, func() {
				got, err := names(t.Context(), s, "")
				wantStoreError(t, err, nil)
				if len(got) != test.names || !strings.Contains(err.Error(), test.text) || len(err.Error()) > 600 {
					t.Errorf("%d names, then %v", len(got), err)
				}
			})
		})
	}
}

// TestListReadsAhead: the next page is fetched while one is consumed, and only one.
func TestListReadsAhead(t *testing.T) {
	pages := make(chan int, 100)
	n := 0
	s := lister(t, "", func(w http.ResponseWriter, _, _ string) {
		n++
		pages <- n
		page(w, true, fmt.Sprint(n), fmt.Sprintf("%09d", n))
	})
	for range s.List(t.Context(), "") {
		within(t, func() { <-pages; <-pages }) // this one's, and the next one's
		break
	}
	if len(pages) > 0 {
		t.Errorf("%d pages more", len(pages))
	}
}

// TestListRetries: a page that breaks off or stalls is asked for again.
func TestListRetries(t *testing.T) {
	n := 0
	f, s := serve(t, nil, quick)
	f.handler = func(w http.ResponseWriter, r *http.Request) {
		if n++; n%3 != 0 {
			fmt.Fprint(w, "<ListBucketResult><Contents><Key>a</Key>")
			w.(http.Flusher).Flush()
			if n%3 == 1 {
				<-r.Context().Done()
			}
			panic(http.ErrAbortHandler)
		}
		page(w, true, "", "a", "b")
	}
	if got, err := names(t.Context(), s, ""); err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestListNames(t *testing.T) {
	s := lister(t, "in/", func(w http.ResponseWriter, _, _ string) { t.Error("a request") })
	for _, prefix := range []string{".", "a/", "/a", "a//b", "../a"} {
		if _, err := names(t.Context(), s, prefix); !errors.Is(err, store.ErrBadName) {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}
