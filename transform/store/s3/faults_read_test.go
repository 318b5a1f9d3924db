package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// outcome is what reading under a fault comes to. Whatever it is, no wrong byte is given.
type outcome uint8

const (
	whole   outcome = iota // all bytes
	broken                 // an error
	either                 // one of them
	changed                // an error that says that the object is another one
	stale                  // an error that says that credentials have expired
)

// readCase is one fault while an object, or a log, is read.
type readCase struct {
	name  string
	fault s3test.Fault
	want  outcome
	// instead is done once the first bytes were read, by somebody else.
	instead func(*testing.T, *s3test.Server, string)
	later   bool // only after the first request: it would be no fault at the first one
}

var readCases = []readCase{
	{name: "no fault", want: whole},
	{name: "lost request once", fault: s3test.Fault{Do: s3test.LostRequest, Times: 1}, want: whole},
	{name: "lost request for ever", fault: s3test.Fault{Do: s3test.LostRequest}, want: broken},
	{name: "lost reply once", fault: s3test.Fault{Do: s3test.LostReply, Times: 1}, want: whole},
	{name: "no answer once", fault: s3test.Fault{Do: s3test.Slow, Times: 1}, want: whole},
	{name: "SlowDown twice", fault: s3test.Fault{Do: s3test.SlowDown, Times: 2}, want: whole},
	{name: "SlowDown for ever", fault: s3test.Fault{Do: s3test.SlowDown}, want: broken},
	{name: "500 twice", fault: s3test.Fault{Do: s3test.InternalError, Times: 2}, want: whole},
	{name: "500 for ever", fault: s3test.Fault{Do: s3test.InternalError}, want: broken},
	{name: "expired credentials once", fault: s3test.Fault{Do: s3test.ExpiredToken, Times: 1}, want: whole},
	{name: "expired credentials for ever", fault: s3test.Fault{Do: s3test.ExpiredToken}, want: stale},
	{name: "200 with an error body", fault: s3test.Fault{Do: s3test.ErrorBody}, want: broken, later: true},

	{name: "body cut before its first byte", fault: s3test.Fault{Do: s3test.CutBody, Times: 1}, want: whole},
	{name: "body cut short", fault: s3test.Fault{Do: s3test.CutBody, Times: 1, Bytes: 1000}, want: whole},
	{name: "bodies cut short again and again", fault: s3test.Fault{Do: s3test.CutBody, Bytes: 300_000}, want: whole},
	{name: "bodies cut before their first byte, for ever", fault: s3test.Fault{Do: s3test.CutBody}, want: broken},
	{name: "body ended early", fault: s3test.Fault{Do: s3test.ShortBody, Times: 1, Bytes: 1000}, want: either},
	{name: "bodies ended early again and again", fault: s3test.Fault{Do: s3test.ShortBody, Bytes: 300_000}, want: either},
	{name: "bodies without a byte", fault: s3test.Fault{Do: s3test.ShortBody}, want: broken},
	{name: "stalled body", fault: s3test.Fault{Do: s3test.StalledBody, Times: 1, Bytes: 1000}, want: whole},
	{name: "body stalled before its first byte", fault: s3test.Fault{Do: s3test.StalledBody, Times: 1}, want: whole},
	{name: "bodies stalled for ever", fault: s3test.Fault{Do: s3test.StalledBody}, want: broken},

	{name: "ignored range once", fault: s3test.Fault{Do: s3test.IgnoredRange, Times: 1}, want: either},
	{name: "ignored ranges", fault: s3test.Fault{Do: s3test.IgnoredRange}, want: either},
	{name: "changed ETag", fault: s3test.Fault{Do: s3test.OtherETag}, want: changed, later: true},
	{name: "replaced between two requests", fault: s3test.Fault{Do: s3test.ForeignObject, Times: 1, Data: foreign}, want: changed, later: true},
	{name: "replaced by one of the same size", want: changed, later: true, instead: replaceSameSize},
	{name: "replaced, and conditions ignored", want: changed, later: true, fault: s3test.Fault{Do: s3test.IgnoredConditions}, instead: replaceSameSize},
	{name: "removed", want: broken, later: true, instead: func(t *testing.T, s *s3test.Server, key string) {
		if err := s.Delete(key); err != nil {
			t.Error(err)
		}
	}},
}

// readSize makes a reader ask several times.
const readSize = 6<<20 + 123

func replaceSameSize(t *testing.T, s *s3test.Server, key string) {
	if _, err := s.Put(key, random(readSize, 2)); err != nil {
		t.Error(err)
	}
}

