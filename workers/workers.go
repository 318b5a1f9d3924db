// Package workers speaks to hosts: the inference servers that answer
// invocations. The package knows the wire protocol, which host has room, how
// fast each host is, and, in one table ([Blame]), what to do when a request
// fails. It moves bytes and does not know what the bytes mean.
//
// A [Host] is one server: an [HTTPHost], or any type with the three methods of
// the interface. A [Pool] is a [Fleet] of hosts at work: [Pool.Acquire] leases a
// place at a host, [Lease.Invoke] sends the request, [Classify] and [Blame] say
// what came of the request and what to do next, and [Lease.Release] tells the
// pool. The pool finds how many requests a host takes at once; a [Sizer] finds
// how many records a batch should have.
package workers

import (
	"context"
	"time"

	"github.com/batchmill/batchmill/workers/http1"
)

// A Fleet names the hosts of a job, and the sources that find more hosts. A
// fleet needs at least one host or one source.
type Fleet struct {
	Hosts   []Host
	Sources []Source
}

// A Request is one invocation.
type Request struct {
	// Body is the payload. After Invoke has returned the host does not touch
	// Body any more, and the caller may reuse its memory.
	Body []byte
	// ContentType and Accept are sent byte for byte.
	ContentType, Accept string
	// Key is the Idempotency-Key: job/object/first record/count.
	Key string
	// Object and First name the payload's first record for the host's logs.
	Object string
	First  int64
	// Into is the caller's memory for the response body, which is appended to
	// Into[:0].
	Into []byte
	// Reserve is called before the response body grows by n bytes, and may block
	// until the job has memory for n more bytes. The request's timeout stands
	// still meanwhile. Nil means that memory is not counted.
	Reserve func(ctx context.Context, n int) error
}

// A Response is a whole answer from a host, whatever its status.
type Response struct {
	Status      int
	ContentType string
	// Body is the decompressed body: for a 2xx the whole body, for other
	// statuses at most the first KiB. Its memory is Request.Into, or replaces it.
	Body []byte
	// Unframed says that nothing but the end of the connection marked the
	// body's end, so a truncated body looks like a whole one.
	Unframed bool
	// RetryAfter is the wait that the header Retry-After asks for; 0 without the header.
	RetryAfter time.Duration
	// Location is the header Location of a redirect.
	Location string
	// Trust is nil for a response that nothing can put into doubt. The caller asks
	// Trust before it relies on the answers.
	Trust *Trust
}

// A Trust tells whether a response may be that to an earlier request, or a part of a longer one.
type Trust = http1.Trust

// Parameters are a host's answer to GET /execution-parameters. A zero field
// means that the host does not say.
type Parameters struct {
	MaxConcurrent int   // MaxConcurrentTransforms
	SingleRecord  bool  // BatchStrategy is SingleRecord
	MaxPayload    int64 // MaxPayloadInMB, in bytes
}

// A Host is one inference server. Its methods may be called concurrently.
type Host interface {
	// Name is the host's URL without secrets, as messages and the manifest show the host.
	Name() string
	// Ready asks once whether the host is ready. An error means "not yet", and
	// says why. A host without a ping is always ready.
	Ready(ctx context.Context) (Parameters, error)
	// Invoke sends one request and reads the whole response, within the
	// host's timeout. Every status is a response. The error is about a request
	// without a response, and is a *TransportError, a *TooLargeResponseError, or
	// the error of ctx.
	Invoke(ctx context.Context, r *Request) (Response, error)
}

// A Kept host is a host whose server batchmill starts, and starts again when
// the server ends.
type Kept interface {
	Host
	// Keep starts the server, and starts the server again, after pauses that
	// grow, each time the server ends by itself. Keep is called once. It returns
	// the error of ctx once ctx has ended, or why the server was given up. When
	// Keep returns, nothing that it started is left; ending the server takes a
	// bounded time.
	Keep(ctx context.Context) error
}

// A Source finds hosts that come and go, such as the addresses behind a name.
type Source interface {
	// Name is the source as messages show the source, without secrets.
	Name() string
	// Watch calls found, from one goroutine, with all hosts of the source: once
	// the hosts are known, and after every change. A host that stays is the same
	// value in each call. A failure is given to trouble, and the source tries
	// again. Watch returns the error of ctx once ctx has ended.
	Watch(ctx context.Context, found func([]Host), trouble func(error)) error
}
