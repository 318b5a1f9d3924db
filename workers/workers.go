// Package workers speaks to hosts: the inference servers that answer
// invocations. It knows the wire protocol, which host has room, how fast each
// is, and, in one table ([Blame]), what to do when something goes wrong. It
// moves bytes and does not know what they mean.
package workers

import (
	"context"
	"time"
)

// A Fleet is what a job's hosts are, and where more of them come from. It needs
// at least one of either.
type Fleet struct {
	Hosts   []Host
	Sources []Source
}

// A Request is one invocation.
type Request struct {
	// Body is the payload. The host does not touch it after Invoke has
	// returned, so the caller may reuse its memory then.
	Body []byte
	// ContentType and Accept are sent exactly as they stand here.
	ContentType, Accept string
	// Key is the Idempotency-Key: job/object/first record/count.
	Key string
	// Object and First name the payload's first record for the host's logs.
	Object string
	First  int64
	// Into is memory for the response body; the body is appended to Into[:0].
	Into []byte
	// Reserve is called before the response body grows by n more bytes, and
	// may block until the job has memory for them. The request's timeout does
	// not run meanwhile. Nil means that memory is not counted.
	Reserve func(ctx context.Context, n int) error
}

// A Response is a whole answer from a host, whatever its status.
type Response struct {
	Status      int
	ContentType string
	// Body is the decompressed body: for a 2xx all of it, for other statuses
	// at most the first KiB. It is Request.Into, or grown from it.
	Body []byte
	// Unframed is set when the body's end was marked by nothing but the end of
	// the connection, so that a cut cannot be told from an end.
	Unframed bool
	// RetryAfter is what the header of that name asks for; 0 without one.
	RetryAfter time.Duration
	// Location is the header of that name, on a redirect.
	Location string
}

// Parameters are what GET /execution-parameters may tell; zero is not told.
type Parameters struct {
	MaxConcurrent int   // MaxConcurrentTransforms
	SingleRecord  bool  // BatchStrategy is SingleRecord
	MaxPayload    int64 // MaxPayloadInMB, in bytes
}

// A Host is one inference server. Its methods may be called concurrently.
type Host interface {
	// Name is the host's URL, without secrets, as messages and the manifest show it.
	Name() string
	// Ready asks once whether the host is ready. An error is "not yet", and
	// says why. A host that has no ping is always ready.
	Ready(ctx context.Context) (Parameters, error)
	// Invoke sends one request and reads the whole response, within the
	// host's timeout. Every status is a response; the error is for what never
	// became one, and is a *TransportError unless ctx has ended.
	Invoke(ctx context.Context, r *Request) (Response, error)
}

// A Kept host is one whose server somebody has to start, and to start again
// when it ends.
type Kept interface {
	Host
	// Keep starts the server, and starts it again, after pauses that grow, each
	// time it ends by itself. It returns ctx's error once that has ended, or
	// says why it gave the server up. When it returns, nothing is left of what
	// it started, for which it takes a bounded time. It is called once.
	Keep(ctx context.Context) error
}

// A Source finds hosts that come and go, such as the addresses behind a name.
type Source interface {
	// Name is the source as messages show it, without secrets.
	Name() string
	// Watch calls found with all hosts that there are, once they are known and
	// after every change, from one goroutine. A host that stays is the same
	// value each time. What goes wrong meanwhile is told to trouble, and tried
	// again. Watch returns ctx's error once that has ended.
	Watch(ctx context.Context, found func([]Host), trouble func(error)) error
}
