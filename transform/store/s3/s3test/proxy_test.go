package s3test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// through is s as a client of the proxy sees it.
func through(p *Proxy, s *Server) *Server {
	via := *s
	via.Endpoint = p.Endpoint
	return &via
}

func TestProxyPassesEverythingOn(t *testing.T) {
	s := Start(t)
	p := NewProxy(t, s)
	via := through(p, s)
	for _, key := range awkward {
		if _, err := via.Put(key, []byte("in "+key)); err != nil {
			t.Errorf("put %q: %v", key, err)
		}
		if data, _, err := via.Get(key); err != nil || string(data) != "in "+key {
			t.Errorf("%q holds %q, %v", key, data, err)
		}
	}
	objects, err := via.Objects("")
	if err != nil || len(objects) != len(awkward) {
		t.Errorf("listed %v, %v", objects, err)
	}
	if p.Seen(Put) != len(awkward) || p.Seen(Get) != len(awkward) || p.Seen(List) != 1 {
		t.Errorf("seen %d puts, %d gets, %d lists", p.Seen(Put), p.Seen(Get), p.Seen(List))
	}
	received, sent := p.Bytes()
	if whole := int64(len(strings.Join(awkward, "")) + 3*len(awkward)); received != whole || sent < whole {
		t.Errorf("%d bytes received, %d sent; want %d and more than that", received, sent, whole)
	}
}

// upload uploads data in one part, and completes it on the condition that the key is free.
func upload(via *Server, key string, data []byte) (*Reply, error) {
	reply, err := via.must(http.MethodPost, key, url.Values{"uploads": {""}}, nil, nil)
	if err != nil {
		return nil, err
	}
	id := between(string(reply.Body), "<UploadId>", "</UploadId>")
	part, err := via.must(http.MethodPut, key, url.Values{"uploadId": {id}, "partNumber": {"1"}}, nil, data)
	if err != nil {
		return nil, err
	}
	list := fmt.Sprintf("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>",
		part.Header.Get("ETag"))
	return via.Do(context.Background(), http.MethodPost, key, url.Values{"uploadId": {id}},
		http.Header{"If-None-Match": {"*"}}, []byte(list))
}

func between(text, before, after string) string {
	_, text, _ = strings.Cut(text, before)
	text, _, _ = strings.Cut(text, after)
	return text
}

// putNew puts an object on the condition that the key is free.
func putNew(via *Server, key string, data []byte) (*Reply, error) {
	return via.Do(context.Background(), http.MethodPut, key, nil, http.Header{"If-None-Match": {"*"}}, data)
}

