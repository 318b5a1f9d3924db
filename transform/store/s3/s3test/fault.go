package s3test

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Fault says at which requests something goes wrong, and what. The zero value
// of every field but Do means the least surprising thing.
type Fault struct {
	Do     Action
	Name   string  // for [Proxy.Fired]; the action's where it is ""
	Op     Op      // "" for every operation
	Key    string  // a part of the key; "" for every key
	First  int     // the first of the matching requests that it fires at; 1 where it is 0
	Times  int     // how often it fires; 0 for ever
	Chance float64 // how probable it is to fire where it could; always where it is 0
	Seed   uint64  // for Chance

	Bytes int64         // of a body: how many are let through
	Wait  time.Duration // how long; for a stall and a retry after: 0 for none of it
	Data  []byte        // what somebody else's object holds
	Until chan struct{} // nil, or what a request that is done late waits for after Wait
	Fires func()        // is called when it fires, before anything else happens
}

// armed is a fault that waits for its requests.
type armed struct {
	Fault
	matched int
	left    int // times that it may still fire; negative ones never end
	random  *rand.Rand
}

func (f Fault) arm() *armed {
	if f.Name == "" {
		f.Name = f.Do.Name
	}
	left := f.Times
	if left == 0 {
		left = -1
	}
	return &armed{Fault: f, left: left, random: rand.New(rand.NewPCG(f.Seed, 0))}
}

// due counts a request, and tells whether the fault could fire at it.
func (a *armed) due(op Op, key string) bool {
	if a.Op != "" && a.Op != op || !strings.Contains(key, a.Key) {
		return false
	}
	a.matched++
	if a.matched < a.First || a.left == 0 {
		return false
	}
	return a.Chance == 0 || a.random.Float64() < a.Chance
}

// An Action is what goes wrong with a request. That of the zero value is nothing.
type Action struct {
	Name string
	run  func(*exchange)
}

// Actions that break the connection, or the order of things.
var (
	// LostRequest closes the connection before the server hears of the request.
	LostRequest = Action{"lost request", func(x *exchange) { x.cut("cut") }}
	// LostReply closes the connection after the server has done the request.
	LostReply = Action{"lost reply", func(x *exchange) {
		if x.done() {
			x.cut(x.outcome + "cut")
		}
	}}
	// LateRequest closes the connection, and the server does the request after
	// Wait, when nobody expects it any more.
	LateRequest = Action{"late request", func(x *exchange) {
		x.later(x.fault.Wait)
		x.cut("cut")
	}}
	// EarlyReply says at once that an upload is completed, and the server completes it
	// after Wait: services answer so to a completion that repeats one under way.
	EarlyReply = Action{"early reply", func(x *exchange) {
		x.later(x.fault.Wait)
		x.say(http.StatusOK, "<CompleteMultipartUploadResult><ETag>&quot;0-1&quot;</ETag></CompleteMultipartUploadResult>")
	}}
	// Slow holds the request back for Wait, or until the client gives up where Wait is 0.
	Slow = Action{"slow", func(x *exchange) {
		if x.wait(x.fault.Wait) {
			x.pass()
		}
	}}
)

// Actions that answer in place of the server.
var (
	SlowDown          = refusing("SlowDown", http.StatusServiceUnavailable) // Wait, in seconds, becomes Retry-After
	InternalError     = refusing("InternalError", http.StatusInternalServerError)
	Conflict          = refusing("ConditionalRequestConflict", http.StatusConflict)
	BadDigest         = refusing("BadDigest", http.StatusBadRequest)
	ExpiredToken      = refusing("ExpiredToken", http.StatusBadRequest)
	NoSuchUpload      = refusing("NoSuchUpload", http.StatusNotFound)
	ErrorBody         = refusing("InternalError in a 200", http.StatusOK)
	DoneInternalError = denying("InternalError", http.StatusInternalServerError)
	DonePrecondition  = denying("PreconditionFailed", http.StatusPreconditionFailed) // 412, and the object is ours
	DoneConflict      = denying("ConditionalRequestConflict", http.StatusConflict)
	DoneNoSuchUpload  = denying("NoSuchUpload", http.StatusNotFound)
	DoneErrorBody     = denying("InternalError in a 200", http.StatusOK)
	DoneSlowDown      = denying("SlowDown", http.StatusServiceUnavailable)
)

