// Package reference is a small host on the container contract, for trying
// things out, for tests and for measuring. It answers with a model that can be
// recomputed by hand, and can be slow or faulty on purpose.
//
// The model is linear. A record's score is 0.5 plus, for each of its fields
// that is a number, the field's position (the first is 1) times its value.
// Fields that are not numbers take a position and add nothing. So the CSV
// record 3,x,2 scores 0.5 + 1*3 + 3*2 = 9.5. The fields of a JSON record are
// its scalars in the order they stand, however deep.
//
// It takes text/csv, application/jsonlines and application/json (an array of
// records, or an object with them under "instances", or as rows of a table
// under "dataframe_split"), and answers in the type
// that Accept names, by default in the one it got: a number a line, or
// {"predictions":[...]}.
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

// Options say how the host behaves; the zero value is fast, honest and takes
// everything.
type Options struct {
	// Latency is how long each invocation takes, Jitter a random time on top.
	Latency, Jitter time.Duration
	// PerRecord is how much longer an invocation takes for each of its records.
	PerRecord time.Duration
	// Growth is the share by which each other invocation in service lengthens
	// one that begins.
	Growth float64
	// MaxConcurrent is how many invocations are served at once; 0 is no limit.
	// Those above get a 429, or wait in silence with Queue.
	MaxConcurrent int
	Queue         bool
	// FaultRate is the share of invocations, 0 to 1, that meet one of
	// FaultKinds (all when empty) at random. Seed makes the choice repeatable.
	FaultRate  float64
	FaultKinds []Fault
	Seed       uint64
	// MaxBody is the largest payload in bytes, above which there is a 413; 0 is no limit.
	MaxBody int64
	// BadValue is a text that makes every payload that holds it fail with a 500.
	BadValue string
	// ReadyAfter is how long after New the host becomes ready.
	ReadyAfter time.Duration
	// Tell answers /execution-parameters; without it that is a 404.
	Tell bool
	// Objects makes the answers {"score":n} where they are JSON.
	Objects bool
	// Cheap costs almost nothing per record: a record's answer is 0.d, where d is
	// the last digit of its first field (0 without). It takes CSV without
	// quoted line breaks, and JSON Lines; application/json it answers as ever.
	Cheap bool
	// Answer replaces the model: it gets a record's fields, and what it returns
	// is the answer, as it is. It may be called concurrently.
	Answer func(fields []string) string
}

// A Host is an http.Handler on the container contract.
type Host struct {
	o        Options
	ready    time.Time
	places   chan struct{} // one for each invocation being served; nil without limit
	mu       sync.Mutex    // guards random and overrun
	random   *rand.Rand
	overrun  time.Duration // what invocations took too long, and is not given back yet
	serving  atomic.Int64
	slower   atomic.Int64 // times; 0 is 1
	requests atomic.Int64
	records  atomic.Int64
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

// New makes a host; time until it is ready runs from here.
func New(o Options) (*Host, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if len(o.FaultKinds) == 0 {
		o.FaultKinds = Faults()
	}
	h := &Host{o: o, ready: time.Now().Add(o.ReadyAfter), random: rand.New(rand.NewPCG(o.Seed, 1))}
	if o.MaxConcurrent > 0 {
		h.places = make(chan struct{}, o.MaxConcurrent)
	}
	return h, nil
}

// Served counts the invocations that came in, and the records answered in full
// and without a fault.
func (h *Host) Served() (requests, records int64) { return h.requests.Load(), h.records.Load() }

// ServeHTTP is the container contract.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ping" && r.Method == http.MethodGet:
		if time.Now().Before(h.ready) {
			http.Error(w, "not ready yet", http.StatusServiceUnavailable)
		}
	case r.URL.Path == "/execution-parameters" && r.Method == http.MethodGet && h.o.Tell:
		h.tell(w)
	case r.URL.Path == "/invocations" && r.Method == http.MethodPost:
		h.requests.Add(1)
		h.admit(w, r)
	case r.URL.Path == "/invocations":
		http.Error(w, "POST here", http.StatusMethodNotAllowed)
	default:
		http.NotFound(w, r)
	}
}

func (h *Host) tell(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	told := map[string]any{"BatchStrategy": "MULTI_RECORD"}
	if h.o.MaxConcurrent > 0 {
		told["MaxConcurrentTransforms"] = h.o.MaxConcurrent
	}
	if megabytes := h.o.MaxBody >> 20; megabytes > 0 {
		told["MaxPayloadInMB"] = megabytes
	}
	_ = json.NewEncoder(w).Encode(told) // who has gone away needs no answer
}

// admit lets an invocation in once there is a place for it.
func (h *Host) admit(w http.ResponseWriter, r *http.Request) {
	if time.Now().Before(h.ready) {
		http.Error(w, "not ready yet", http.StatusServiceUnavailable)
		return
	}
	if h.places != nil {
		select {
		case h.places <- struct{}{}:
		default:
			if !h.o.Queue {
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
	t := turn{begun: time.Now(), others: int(h.serving.Add(1) - 1)}
	defer h.serving.Add(-1) // before its place is free
	h.serve(w, r, t)
}

// bodies are recycled: at many small requests their memory is most of the cost.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (h *Host) serve(w http.ResponseWriter, r *http.Request, t turn) {
	in, out := bodies.Get().(*bytes.Buffer), bodies.Get().(*bytes.Buffer)
	defer bodies.Put(in)
	defer bodies.Put(out)
	in.Reset()
	out.Reset()
	if h.o.MaxBody > 0 {
		if r.ContentLength > h.o.MaxBody {
			h.tooLarge(w)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, h.o.MaxBody)
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
	http.Error(w, fmt.Sprintf("payloads may have %d bytes", h.o.MaxBody), http.StatusRequestEntityTooLarge)
}

// answer scores the payload, and writes the answers, or the fault, when the
// invocation's time is over.
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
	if h.o.Cheap && in != typeJSON && accept != typeJSON {
		n = cheap(out, payload, short)
	} else {
		n, err = h.score(out, payload, in, accept, short)
	}
	h.pause(r, t, h.takes(t, drawn, n, fault), func() {
		bad := h.o.BadValue
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
	_, _ = w.Write(body) // who has gone away needs no answer
}
