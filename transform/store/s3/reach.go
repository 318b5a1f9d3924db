package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A first request is not tried for as long as others: what is wrong with it is
// mostly the address, and somebody may be waiting before a terminal.
const (
	reachAttempts = 3
	reachTime     = 20 * time.Second
)

// Reach finds out, by one small request, whether the service answers, knows the
// bucket, and lets these credentials list what begins with prefix.
func (s *Store) Reach(parent context.Context, prefix string) error {
	ctx, cancel := context.WithTimeout(parent, reachTime)
	defer cancel()
	_, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.key(prefix)), MaxKeys: aws.Int32(1)},
		func(o *s3.Options) { o.RetryMaxAttempts = min(reachAttempts, s.o.Attempts) })
	if err != nil && ctx.Err() != nil && parent.Err() == nil {
		err = &serviceError{message: fmt.Sprintf("no answer within %s", reachTime)}
	}
	if code(err) == "AccessDenied" {
		err = permitted(err, "s3:ListBucket")
	}
	return wrap("reach", s.URI(prefix), err)
}

// Temporary tells whether err, which an operation of this package returned, may
// go away by itself: the service could not be reached, or had no time. All else
// (no credentials, no permission, no such bucket) has to be mended first.
func Temporary(err error) bool {
	var e *serviceError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return true
	case !errors.As(err, &e):
		return false
	}
	return e.status == 0 || e.status >= http.StatusInternalServerError ||
		e.status == http.StatusRequestTimeout || e.status == http.StatusTooManyRequests
}

// Archived tells whether err says that an object has to be restored before it can be read.
func Archived(err error) bool { return code(err) == "InvalidObjectState" }

// Denied tells whether err says that the credentials do not allow an operation.
func Denied(err error) bool { return status(err) == http.StatusForbidden }
