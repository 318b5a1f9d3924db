// Package s3test gives tests a real S3 server, and a proxy before it that
// breaks things by name.
//
//	server.go    one process of versitygw on a loopback port, with a folder as its root
//	start.go     the same for tests: one server for a test package, a bucket for each test
//	client.go    requests to it without an SDK: put, get, delete, and what is left in a bucket
//	sign.go      AWS Signature Version 4
//	proxy.go     passes requests on, counts them, and lets faults fire
//	fault.go     the faults by name
//	bucket       a package of its own: a bucket in memory, which knows the SDK
//
// It does not import the AWS SDK: what a test believes about the server must not
// come from the code that is tested, and tests outside transform/store/s3 use it too.
//
// The server is posix below. It cannot hold an object "a" beside an object "a/b",
// and no element of a key may be longer than 255 bytes.
package s3test
