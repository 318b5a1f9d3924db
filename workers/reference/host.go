// Package reference is a small host on the container contract, for trying
// things out, for tests and for measuring. The host answers with a model that can be
// recomputed by hand, and can be slow or faulty on purpose.
//
// The model is linear. The score of a record is 0.5 plus, for each field that is a
// number, the position of the field (the first is 1) times the value. Fields that are
// not numbers have a position and add nothing. The CSV record 3,x,2 scores
// 0.5 + 1*3 + 3*2 = 9.5. The fields of a JSON record are its scalars in their order,
// however deep.
//
// The host takes text/csv, application/jsonlines and application/json: an array of
// records, or an object with the records under "instances", or as rows of a table
// under "dataframe_split". The answers have the type that Accept names, by default the
// type of the request: a number on each line, or {"predictions":[...]}.
package reference

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how the host behaves. The host of the zero value is fast, without faults,
// and takes every payload.
type Options struct {
	// Latency is how long an invocation takes, Jitter the longest random time on top.
	Latency, Jitter time.Duration
	// PerRecord is the time on top for each record of an invocation.
	PerRecord time.Duration
	// Growth is the share by which an invocation takes longer for each other invocation
	// in service when it begins.
	Growth float64
	// MaxConcurrent is how many invocations are served at once; 0 is no limit. Further
	// invocations get a 429, or wait with Queue.
	MaxConcurrent int
	Queue         bool
	// FaultRate is the share of invocations, 0 to 1, with a random one of FaultKinds
	// (all when empty). Seed makes the choice repeatable.
	FaultRate  float64
	FaultKinds []Fault
	Seed       uint64
	// MaxBody is the largest payload in bytes; a larger payload gets a 413. 0 is no limit.
	MaxBody int64
	// BadValue is a text; every payload with the text gets a 500. "" is no text.
	BadValue string
	// ReadyAfter is how long after New the host becomes ready.
	ReadyAfter time.Duration
	// Tell makes /execution-parameters answer; without Tell the path is a 404.
	Tell bool
	// Objects makes JSON answers {"score":n} instead of n.
	Objects bool
	// Cheap replaces the model by one that takes almost no time per record: the answer
	// is 0.d, where d is the last digit of the record's first field, 0 without a digit.
	// Cheap is for CSV without quoted line breaks and for JSON Lines; application/json
	// is answered by the usual model.
	Cheap bool
}

// A Host is an http.Handler on the container contract.
type Host struct {
	options    Options
	readyAt    time.Time
	places     chan struct{} // holds a token for each invocation in service; nil without MaxConcurrent
	mu         sync.Mutex    // guards random and overrun
	random     *rand.Rand
	overrun    time.Duration // the time that invocations took too long, less what repay took off
	serving    atomic.Int64
	slowFactor atomic.Int64 // the factor of Slow; 0 is 1
	requests   atomic.Int64
	records    atomic.Int64
}

// Validate names the field that is wrong and its fix.
func (o Options) Validate() error {
	switch {
	case o.Latency < 0 || o.Jitter < 0 || o.PerRecord < 0 || o.ReadyAfter < 0:
		return errors.New("a negative duration: give --latency, --jitter, --per-record and --ready-after at least 0")
	case !(o.Growth >= 0 && o.Growth <= 1000):
		return fmt.Errorf("--growth is %v: give a share of at least 0, such as 0.05", o.Growth)
	case o.MaxConcurrent < 0 || o.MaxBody < 0:
		return errors.New("a negative limit: give --max-concurrent and --max-body at least 0")
	case !(o.FaultRate >= 0 && o.FaultRate <= 1):
		return fmt.Errorf("--fault-rate is %v: give a share between 0 and 1", o.FaultRate)
	}
	for _, kind := range o.FaultKinds {
		if _, err := ParseFault(string(kind)); err != nil {
			return err
		}
	}
	return nil
}

// New makes a host. ReadyAfter counts from the call of New.
func New(o Options) (*Host, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if len(o.FaultKinds) == 0 {
		o.FaultKinds = Faults()
	}
	h := &Host{options: o, readyAt: time.Now().Add(o.ReadyAfter), random: rand.New(rand.NewPCG(o.Seed, 1))}
	if o.MaxConcurrent > 0 {
		h.places = make(chan struct{}, o.MaxConcurrent)
	}
	return h, nil
}

