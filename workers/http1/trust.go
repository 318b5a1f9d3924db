package http1

import "sync/atomic"

// A Trust tells whether a response is what it seems to be. What the server says beside its
// responses puts a response into doubt. Another response shows that the responses of a connection may
// have slipped: each but the first may be that to an earlier request. Anything else
// shows that the latest response was longer than its framing said.
type Trust struct {
	relied  atomic.Pointer[func()]
	doubted atomic.Bool
	slip    *Trust // of the connection; nil for a response that cannot be that to an earlier request
}

// Rely notes that the caller builds on the response. False says that the response is in
// doubt. If that is found later, doubted is called, from any goroutine. Of the responses of one
// connection only the last of Rely's functions is called.
func (t *Trust) Rely(doubted func()) bool {
	if t.slip != nil && !t.slip.Rely(doubted) {
		return false
	}
	t.relied.Store(&doubted)
	return !t.doubted.Load()
}

// Doubted tells whether the response is in doubt.
func (t *Trust) Doubted() bool { return t.doubted.Load() || t.slip != nil && t.slip.Doubted() }

// Doubt puts the response into doubt, and tells the caller that builds on it by now.
func (t *Trust) Doubt() {
	if t.doubted.Swap(true) {
		return
	}
	if tell := t.relied.Load(); tell != nil {
		(*tell)()
	}
}
