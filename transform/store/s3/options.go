package s3

import "time"

// Options say how to reach a bucket and how much memory to take for it. The
// zero value is ready.
type Options struct {
	// Endpoint is the URL of a service other than Amazon's; "" leaves it to
	// AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL and the profile.
	Endpoint string
	// PathStyle is "yes" for http://host/bucket/key, "no" for
	// http://bucket.host/key, "" or "auto" for yes wherever the endpoint is not
	// Amazon's or the bucket's name cannot be a host's.
	PathStyle string
	// Anonymous sends requests without a signature, as public buckets take them.
	Anonymous bool
	// OddKeys reads keys that are no paths under names with codes: see oddkeys.go. Without it such keys are
	// passed over, for nothing that the store wrote has one.
	OddKeys bool
	// Terms are what the bucket's owner asks of requests.
	Terms Terms
	// Memory bounds, in bytes, what is read ahead and what waits to be sent,
	// half for each: 64 MiB.
	Memory int64
	// Concurrency is how many requests are worth having under way: 64.
	Concurrency int
	// Stall is how long a response may bring no byte before it is asked for
	// again: 30 s. Attempts is how often a request is tried, and how often in
	// a row a body is reopened without bringing a byte: 8.
	Stall    time.Duration
	Attempts int
	// Part is the size of an upload's first thousand parts: 8 MiB.
	Part int64
}

func (o Options) withDefaults() Options {
	if o.Memory <= 0 {
		o.Memory = 64 << 20
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 64
	}
	if o.Stall <= 0 {
		o.Stall = 30 * time.Second
	}
	if o.Attempts <= 0 {
		o.Attempts = 8
	}
	if o.Part <= 0 {
		o.Part = 8 << 20
	}
	return o
}