// TestFaultsOfWriting: what the client sees, and what is there afterwards.
func TestFaultsOfWriting(t *testing.T) {
	ours, foreign := "ours", "foreign"
	for _, c := range []struct {
		fault Fault
		write func(*Server, string, []byte) (*Reply, error)
		says  string // part of the status, the body or the error
		there string
	}{
		{Fault{}, putNew, "200", ours},
		{Fault{}, upload, "200", ours},
		{Fault{Do: LostRequest, Op: Put}, putNew, "EOF", ""},
		{Fault{Do: LostReply, Op: Put}, putNew, "EOF", ours},
		{Fault{Do: LostReply, Op: Complete}, upload, "EOF", ours},
		{Fault{Do: SlowDown, Op: Put, Wait: 2 * time.Second}, putNew, "503 Retry-After:2 SlowDown", ""},
		{Fault{Do: InternalError, Op: Put}, putNew, "500  InternalError", ""},
		{Fault{Do: Conflict, Op: Put}, putNew, "409  ConditionalRequestConflict", ""},
		{Fault{Do: BadDigest, Op: Put}, putNew, "400  BadDigest", ""},
		{Fault{Do: ExpiredToken}, putNew, "400  ExpiredToken", ""},
		{Fault{Do: NoSuchUpload, Op: Complete}, upload, "404  NoSuchUpload", ""},
		{Fault{Do: ErrorBody, Op: Complete}, upload, "200  InternalError", ""},
		{Fault{Do: DoneErrorBody, Op: Complete}, upload, "200  InternalError", ours},
		{Fault{Do: DoneNoSuchUpload, Op: Complete}, upload, "404  NoSuchUpload", ours},
		{Fault{Do: DonePrecondition, Op: Put}, putNew, "412  PreconditionFailed", ours},
		{Fault{Do: DoneConflict, Op: Put}, putNew, "409  ConditionalRequestConflict", ours},
		{Fault{Do: DoneInternalError, Op: Complete}, upload, "500  InternalError", ours},
		{Fault{Do: DoneSlowDown, Op: Put}, putNew, "503  SlowDown", ours},
		{Fault{Do: ForeignObject, Op: Put, Data: []byte(foreign)}, putNew, "412  PreconditionFailed", foreign},
		{Fault{Do: ForeignObject, Op: Complete, Data: []byte(foreign)}, upload, "412  PreconditionFailed", foreign},
		{Fault{Do: UploadGone, Op: Complete}, upload, "404  NoSuchUpload", ""},
		{Fault{Do: UploadTaken, Op: Complete, Data: []byte(foreign)}, upload, "200", foreign},
		{Fault{Do: DamagedRequest, Op: Put, Bytes: 2}, putNew, "400  XAmzContentSHA256Mismatch", ""},
		{Fault{Do: Slow, Op: Put, Wait: time.Millisecond}, putNew, "200", ours},
	} {
		t.Run(fmt.Sprintf("%s of %s", c.fault.Do.Name, c.fault.Op), func(t *testing.T) {
			s := Start(t)
			p := NewProxy(t, s)
			p.Inject(c.fault)
			if said := saying(c.write(through(p, s), "d/o", []byte(ours))); !strings.Contains(said, c.says) {
				t.Errorf("the client is told %q, want %q", said, c.says)
			}
			wantThere(t, s, "d/o", c.there)
			if c.fault.Do.Name != "" && p.Fired(c.fault.Do.Name) != 1 {
				t.Errorf("fired %d times", p.Fired(c.fault.Do.Name))
			}
		})
	}
}

// saying is what a client is told, in one line.
func saying(reply *Reply, err error) string {
	if err != nil {
		return err.Error()
	}
	after := reply.Header.Get("Retry-After")
	if after != "" {
		after = "Retry-After:" + after
	}
	return fmt.Sprintf("%d %s %s", reply.Status, after, between(string(reply.Body), "<Code>", "</Code>"))
}

func wantThere(t *testing.T, s *Server, key, want string) {
	t.Helper()
	data, _, err := s.Get(key)
	var refused *StatusError
	if want == "" && errors.As(err, &refused) && refused.Code == "NoSuchKey" {
		return
	}
	if want == "" || err != nil || string(data) != want {
		t.Errorf("%s holds %q, %v; want %q", key, data, err, want)
	}
}

func TestIgnoredConditionsLetAnObjectBeReplaced(t *testing.T) {
	s := Start(t)
	p := NewProxy(t, s)
	if _, err := s.Put("o", []byte("old")); err != nil {
		t.Fatal(err)
	}
	p.Inject(Fault{Do: IgnoredConditions, First: 2})
	for i, want := range []string{"412", "200"} {
		if said := saying(putNew(through(p, s), "o", []byte("new"))); !strings.HasPrefix(said, want) {
			t.Errorf("put %d: %q, want %s", i, said, want)
		}
	}
	wantThere(t, s, "o", "new")
}

