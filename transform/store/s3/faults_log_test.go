package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// logOf reads a log whole, "" where there is none.
func logOf(t *testing.T, s *s3.Store) string {
	t.Helper()
	r, _, err := s.ReadLog(t.Context(), "_state/log")
	if isMissing(err) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// logCase is one fault while a log grows.
type logCase struct {
	name  string
	fault s3test.Fault
	want  want // made: nothing is noticed; fails: an error; exists: a later run has taken over
}

var logCases = []logCase{
	{"no fault", s3test.Fault{}, made},
	{"lost request once", s3test.Fault{Do: s3test.LostRequest, Times: 1}, made},
	{"lost request for ever", s3test.Fault{Do: s3test.LostRequest}, fails},
	{"lost reply once", s3test.Fault{Do: s3test.LostReply, Times: 1}, made},
	{"lost reply for ever", s3test.Fault{Do: s3test.LostReply}, made},
	{"late request", s3test.Fault{Do: s3test.LateRequest, Times: 1, Wait: 20 * time.Millisecond}, made},
	{"no answer once", s3test.Fault{Do: s3test.Slow, Times: 1}, made},
	{"500, though done, once", s3test.Fault{Do: s3test.DoneInternalError, Times: 1}, made},
	{"500, though done, for ever", s3test.Fault{Do: s3test.DoneInternalError}, made},
	{"409 once", s3test.Fault{Do: s3test.Conflict, Times: 1}, made},
	{"409, though done", s3test.Fault{Do: s3test.DoneConflict, Times: 1}, made},
	{"412 own", s3test.Fault{Do: s3test.DonePrecondition, Times: 1}, made},
	{"412 foreign", s3test.Fault{Do: s3test.ForeignObject, Times: 1, Data: foreign}, exists},
	{"SlowDown twice", s3test.Fault{Do: s3test.SlowDown, Times: 2}, made},
	{"SlowDown for ever", s3test.Fault{Do: s3test.SlowDown}, fails},
	{"BadDigest once", s3test.Fault{Do: s3test.BadDigest, Times: 1}, made},
	{"damaged once", s3test.Fault{Do: s3test.DamagedRequest, Times: 1}, made},
	{"expired credentials once", s3test.Fault{Do: s3test.ExpiredToken, Times: 1}, made},
	{"expired credentials for ever", s3test.Fault{Do: s3test.ExpiredToken}, expired},
	{"what is there cannot be listed once", s3test.Fault{Do: s3test.LostReply, Op: s3test.List, Times: 1}, made},
	{"what is there cannot be listed", s3test.Fault{Do: s3test.InternalError, Op: s3test.List}, fails},
	{"the listing ends early", s3test.Fault{Do: s3test.ShortBody, Op: s3test.List, Bytes: 300}, fails},
}

// TestLogUnderFaults lets a log grow under every fault by name: what Sync said is
// durable is there, no entry stands twice, and the next run goes on.
func TestLogUnderFaults(t *testing.T) {
	server := s3test.Start(t)
	all := newAtOnce(t, 32)
	defer all.wg.Wait()
	for _, c := range logCases {
		all.run(c.name, func(t *testing.T) { c.run(t, newSite(t, server, optionsFor(c.fault))) })
	}
}

func (c *logCase) run(t *testing.T, at *site) {
	a, err := at.store.Append(t.Context(), "_state/log", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	mustSync(t, a, "one ")
	fault := c.fault
	if fault.Op == "" {
		fault.Op = s3test.Put
	}
	at.proxy.Inject(fault)
	err = trySync(a, "two ")
	at.proxy.Heal()
	if fault.Do.Name != "" && at.proxy.Fired(fault.Do.Name) == 0 {
		t.Errorf("%s never fired", fault.Do.Name)
	}
	c.checkError(t, err)
	if c.want == exists {
		return // what somebody else wrote there is no log
	}
	durable := "one "
	if err == nil {
		mustSync(t, a, "three ")
		durable = "one two three "
	} else if again := trySync(a, "three "); again == nil {
		t.Error("a failed appender was of use again")
	}
	clean := openAt(t, at.server.Endpoint, at.server.Bucket, "", quick)
	there := logOf(t, clean)
	if there != durable && (err == nil || there != "one two ") {
		t.Errorf("the log holds %q after %v, want %q", there, err, durable)
	}
	next, err := clean.Append(t.Context(), "_state/log", int64(len(there)))
	if err != nil {
		t.Fatalf("the next run: %v", err)
	}
	defer next.Close()
	mustSync(t, next, "four")
	if now := logOf(t, clean); now != there+"four" {
		t.Errorf("the log holds %q, want %q and four", now, there)
	}
}

func (c *logCase) checkError(t *testing.T, err error) {
	t.Helper()
	superseded := errors.Is(err, store.ErrSuperseded)
	switch c.want {
	case made:
		if err != nil {
			t.Errorf("sync: %v", err)
		}
	case exists:
		if !superseded {
			t.Errorf("sync: %v, want ErrSuperseded", err)
		}
	case expired:
		if err == nil || !strings.Contains(err.Error(), "credentials") {
			t.Errorf("sync: %v, want it to tell to renew the credentials", err)
		}
	default:
		if err == nil || superseded {
			t.Errorf("sync: %v, want an error that is not about another run", err)
		}
	}
}

func trySync(a store.Appender, data string) error {
	if _, err := io.WriteString(a, data); err != nil {
		return err
	}
	return a.Sync()
}

func mustSync(t *testing.T, a store.Appender, data string) {
	t.Helper()
	if err := trySync(a, data); err != nil {
		t.Fatalf("sync %q: %v", data, err)
	}
}

// TestLogReadUnderFaults reads a log of three segments under the faults that an
// object is read under.
func TestLogReadUnderFaults(t *testing.T) {
	server := s3test.Start(t)
	data := random(readSize, 1)
	all := newAtOnce(t, 16)
	defer all.wg.Wait()
	for _, c := range readCases {
		for how, read := range map[string]reading{"in order": inOrder, "at places": atPlaces} {
			if how == "at places" && c.fault.Do.Name != "" && c.fault.Times == forever {
				continue // each place would try for itself, as in order
			}
			all.run(how+"/"+c.name, func(t *testing.T) {
				at := newSite(t, server, optionsFor(c.fault))
				key := writeLog(t, at, data)
				at.proxy.Inject(c.ofGets(2))
				// A log is read ahead: more of it is asked for before the first bytes are read.
				plain, instead := c, c.instead
				plain.instead = nil
				open := func(ctx context.Context) (store.Reader, store.Info, error) {
					r, info, err := at.store.ReadLog(ctx, "_state/log")
					if err == nil && instead != nil {
						instead(t, at.server, key)
					}
					return r, info, err
				}
				plain.run(t, at, key, data, open, read, func() {})
			})
		}
	}
}

// writeLog writes data as three segments, and returns the key of the last that holds any.
func writeLog(t *testing.T, at *site, data []byte) string {
	t.Helper()
	direct := openAt(t, at.server.Endpoint, at.server.Bucket, "", quick)
	a, err := direct.Append(t.Context(), "_state/log", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for i := range 3 {
		mustSync(t, a, string(data[len(data)*i/3:len(data)*(i+1)/3]))
	}
	objects, err := at.server.Objects("_state/")
	if err != nil || len(objects) < 3 {
		t.Fatalf("the log's segments: %v, %v", objects, err)
	}
	return objects[len(objects)-1].Key
}

// TestLateSegmentOfAnOlderRun: a segment of a run that was given up reaches the server
// when the next run has begun. Nothing of the next run is lost.
func TestLateSegmentOfAnOlderRun(t *testing.T) {
	server := s3test.Start(t)
	for _, wait := range []time.Duration{time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond} {
		t.Run(fmt.Sprint(wait), func(t *testing.T) {
			at := newSite(t, server, quick)
			older, err := at.store.Append(t.Context(), "_state/log", 0)
			if err != nil {
				t.Fatal(err)
			}
			defer older.Close()
			mustSync(t, older, "one ")
			at.proxy.Inject(
				s3test.Fault{Do: s3test.LateRequest, Op: s3test.Put, Wait: wait, Times: 1},
				s3test.Fault{Do: s3test.LostRequest, Op: s3test.Put},
			)
			gone := make(chan error, 1)
			go func() { gone <- trySync(older, "late ") }()
			newer := openAt(t, at.server.Endpoint, at.server.Bucket, "", quick)
			a := takeOver(t, newer)
			defer a.Close()
			mustSync(t, a, "two")
			if err := <-gone; err == nil && !strings.Contains(logOf(t, newer), "late ") {
				t.Error("the older run was told that its entry is durable")
			}
			at.landed(t)
			mustSync(t, a, " three")
			if log := logOf(t, newer); log != "one two three" && log != "one late two three" {
				t.Errorf("the log holds %q", log)
			}
			if err := trySync(older, "again"); err == nil {
				t.Error("the older run could go on")
			}
		})
	}
}

// takeOver opens the log for appending, as often as it takes to have read all of it.
func takeOver(t *testing.T, s *s3.Store) store.Appender {
	t.Helper()
	for range 20 {
		a, err := s.Append(t.Context(), "_state/log", int64(len(logOf(t, s))))
		if err == nil {
			return a
		}
		if !errors.Is(err, store.ErrGrown) {
			t.Fatal(err)
		}
	}
	t.Fatal("the log grows for ever")
	return nil
}

// landed waits until the late request was done.
func (at *site) landed(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); ; {
		for _, line := range at.proxy.Trace() {
			if strings.HasPrefix(line, "late ") {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatal("the late request was never done")
		}
		time.Sleep(time.Millisecond)
	}
}
