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

	life int
	asks map[int][]int // id -> the lives of the program in which it was asked about

	holds   func(id int) bool // whether the answer to an invocation that begins with this record is held back; nil is no
	reached chan struct{}     // gets a value when one is held back, if there is room
	over    chan struct{}     // closed at the end of the life in which they are
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
	latency, mended, held := m.note(ids)
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
		}
		return // the program is dead by then
	}
	time.Sleep(latency)
	if !mended && bytes.Contains(payload, []byte(poison)) {
		http.Error(w, "the model does not like it", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", r.Header.Get("Accept"))
	w.Header().Set("Content-Length", strconv.Itoa(answers.Len()))
	_, _ = w.Write(answers.Bytes())
}

// note counts an invocation. One that is to be held back gets a channel that is
// closed when it may end.
func (m *model) note(ids []int) (latency time.Duration, mended bool, held chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		m.asks[id] = append(m.asks[id], m.life)
	}
	if m.holds != nil && m.holds(ids[0]) {
		held = m.over
		select {
		case m.reached <- struct{}{}:
		default:
		}
	}
	return m.latency, m.mended, held
}

// hold holds back some invocations until the end of this life. The channel gets a
// value when the first of them has come.
func (m *model) hold(holds func(id int) bool) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holds, m.reached, m.over = holds, make(chan struct{}, 1), make(chan struct{})
	return m.reached
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
	m.latency, m.life, m.asks = latency, 1, map[int][]int{}
}

// die ends a life of the program.
func (m *model) die() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.life++
	close(m.over)
}

// lost counts, for every life, the records that were asked about in it and
// again in a later one.
func (m *model) lost() map[int]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	byLife := map[int]int{}
	for _, lives := range m.asks {
		for i := range lives[1:] {
			if lives[i] != lives[i+1] {
				byLife[lives[i]]++
			}
		}
	}
	return byLife
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