// TestFaultsOfReading: what the client gets of "0123456789" from 2 to 7.
func TestFaultsOfReading(t *testing.T) {
	for _, c := range []struct {
		fault  Fault
		status int
		body   string
		err    error // of the body, or of the wait for a response
		etag   bool  // the object's
	}{
		{Fault{}, 206, "234567", nil, true},
		{Fault{Do: CutBody, Bytes: 2}, 206, "23", io.ErrUnexpectedEOF, true},
		{Fault{Do: CutBody}, 206, "", io.ErrUnexpectedEOF, true},
		{Fault{Do: ShortBody, Bytes: 3}, 206, "234", nil, true},
		{Fault{Do: StalledBody, Bytes: 4}, 206, "2345", context.Canceled, true},
		{Fault{Do: OtherETag}, 206, "234567", nil, false},
		{Fault{Do: IgnoredRange}, 200, "0123456789", nil, true},
		{Fault{Do: ForeignObject, Data: []byte("ABCDEFGHIJ")}, 206, "CDEFGH", nil, false},
		{Fault{Do: Slow}, 0, "", context.DeadlineExceeded, false},
	} {
		t.Run(fmt.Sprintf("%s %d", c.fault.Do.Name, c.fault.Bytes), func(t *testing.T) {
			s := Start(t)
			p := NewProxy(t, s)
			etag, err := s.Put("o", []byte("0123456789"))
			if err != nil {
				t.Fatal(err)
			}
			p.Inject(c.fault)
			ctx, cancel := context.WithCancel(t.Context())
			if errors.Is(c.err, context.DeadlineExceeded) {
				ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
			}
			defer cancel()
			left := func() {}
			if errors.Is(c.err, context.Canceled) {
				left = cancel
			}
			status, header, body, err := read(ctx, through(p, s), "o", "bytes=2-7", len(c.body), left)
			if status != c.status || string(body) != c.body || !errors.Is(err, c.err) || (header.Get("ETag") == etag) != c.etag {
				t.Errorf("status %d, body %q, %v, ETag %s", status, body, err, header.Get("ETag"))
			}
		})
	}
}

// read is a ranged get that keeps what came before an error. It calls after when it
// has so many bytes.
func read(ctx context.Context, via *Server, key, bytes string, so int, after func()) (int, http.Header, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, via.Endpoint+"/"+via.Bucket+"/"+key, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	r.Header.Set("Range", bytes)
	via.sign(r, hexHash(nil), time.Now())
	response, err := via.run.client.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	body := make([]byte, so)
	n, err := io.ReadFull(response.Body, body)
	if err != nil {
		return response.StatusCode, response.Header, body[:n], err
	}
	after()
	rest, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Header, append(body, rest...), err
}

func TestLateRequestsAreDoneAfterAll(t *testing.T) {
	for _, c := range []struct {
		do    Action
		op    Op
		write func(*Server, string, []byte) (*Reply, error)
		says  string
	}{
		{LateRequest, Put, putNew, "EOF"},
		{EarlyReply, Complete, upload, "200"},
	} {
		t.Run(c.do.Name, func(t *testing.T) {
			s := Start(t)
			p := NewProxy(t, s)
			until := make(chan struct{})
			p.Inject(Fault{Do: c.do, Op: c.op, Until: until})
			if said := saying(c.write(through(p, s), "o", []byte("late"))); !strings.Contains(said, c.says) {
				t.Errorf("the client is told %q, want %q", said, c.says)
			}
			wantThere(t, s, "o", "")
			close(until)
			for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if objects, err := s.Objects(""); err != nil || len(objects) == 1 {
					break
				}
			}
			wantThere(t, s, "o", "late")
		})
	}
}

