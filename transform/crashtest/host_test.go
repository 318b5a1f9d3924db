//go:build unix

package crashtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"
)

// poison is a record that no host answers, unless it has been mended.
const poison = "poison"

// model answers every record by its id, the first number in it, and counts how
// often it was asked about each. It speaks CSV and JSON Lines.
type model struct {
	mu      sync.Mutex
	latency time.Duration
	mended  bool // poison harms it no more

	life   int
	asks   map[int][]int // id -> the lives of the program in which it was asked about
	served []invocation  // in order
}

// invocation is one that was answered.
type invocation struct {
	when    time.Time
	records int
}

func newModel(latency time.Duration) *model {
	return &model{latency: latency, life: 1, asks: map[int][]int{}}
}

// serve starts a host with the model, which ends with the test, and gives its URL.
func (m *model) serve(t *testing.T) string {
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	return s.URL
}

func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/ping":
	case "/invocations":
		m.invoke(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (m *model) invoke(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return // whoever sent it is dead
	}
	var answers bytes.Buffer
	ids := recordIDs(payload)
	for _, id := range ids {
		fmt.Fprintf(&answers, "%d.50\n", 3*id)
	}
	latency, mended := m.note(ids)
	time.Sleep(latency)
	if !mended && bytes.Contains(payload, []byte(poison)) {
		http.Error(w, "the model does not like it", http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	m.served = append(m.served, invocation{time.Now(), len(ids)})
	m.mu.Unlock()
	w.Header().Set("Content-Type", r.Header.Get("Accept"))
	w.Header().Set("Content-Length", strconv.Itoa(answers.Len()))
	_, _ = w.Write(answers.Bytes())
}

func (m *model) note(ids []int) (latency time.Duration, mended bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		m.asks[id] = append(m.asks[id], m.life)
	}
	return m.latency, m.mended
}

// mend lets the model answer poison too.
func (m *model) mend() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mended = true
}

// begin forgets who was asked what, and begins the first life with a latency.
func (m *model) begin(latency time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latency, m.life, m.asks, m.served = latency, 1, map[int][]int{}, nil
}

// die ends a life of the program, and returns what was answered in it.
func (m *model) die() []invocation {
	m.mu.Lock()
	defer m.mu.Unlock()
	served := m.served
	m.life++
	m.served = nil
	return served
}

// lost counts, for every life, the records that were asked about in it and
// again in a later one; and those asked about twice in one life.
func (m *model) lost() (byLife map[int]int, within int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	byLife = map[int]int{}
	for _, lives := range m.asks {
		for i := range lives[1:] {
			if lives[i] == lives[i+1] {
				within++
			} else {
				byLife[lives[i]]++
			}
		}
	}
	return byLife, within
}

// recordIDs finds the records of a payload: every one has "#", its id and
// a semicolon in it, and nothing else does.
func recordIDs(payload []byte) []int {
	var ids []int
	for {
		_, rest, found := bytes.Cut(payload, []byte("#"))
		if !found {
			return ids
		}
		digits, rest, _ := bytes.Cut(rest, []byte(";"))
		id, err := strconv.Atoi(string(digits))
		if err != nil {
			panic(fmt.Sprintf("a payload that is none of ours: %q", digits))
		}
		ids, payload = append(ids, id), rest
	}
}
