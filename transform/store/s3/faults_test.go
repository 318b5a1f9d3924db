package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// quick are options under which a fault that lasts is given up soon.
var quick = s3.Options{Attempts: 3, Stall: 10 * time.Second, Part: partOfTest}

// optionsFor are quick, unless one of the faults is a want of answers: these are
// waited for no longer than a busy machine needs. The server answers the completion
// of an upload that is no more, over an older object, as if it had been carried out; the
// object is then waited for.
func optionsFor(faults ...s3test.Fault) s3.Options {
	o := quick
	for _, f := range faults {
		if f.Do.Name == s3test.Slow.Name || f.Do.Name == s3test.StalledBody.Name {
			o.Attempts, o.Stall = 4, 5*time.Second
			if f.Times == 0 { // no answer comes however long the wait
				o.Stall = 700 * time.Millisecond
			}
		}
		if f.Do.Name == s3test.UploadGone.Name {
			o.Stall = 2 * time.Second
		}
	}
	return o
}

// partOfTest is the least that the server takes for a part that is not the last.
const partOfTest = 5 << 20

// site is a bucket with a proxy before it, for one test.
type site struct {
	server *s3test.Server
	proxy  *s3test.Proxy
	store  *s3.Store // through the proxy
}

func newSite(t *testing.T, s *s3test.Server, o s3.Options) *site {
	t.Helper()
	bucket, err := s.NewBucket()
	if err != nil {
		t.Fatal(err)
	}
	p := s3test.NewProxy(t, bucket)
	return &site{bucket, p, openAt(t, p.Endpoint, bucket.Bucket, "", o)}
}

// atOnce runs subtests at the same time: most of them wait, for the pauses between tries.
type atOnce struct {
	t       *testing.T
	wg      sync.WaitGroup
	running chan struct{}
}

func newAtOnce(t *testing.T, most int) *atOnce {
	return &atOnce{t: t, running: make(chan struct{}, most)}
}

func (a *atOnce) run(name string, test func(t *testing.T)) {
	a.running <- struct{}{}
	a.wg.Go(func() {
		defer func() { <-a.running }()
		a.t.Run(name, test)
	})
}

// random is n bytes that no other seed gives.
func random(n int, seed uint64) []byte {
	data := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(data)
	return data
}

// want is what a commit under a fault comes to.
type want uint8

const (
	made    want = iota // success
	exists              // fs.ErrExist
	fails               // another error
	expired             // an error that says that credentials have expired
)

// writeCase is one fault while an object is written. Every one runs as one put
// and as a multipart upload, unless it is only for one.
type writeCase struct {
	name   string
	faults []s3test.Fault // at the request that makes the object, where they name no operation
	want   want
	only   s3test.Op // Put or Complete: the case makes sense only there
	maybe  bool      // nobody can tell whether it was made, so it may be there after an error
	orphan bool      // the upload may be left to Clean: nobody was told its id
}

func f(do s3test.Action, times int) []s3test.Fault {
	return []s3test.Fault{{Do: do, Times: times}}
}

func at(op s3test.Op, do s3test.Action, times int) []s3test.Fault {
	return []s3test.Fault{{Do: do, Op: op, Times: times}}
}

const forever = 0

var foreign = []byte("what somebody else wrote")

// foreignFault has somebody else put an object first.
func foreignFault(do s3test.Action) []s3test.Fault {
	return []s3test.Fault{{Do: do, Times: 1, Data: foreign}}
}