// refusing answers with an error, and the server hears nothing of the request.
func refusing(what string, status int) Action {
	code, _, _ := strings.Cut(what, " ")
	return Action{what, func(x *exchange) {
		if x.fault.Wait > 0 {
			x.w.Header().Set("Retry-After", strconv.Itoa(int(x.fault.Wait/time.Second)))
		}
		x.refuse(status, code)
	}}
}

// denying answers with an error after the server has done the request.
func denying(what string, status int) Action {
	code, _, _ := strings.Cut(what, " ")
	return Action{what + ", though done", func(x *exchange) {
		if x.done() {
			did := x.outcome
			x.refuse(status, code)
			x.outcome = did + x.outcome
		}
	}}
}

// Actions that change what the server gets to see.
var (
	// ForeignObject puts Data under the key first, as somebody else would. So a
	// conditional put meets a 412, and a pinned read another ETag.
	ForeignObject = Action{"foreign object", func(x *exchange) {
		if x.foreign() {
			x.pass()
		}
	}}
	// UploadGone aborts the key's uploads first, as somebody else would.
	UploadGone = Action{"upload gone", func(x *exchange) {
		if x.gone() {
			x.pass()
		}
	}}
	// UploadTaken aborts the key's uploads and puts Data under the key. A service
	// may take a completion for the repetition of one that went well then.
	UploadTaken = Action{"upload gone, foreign object", func(x *exchange) {
		if x.gone() && x.foreign() {
			x.pass()
		}
	}}
	// IgnoredConditions takes If-Match and If-None-Match off the request.
	IgnoredConditions = Action{"ignored conditions", func(x *exchange) {
		for _, name := range conditionHeaders {
			x.r.Header.Del(name)
		}
		x.resign()
		x.pass()
	}}
	// IgnoredRange takes Range off the request, so that the whole object comes.
	IgnoredRange = Action{"ignored range", func(x *exchange) {
		x.r.Header.Del("Range")
		x.resign()
		x.pass()
	}}
	// DamagedRequest changes a byte of the request's body, number Bytes.
	DamagedRequest = Action{"damaged request", func(x *exchange) {
		x.r.Body = &damaged{ReadCloser: x.r.Body, at: x.fault.Bytes}
		x.pass()
	}}
)

// Actions that change what the client gets to see.
var (
	// OtherETag answers with an ETag that the object does not have.
	OtherETag = Action{"other ETag", func(x *exchange) {
		if response := x.forward(); response != nil {
			response.Header.Set("ETag", `"00000000000000000000000000000000"`)
			x.answer(response)
		}
	}}
	// CutBody closes the connection after Bytes of the body.
	CutBody = Action{"cut body", func(x *exchange) {
		if response := x.forward(); response != nil {
			defer response.Body.Close()
			x.beginBody(response, x.fault.Bytes)
			x.cut(x.outcome + ", cut")
		}
	}}
	// ShortBody sends Bytes of the body and says that this is all.
	ShortBody = Action{"short body", func(x *exchange) {
		if response := x.forward(); response != nil {
			defer response.Body.Close()
			response.ContentLength = min(x.fault.Bytes, response.ContentLength)
			x.beginBody(response, response.ContentLength)
		}
	}}
	// StalledBody sends Bytes of the body, and then nothing until the client gives up.
	StalledBody = Action{"stalled body", func(x *exchange) {
		if response := x.forward(); response != nil {
			defer response.Body.Close()
			x.beginBody(response, x.fault.Bytes)
			x.wait(0)
			x.cut(x.outcome + ", stalled")
		}
	}}
)