// Served is the number of invocations that came in, and of the records that were
// answered without a fault.
func (h *Host) Served() (requests, records int64) { return h.requests.Load(), h.records.Load() }

// ServeHTTP answers /ping, /execution-parameters and /invocations.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ping" && r.Method == http.MethodGet:
		if time.Now().Before(h.readyAt) {
			http.Error(w, "not ready yet", http.StatusServiceUnavailable)
		}
	case r.URL.Path == "/execution-parameters" && r.Method == http.MethodGet && h.options.Tell:
		h.parameters(w)
	case r.URL.Path == "/invocations" && r.Method == http.MethodPost:
		h.requests.Add(1)
		h.admit(w, r)
	case r.URL.Path == "/invocations":
		http.Error(w, "POST here", http.StatusMethodNotAllowed)
	default:
		http.NotFound(w, r)
	}
}

func (h *Host) parameters(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	told := map[string]any{"BatchStrategy": "MULTI_RECORD"}
	if h.options.MaxConcurrent > 0 {
		told["MaxConcurrentTransforms"] = h.options.MaxConcurrent
	}
	if megabytes := h.options.MaxBody >> 20; megabytes > 0 {
		told["MaxPayloadInMB"] = megabytes
	}
	_ = json.NewEncoder(w).Encode(told) // a client that has gone away needs no answer
}

// admit serves an invocation once MaxConcurrent allows it.
func (h *Host) admit(w http.ResponseWriter, r *http.Request) {
	if time.Now().Before(h.readyAt) {
		http.Error(w, "not ready yet", http.StatusServiceUnavailable)
		return
	}
	if h.places != nil {
		select {
		case h.places <- struct{}{}:
		default:
			if !h.options.Queue {
				http.Error(w, "too many invocations at once", http.StatusTooManyRequests)
				return
			}
			select {
			case h.places <- struct{}{}:
			case <-r.Context().Done():
				return
			}
		}
		defer func() { <-h.places }()
	}
	t := turn{begun: time.Now(), concurrent: int(h.serving.Add(1) - 1)}
	defer h.serving.Add(-1) // before the token in places is free
	h.serve(w, r, t)
}

// bodies recycles buffers: with many small requests their memory is most of the cost.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (h *Host) serve(w http.ResponseWriter, r *http.Request, t turn) {
	in, out := bodies.Get().(*bytes.Buffer), bodies.Get().(*bytes.Buffer)
	defer bodies.Put(in)
	defer bodies.Put(out)
	in.Reset()
	out.Reset()
	if h.options.MaxBody > 0 {
		if r.ContentLength > h.options.MaxBody {
			h.tooLarge(w)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, h.options.MaxBody)
	}
	if _, err := in.ReadFrom(r.Body); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			h.tooLarge(w)
			return
		}
		http.Error(w, "the payload broke off: "+err.Error(), http.StatusBadRequest)
		return
	}
	h.answer(w, r, t, in.Bytes(), out)
}

func (h *Host) tooLarge(w http.ResponseWriter) {
	http.Error(w, fmt.Sprintf("payloads may have %d bytes", h.options.MaxBody), http.StatusRequestEntityTooLarge)
}

// answer scores the payload, and writes the answers or the fault when the time of the
// invocation is over.
func (h *Host) answer(w http.ResponseWriter, r *http.Request, t turn, payload []byte, out *bytes.Buffer) {
	in, accept, status := h.types(r)
	if status != 0 {
		http.Error(w, "give Content-Type and Accept as text/csv, application/jsonlines or application/json", status)
		return
	}
	fault, drawn := h.draw()
	var n int
	var err error
	short := fault == FaultShort
	if h.options.Cheap && in != typeJSON && accept != typeJSON {
		n = cheap(out, payload, short)
	} else {
		n, err = h.score(out, payload, in, accept, short)
	}
	h.pause(r, t, h.serviceTime(t, drawn, n, fault), func() {
		bad := h.options.BadValue
		switch {
		case bad != "" && bytes.Contains(payload, []byte(bad)):
			http.Error(w, "the model fails on "+strconv.Quote(bad), http.StatusInternalServerError)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", accept)
		if !h.inject(w, out, n, fault) {
			h.records.Add(int64(n))
			h.write(w, out.Bytes())
		}
	})
}

func (h *Host) write(w io.Writer, body []byte) {
	if rw, ok := w.(http.ResponseWriter); ok {
		rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	_, _ = w.Write(body) // a client that has gone away needs no answer
}