var writeCases = []writeCase{
	{name: "no fault", want: made},
	{name: "lost request once", faults: f(s3test.LostRequest, 1), want: made},
	{name: "lost request for ever", faults: f(s3test.LostRequest, forever), want: fails},
	{name: "lost reply once", faults: f(s3test.LostReply, 1), want: made},
	{name: "lost reply for ever", faults: f(s3test.LostReply, forever), want: made},
	{name: "lost reply, and nothing can be seen", want: fails, maybe: true, faults: append(f(s3test.LostReply, forever), at(s3test.Head, s3test.InternalError, forever)...)},
	{name: "late request", faults: []s3test.Fault{{Do: s3test.LateRequest, Times: 1, Wait: 20 * time.Millisecond}}, want: made},
	{name: "200 before it is done", faults: []s3test.Fault{{Do: s3test.EarlyReply, Times: 1, Wait: 500 * time.Millisecond}}, want: made, only: s3test.Complete},
	{name: "no answer once", faults: f(s3test.Slow, 1), want: made},
	{name: "200 with an error body once", faults: f(s3test.ErrorBody, 1), want: made, only: s3test.Complete},
	{name: "200 with an error body for ever", faults: f(s3test.ErrorBody, forever), want: fails, only: s3test.Complete},
	{name: "200 with an error body, though done, once", faults: f(s3test.DoneErrorBody, 1), want: made, only: s3test.Complete},
	{name: "200 with an error body, though done, for ever", faults: f(s3test.DoneErrorBody, forever), want: made, only: s3test.Complete},
	{name: "500 once", faults: f(s3test.InternalError, 1), want: made},
	{name: "500 for ever", faults: f(s3test.InternalError, forever), want: fails},
	{name: "500, though done, once", faults: f(s3test.DoneInternalError, 1), want: made},
	{name: "500, though done, for ever", faults: f(s3test.DoneInternalError, forever), want: made},
	{name: "409 once", faults: f(s3test.Conflict, 1), want: made},
	{name: "409 for ever", faults: f(s3test.Conflict, forever), want: fails},
	{name: "409, though done", faults: f(s3test.DoneConflict, 1), want: made},
	{name: "412 own", faults: f(s3test.DonePrecondition, 1), want: made},
	{name: "412 own for ever", faults: f(s3test.DonePrecondition, forever), want: made},
	{name: "412 foreign", faults: foreignFault(s3test.ForeignObject), want: exists},
	{name: "412 foreign behind a lost request", want: exists, faults: append(f(s3test.LostRequest, 1), foreignFault(s3test.ForeignObject)...)},
	{name: "NoSuchUpload, though there is one", faults: f(s3test.NoSuchUpload, 1), want: fails, only: s3test.Complete},
	{name: "NoSuchUpload, for it is done", faults: f(s3test.DoneNoSuchUpload, 1), want: made, only: s3test.Complete},
	{name: "NoSuchUpload, for it was aborted", faults: f(s3test.UploadGone, 1), want: fails, only: s3test.Complete},
	{name: "aborted upload, and a foreign object", faults: foreignFault(s3test.UploadTaken), want: exists, only: s3test.Complete},
	{name: "SlowDown twice", faults: f(s3test.SlowDown, 2), want: made},
	{name: "SlowDown with Retry-After", faults: []s3test.Fault{{Do: s3test.SlowDown, Times: 1, Wait: time.Second}}, want: made},
	{name: "SlowDown for ever", faults: f(s3test.SlowDown, forever), want: fails},
	{name: "SlowDown, though done, for ever", faults: f(s3test.DoneSlowDown, forever), want: made},
	{name: "BadDigest once", faults: f(s3test.BadDigest, 1), want: made, only: s3test.Put},
	{name: "BadDigest for ever", faults: f(s3test.BadDigest, forever), want: fails},
	{name: "damaged once", faults: []s3test.Fault{{Do: s3test.DamagedRequest, Times: 1, Bytes: 99}}, want: made, only: s3test.Put},
	{name: "damaged for ever", faults: []s3test.Fault{{Do: s3test.DamagedRequest, Bytes: 99}}, want: fails, only: s3test.Put},
	{name: "expired credentials once", faults: f(s3test.ExpiredToken, 1), want: made},
	{name: "expired credentials for ever", faults: f(s3test.ExpiredToken, forever), want: expired},

	{name: "lost request to begin", faults: at(s3test.CreateUpload, s3test.LostRequest, 1), want: made, only: s3test.Complete},
	{name: "lost reply to begin", faults: at(s3test.CreateUpload, s3test.LostReply, 1), want: made, only: s3test.Complete, orphan: true},
	{name: "lost reply to begin, for ever", faults: at(s3test.CreateUpload, s3test.LostReply, forever), want: fails, only: s3test.Complete, orphan: true},
	{name: "lost request of a part", faults: at(s3test.UploadPart, s3test.LostRequest, 1), want: made, only: s3test.Complete},
	{name: "lost reply to a part", faults: at(s3test.UploadPart, s3test.LostReply, 1), want: made, only: s3test.Complete},
	{name: "late part", faults: []s3test.Fault{{Do: s3test.LateRequest, Op: s3test.UploadPart, Times: 1, Wait: 20 * time.Millisecond}}, want: made, only: s3test.Complete},
	{name: "no part arrives", faults: at(s3test.UploadPart, s3test.LostRequest, forever), want: fails, only: s3test.Complete},
	{name: "a part expires for ever", faults: at(s3test.UploadPart, s3test.ExpiredToken, forever), want: expired, only: s3test.Complete},
	{name: "SlowDown at a part", faults: at(s3test.UploadPart, s3test.SlowDown, 2), want: made, only: s3test.Complete},
	{name: "BadDigest at a part", faults: at(s3test.UploadPart, s3test.BadDigest, 1), want: made, only: s3test.Complete},
	{name: "damaged part", faults: []s3test.Fault{{Do: s3test.DamagedRequest, Op: s3test.UploadPart, Times: 1, Bytes: 3 << 20}}, want: made, only: s3test.Complete},
	{name: "NoSuchUpload at a part", faults: at(s3test.UploadPart, s3test.NoSuchUpload, 1), want: fails, only: s3test.Complete},
	{name: "lost reply to the end of an upload", want: fails, only: s3test.Complete, faults: append(f(s3test.InternalError, forever), at(s3test.Abort, s3test.LostReply, 1)...)},
}