func TestWhichRequestsAFaultFiresAt(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		want  string // one letter a request: x where it fires
	}{
		{Fault{}, "xxxxxx"},
		{Fault{Times: 2}, "xx...."},
		{Fault{First: 3}, "..xxxx"},
		{Fault{First: 3, Times: 1}, "..x..."},
		{Fault{Op: Get}, "......"},
		{Fault{Key: "a"}, "x.x.x."},
		{Fault{Key: "a", First: 2, Times: 1}, "..x..."},
	} {
		p := &Proxy{seen: map[Op]int{}, fired: map[string]int{}}
		c.fault.Do = LostReply
		p.Inject(c.fault)
		got := ""
		for i := range 6 {
			if p.due(Put, []string{"d/a", "d/b"}[i%2]) != nil {
				got += "x"
			} else {
				got += "."
			}
		}
		if got != c.want || p.Fired(LostReply.Name) != strings.Count(got, "x") || p.Seen(Put) != 6 {
			t.Errorf("%+v: fired at %s, want %s; %d times", c.fault, got, c.want, p.Fired(LostReply.Name))
		}
	}
}

func TestFaultsByChanceFollowTheirSeed(t *testing.T) {
	fired := func(seed uint64) (at []int) {
		a := Fault{Do: LostReply, Chance: 0.3, Seed: seed}.arm()
		for i := range 1000 {
			if a.due(Put, "o") {
				at = append(at, i)
			}
		}
		return at
	}
	one := fired(1)
	if len(one) < 200 || len(one) > 400 || !slices.Equal(one, fired(1)) || slices.Equal(one, fired(2)) {
		t.Errorf("fired %d times of 1000, want about 300, the same with the same seed", len(one))
	}
}

func TestOnlyTheFirstDueFaultFires(t *testing.T) {
	p := &Proxy{seen: map[Op]int{}, fired: map[string]int{}}
	p.Inject(Fault{Do: LostReply, Times: 1}, Fault{Do: SlowDown, Times: 1})
	for _, want := range []string{LostReply.Name, SlowDown.Name} {
		if f := p.due(Put, "o"); f == nil || f.Name != want {
			t.Errorf("fired %+v, want %s", f, want)
		}
	}
	if f := p.due(Put, "o"); f != nil {
		t.Errorf("%s fired again", f.Name)
	}
	p.Inject(Fault{Do: LostReply})
	p.Heal()
	if f := p.due(Put, "o"); f != nil {
		t.Errorf("%s fired though healed", f.Name)
	}
}

func TestOperations(t *testing.T) {
	for _, c := range []struct {
		method, target string
		copies         bool
		want           Op
		key            string
	}{
		{"GET", "/b/k?versionId=1", false, Get, "k"},
		{"HEAD", "/b/a%20b/c", false, Head, "a b/c"},
		{"PUT", "/b/k?x-id=PutObject", false, Put, "k"},
		{"PUT", "/b/k", true, Copy, "k"},
		{"PUT", "/b/k?partNumber=1&uploadId=u", false, UploadPart, "k"},
		{"PUT", "/b/k?partNumber=1&uploadId=u", true, CopyPart, "k"},
		{"POST", "/b/k?uploads", false, CreateUpload, "k"},
		{"POST", "/b/k?uploadId=u", false, Complete, "k"},
		{"DELETE", "/b/k?uploadId=u", false, Abort, "k"},
		{"DELETE", "/b/k", false, Delete, "k"},
		{"GET", "/b/k?uploadId=u", false, ListParts, "k"},
		{"GET", "/b?list-type=2", false, List, ""},
		{"GET", "/b/?list-type=2&prefix=a", false, List, ""},
		{"GET", "/b?uploads", false, ListUploads, ""},
		{"POST", "/b?delete", false, DeleteMany, ""},
		{"HEAD", "/b", false, HeadBucket, ""},
		{"GET", "/", false, Other, ""},
		{"PATCH", "/b/k", false, Other, "k"},
	} {
		r, err := http.NewRequest(c.method, "http://127.0.0.1"+c.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.copies {
			r.Header.Set(copySource, "/b/other")
		}
		if op, _, key := Operation(r); op != c.want || key != c.key {
			t.Errorf("%s %s: %s of %q, want %s of %q", c.method, c.target, op, key, c.want, c.key)
		}
	}
}