// TestReadUnderFaults reads an object under every fault by name, in order and at
// many places at once. The fault is there from the first request on, or once the
// first bytes were read.
func TestReadUnderFaults(t *testing.T) {
	server := s3test.Start(t)
	data := random(readSize, 1)
	all := newAtOnce(t, 16)
	defer all.wg.Wait()
	for _, later := range []bool{false, true} {
		for _, c := range readCases {
			if c.later && !later {
				continue
			}
			for how, read := range map[string]reading{"in order": inOrder, "at places": atPlaces} {
				all.run(fmt.Sprintf("%s/%s/%s", map[bool]string{true: "later", false: "at once"}[later], how, c.name), func(t *testing.T) {
					at := newSite(t, server, optionsFor(c.fault))
					if _, err := at.server.Put("o", data); err != nil {
						t.Fatal(err)
					}
					open := func(ctx context.Context) (store.Reader, store.Info, error) { return at.store.Open(ctx, "o") }
					if !later {
						at.proxy.Inject(c.ofGets(1))
					}
					c.run(t, at, "o", data, open, read, func() {
						if later {
							at.proxy.Inject(c.ofGets(1))
						}
					})
				})
			}
		}
	}
}

type opener func(context.Context) (store.Reader, store.Info, error)

// reading reads all from the reader, calls begun once some was read, and checks all
// that it gets. The error is the first it met; none means that it got everything.
type reading func(t *testing.T, r store.Reader, want []byte, begun func()) error

// ofGets is the fault at the requests for an object's bytes, from one of them on.
func (c *readCase) ofGets(first int) s3test.Fault {
	fault := c.fault
	fault.Op, fault.First = s3test.Get, first
	return fault
}

func (c *readCase) run(t *testing.T, at *site, key string, data []byte, open opener, read reading, begun func()) {
	err := c.read(t, data, open, read, func() {
		begun()
		if c.instead != nil {
			c.instead(t, at.server, key)
		}
	})
	if c.fault.Do.Name != "" && at.proxy.Fired(c.fault.Do.Name) == 0 {
		t.Errorf("%s never fired", c.fault.Do.Name)
	}
	var e *store.Error
	if err != nil && !errors.As(err, &e) {
		t.Errorf("%T is no *store.Error: %v", err, err)
	}
	switch {
	case c.want == whole && err != nil:
		t.Errorf("reading failed: %v", err)
	case (c.want == broken || c.want == changed) && err == nil:
		t.Error("reading went well")
	case c.want == changed && key == "o" && !errors.Is(err, s3.ErrChanged):
		t.Errorf("reading failed with %v, want ErrChanged", err)
	case c.want == stale && (err == nil || !strings.Contains(err.Error(), "credentials")):
		t.Errorf("reading ended with %v, want it to tell to renew the credentials", err)
	}
}

func (c *readCase) read(t *testing.T, data []byte, open opener, read reading, begun func()) error {
	r, info, err := open(t.Context())
	if err != nil {
		return err
	}
	defer r.Close()
	if info.Size != int64(len(data)) {
		t.Fatalf("the size is said to be %d, and is %d", info.Size, len(data))
	}
	return read(t, r, data, begun)
}

func inOrder(t *testing.T, r store.Reader, want []byte, begun func()) error {
	buf := make([]byte, 50_000)
	for got := 0; ; {
		n, err := r.Read(buf)
		if n > len(want)-got || !bytes.Equal(buf[:n], want[got:got+n]) {
			t.Fatalf("wrong bytes at %d", got)
		}
		if got == 0 {
			begun()
		}
		got += n
		if err == io.EOF && got == len(want) {
			return nil
		}
		if err == io.EOF {
			t.Fatalf("the end is said to be at %d", got)
		}
		if err != nil {
			return err
		}
	}
}