// TestWriteUnderFaults writes an object under every fault by name: as one put
// and as an upload, where nothing is and over an older object.
func TestWriteUnderFaults(t *testing.T) {
	server := s3test.Start(t)
	data := random(1000+partOfTest, 1)
	for _, op := range []s3test.Op{s3test.Put, s3test.Complete} {
		all := newAtOnce(t, map[s3test.Op]int{s3test.Put: 32, s3test.Complete: 16}[op]) // by how much they hold
		for _, mode := range []store.Mode{store.New, store.Replace} {
			for _, c := range writeCases {
				if c.runs(op, mode) {
					name := fmt.Sprintf("%s/%s/%s", op, []string{"new", "replace"}[mode], c.name)
					all.run(name, func(t *testing.T) { c.run(t, newSite(t, server, optionsFor(c.faults...)), op, mode, data) })
				}
			}
		}
		all.wg.Wait()
	}
}

// runs tells whether the case makes sense. What happens to parts has nothing to do with
// what is replaced, and is tried once.
func (c *writeCase) runs(op s3test.Op, mode store.Mode) bool {
	ofParts := len(c.faults) > 0 && c.faults[0].Op != ""
	return (c.only == "" || c.only == op) && (mode == store.New || !ofParts)
}

func (c *writeCase) run(t *testing.T, at *site, op s3test.Op, mode store.Mode, ours []byte) {
	if op == s3test.Put {
		ours = ours[:1000]
	}
	var before []byte
	if mode == store.Replace {
		before = []byte("what was there before")
		if _, err := at.server.Put("d/o", before); err != nil {
			t.Fatal(err)
		}
	}
	at.store.Own("job-1")
	err := write(t, at.store, "d/o", mode, ours, func() {
		for _, fault := range c.faults {
			if fault.Op == "" {
				fault.Op = op
			}
			at.proxy.Inject(fault)
		}
	})
	for _, fault := range c.faults {
		if at.proxy.Fired(fault.Do.Name) == 0 {
			t.Errorf("%s never fired", fault.Do.Name)
		}
	}
	at.proxy.Heal()
	c.check(t, at, err, ours, before)
}

// check compares what Commit said with what is there.
func (c *writeCase) check(t *testing.T, at *site, err error, ours, before []byte) {
	t.Helper()
	c.checkError(t, err)
	there, head, getErr := at.server.Get("d/o")
	if getErr != nil && !isStatus(getErr, 404) {
		t.Fatal(getErr)
	}
	switch isOurs := bytes.Equal(there, ours); {
	case err == nil && !isOurs:
		t.Errorf("Commit succeeded, and %d other bytes are there", len(there))
	case err == nil && head.Get("X-Amz-Meta-Batchmill-Job") != "job-1":
		t.Errorf("the object does not say whose it is: %v", head)
	case err != nil && isOurs && !c.maybe:
		t.Errorf("Commit failed, though the object is there and ours: %v", err)
	case err != nil && !isOurs && !bytes.Equal(there, before) && !bytes.Equal(there, foreign):
		t.Errorf("%d bytes are there that nobody wrote", len(there))
	case c.want == exists && !bytes.Equal(there, foreign):
		t.Error("the other one's object is gone")
	}
	at.wantNoUploads(t, c.orphan)
}

func (c *writeCase) checkError(t *testing.T, err error) {
	t.Helper()
	var e *store.Error
	if err != nil && !errors.As(err, &e) {
		t.Errorf("%T is no *store.Error", err)
	}
	exist := errors.Is(err, fs.ErrExist)
	switch c.want {
	case made:
		if err != nil {
			t.Errorf("commit: %v", err)
		}
	case exists:
		if !exist {
			t.Errorf("commit: %v, want fs.ErrExist", err)
		}
	case fails:
		if err == nil || exist {
			t.Errorf("commit: %v, want an error that is not about another object", err)
		}
	case expired:
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte("credentials")) {
			t.Errorf("commit: %v, want it to tell to renew the credentials", err)
		}
	}
}

// wantNoUploads checks that no unfinished upload is left, or, where one may be, that Clean finds it.
func (at *site) wantNoUploads(t *testing.T, cleaned bool) {
	t.Helper()
	if cleaned {
		for _, err := range at.store.Clean(t.Context(), func(string) bool { return true }) {
			if err != nil {
				t.Error(err)
			}
		}
	}
	uploads, err := at.server.Uploads("")
	if err != nil || len(uploads) != 0 {
		t.Errorf("unfinished uploads are left: %v, %v", uploads, err)
	}
}

// write creates an object, calls begun, and writes it. It returns the error of
// the step that failed, and aborts the object then.
func write(t *testing.T, s store.Store, name string, mode store.Mode, data []byte, begun func()) error {
	t.Helper()
	o, err := s.Create(t.Context(), name, mode)
	if err != nil {
		return err
	}
	begun()
	defer func() {
		if err := o.Abort(); err != nil {
			t.Errorf("abort: %v", err)
		}
	}()
	for len(data) > 0 {
		n := min(len(data), 100_000)
		if _, err := o.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return o.Commit(t.Context())
}

func isStatus(err error, status int) bool {
	var refused *s3test.StatusError
	return errors.As(err, &refused) && refused.Status == status
}
