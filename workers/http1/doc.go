// Package http1 is the client's side of HTTP/1.1 (RFC 9112): one request at a
// time on a connection, and no byte of one response ever in another.
//
// The standard client reads ahead on a connection that rests, and gives what
// has come to the next request. A server that sends a response twice so
// answers requests that it never saw. A [Client] looks at a connection at the
// last instant before the next request's head is written: a connection that
// holds anything is closed, and its server is asked on a new connection for
// each request from then on. Before the first connections are used again they
// rest for [Options.Rest], so that a server that repeats itself as a rule is
// found before anything can be mistaken.
//
// A late repetition, which comes after the next head, looks like that
// request's response. The true response then comes as a surplus later. When
// another response is found, every response that had followed another on that
// connection falls into doubt: see [Trust]. [Client.Examine] waits for a true
// response that may still come. A response that names its request ends such
// doubts: see [Response.Own]. A surplus that is no response belongs to the
// response before it, whose framing was wrong.
//
// Responses are parsed by net/http. Redirects, cookies, proxies, HTTP/2 and
// decompression have no place here, and no request is ever sent twice.
package http1