func atPlaces(t *testing.T, r store.Reader, want []byte, begun func()) error {
	const piece = 700_001
	var wg sync.WaitGroup
	errs := make([]error, len(want)/piece+1)
	readPiece := func(i int) {
		buf := make([]byte, min(piece, len(want)-i*piece))
		n, err := r.ReadAt(buf, int64(i*piece))
		if !bytes.Equal(buf[:n], want[i*piece:][:n]) {
			t.Errorf("wrong bytes from %d on", i*piece)
		}
		if n < len(buf) && (err == nil || err == io.EOF) {
			t.Errorf("%d bytes instead of %d, and %v", n, len(buf), err)
		}
		if err != io.EOF {
			errs[i] = err
		}
	}
	readPiece(0)
	begun()
	for i := 1; i < len(errs); i++ {
		wg.Go(func() { readPiece(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestReadUnderManyFaults lets faults of all kinds fire by chance.
func TestReadUnderManyFaults(t *testing.T) {
	server := s3test.Start(t)
	data := random(readSize, 1)
	all := newAtOnce(t, 16)
	defer all.wg.Wait()
	for seed := range uint64(8) {
		all.run(fmt.Sprint(seed), func(t *testing.T) {
			at := newSite(t, server, optionsFor(s3test.Fault{Do: s3test.StalledBody}))
			if _, err := at.server.Put("o", data); err != nil {
				t.Fatal(err)
			}
			for i, do := range []s3test.Action{
				s3test.LostReply, s3test.SlowDown, s3test.CutBody, s3test.ShortBody, s3test.StalledBody,
				s3test.OtherETag, s3test.IgnoredRange, s3test.ExpiredToken,
			} {
				at.proxy.Inject(s3test.Fault{Do: do, Op: s3test.Get, Chance: 0.05, Seed: seed*100 + uint64(i), Bytes: 200_000})
			}
			for _, read := range []reading{inOrder, atPlaces} {
				r, _, err := at.store.Open(t.Context(), "o")
				if err != nil {
					continue // what counts is that no wrong byte comes
				}
				read(t, r, data, func() {})
				r.Close()
			}
		})
	}
}

// listCases are faults of listings and of asking for one object.
var listCases = []readCase{
	{name: "no fault", want: whole},
	{name: "lost request once", fault: s3test.Fault{Do: s3test.LostRequest, Times: 1}, want: whole},
	{name: "lost request for ever", fault: s3test.Fault{Do: s3test.LostRequest}, want: broken},
	{name: "lost reply once", fault: s3test.Fault{Do: s3test.LostReply, Times: 1}, want: whole},
	{name: "no answer once", fault: s3test.Fault{Do: s3test.Slow, Times: 1}, want: whole},
	{name: "SlowDown twice", fault: s3test.Fault{Do: s3test.SlowDown, Times: 2}, want: whole},
	{name: "500 for ever", fault: s3test.Fault{Do: s3test.InternalError}, want: broken},
	{name: "expired credentials once", fault: s3test.Fault{Do: s3test.ExpiredToken, Times: 1}, want: whole},
	{name: "expired credentials for ever", fault: s3test.Fault{Do: s3test.ExpiredToken}, want: broken},
	{name: "body cut short once", fault: s3test.Fault{Do: s3test.CutBody, Times: 1, Bytes: 1000}, want: whole},
	{name: "body cut short for ever", fault: s3test.Fault{Do: s3test.CutBody, Bytes: 1000}, want: broken},
	{name: "body ended early once", fault: s3test.Fault{Do: s3test.ShortBody, Times: 1, Bytes: 1000}, want: either},
	{name: "body ended early for ever", fault: s3test.Fault{Do: s3test.ShortBody, Bytes: 1000}, want: broken},
	{name: "stalled body once", fault: s3test.Fault{Do: s3test.StalledBody, Times: 1, Bytes: 1000}, want: whole},
	{name: "200 with an error body once", fault: s3test.Fault{Do: s3test.ErrorBody, Times: 1}, want: either},
	{name: "200 with an error body for ever", fault: s3test.Fault{Do: s3test.ErrorBody}, want: broken},
}

// TestListUnderFaults: a listing is whole, or ends with an error. The fault is at its
// first page or at its second.
func TestListUnderFaults(t *testing.T) {
	server := s3test.Start(t)
	want := manyObjects(t, server)
	all := newAtOnce(t, 32)
	defer all.wg.Wait()
	for _, first := range []int{1, 2} {
		for _, c := range listCases {
			all.run(fmt.Sprintf("page %d/%s", first, c.name), func(t *testing.T) {
				p := s3test.NewProxy(t, server)
				c.fault.Op, c.fault.First = s3test.List, first
				p.Inject(c.fault)
				s := openAt(t, p.Endpoint, server.Bucket, "", optionsFor(c.fault))
				var got []string
				var err error
				for info, failed := range s.List(t.Context(), "d") {
					if err = failed; err == nil {
						got = append(got, info.Name)
					}
				}
				whole := slices.Equal(got, want)
				if (err == nil) != whole || len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
					t.Errorf("%d names of %d, and %v", len(got), len(want), err)
				}
				if c.want != either && whole != (c.want == 0) {
					t.Errorf("listed: %v", err)
				}
			})
		}
	}
}

// manyObjects makes more objects than a page of a listing has.
func manyObjects(t *testing.T, s *s3test.Server) (names []string) {
	t.Helper()
	var wg sync.WaitGroup
	for part := range 4 {
		for i := range 275 {
			names = append(names, fmt.Sprintf("d/%d/%03d", part, i))
		}
		mine := names[part*275:]
		wg.Go(func() {
			for _, name := range mine {
				if _, err := s.Put(name, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return names
}

// TestStatUnderFaults: what could not be asked for is never said not to exist.
func TestStatUnderFaults(t *testing.T) {
	server := s3test.Start(t)
	if _, err := server.Put("o", []byte("four")); err != nil {
		t.Fatal(err)
	}
	all := newAtOnce(t, 32)
	defer all.wg.Wait()
	for _, c := range listCases {
		if c.fault.Bytes > 0 || c.fault.Do.Name == s3test.ErrorBody.Name {
			continue // an answer without a body
		}
		all.run(c.name, func(t *testing.T) {
			p := s3test.NewProxy(t, server)
			c.fault.Op = s3test.Head
			p.Inject(c.fault)
			s := openAt(t, p.Endpoint, server.Bucket, "", optionsFor(c.fault))
			info, err := s.Stat(t.Context(), "o")
			var e *store.Error
			if c.want == whole && (err != nil || info.Size != 4) || c.want == broken && !errors.As(err, &e) || isMissing(err) {
				t.Errorf("stat: %+v, %v", info, err)
			}
		})
	}
}
