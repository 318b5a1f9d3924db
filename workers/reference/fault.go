package reference

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Fault is a way to fail on purpose.
type Fault string

// The faults. The empty string is no fault.
const (
	Fault500      Fault = "500"      // the model fails
	Fault503      Fault = "503"      // no room
	FaultReset    Fault = "reset"    // the connection is reset, no response
	FaultTruncate Fault = "truncate" // half of the body that Content-Length promises
	FaultGarble   Fault = "garble"   // a 200 that cannot be parsed
	FaultShort    Fault = "short"    // one answer too few
	FaultSlow     Fault = "slow"     // the right answers, 2 seconds later
)

// slowBy is how much longer a slow invocation takes.
const slowBy = 2 * time.Second

// Faults lists all faults.
func Faults() []Fault {
	return []Fault{Fault500, Fault503, FaultReset, FaultTruncate, FaultGarble, FaultShort, FaultSlow}
}

// ParseFault reads the name of a fault.
func ParseFault(s string) (Fault, error) {
	if !slices.Contains(Faults(), Fault(s)) {
		var names []string
		for _, f := range Faults() {
			names = append(names, string(f))
		}
		return "", fmt.Errorf("no fault is called %q: give one of %s", s, strings.Join(names, ", "))
	}
	return Fault(s), nil
}

// draw chooses the fault of an invocation, if any, and the latency with jitter.
func (h *Host) draw() (fault Fault, delay time.Duration) {
	delay = h.options.Latency
	if h.options.FaultRate == 0 && h.options.Jitter == 0 {
		return "", delay
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.options.Jitter > 0 {
		delay += time.Duration(h.random.Int64N(int64(h.options.Jitter) + 1))
	}
	if h.random.Float64() < h.options.FaultRate {
		fault = h.options.FaultKinds[h.random.IntN(len(h.options.FaultKinds))]
	}
	return fault, delay
}

// inject writes the response of a fault, and tells whether it did; n is the number of
// records. The answers in out are already short for FaultShort.
func (h *Host) inject(w http.ResponseWriter, out *bytes.Buffer, n int, fault Fault) bool {
	switch fault {
	case Fault500:
		http.Error(w, "injected fault", http.StatusInternalServerError)
	case Fault503:
		http.Error(w, "injected fault", http.StatusServiceUnavailable)
	case FaultReset:
		reset(w)
	case FaultTruncate:
		w.Header().Set("Content-Length", fmt.Sprint(out.Len()+1))
		_, _ = w.Write(out.Bytes()[:out.Len()/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // makes net/http cut the response off
	case FaultGarble:
		// Neither CSV nor JSON, and one line too many for a format without rules.
		h.write(w, bytes.Repeat([]byte("\"garbled\x00\n"), n+1))
	case FaultShort:
		h.write(w, out.Bytes())
	default:
		return false
	}
	return true
}

// reset closes the connection so that the client sees it break, without a response.
func reset(w http.ResponseWriter) {
	hj, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hj.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // Close resets the connection
	}
	_ = conn.Close()
}
