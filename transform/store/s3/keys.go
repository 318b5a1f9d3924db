package s3

import (
	"context"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/middleware"
)

// keys are the credentials that requests are signed with. When the service says
// that they have expired, the AWS configuration is read again, once for each
// request that fails, so that a long run goes on with rotated ones. The SDK
// alone would not: it reads a credentials file once in a process's life.
type keys struct {
	*aws.CredentialsCache

	mu      sync.Mutex
	renewed int // how often
}

// newKeys hands out what first gives, and what the configuration gives after a renewal.
func newKeys(first aws.CredentialsProvider) *keys {
	k := new(keys)
	k.CredentialsCache = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		if k.count() == 0 {
			return first.Retrieve(ctx)
		}
		cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(sdkLog{}))
		if err != nil {
			return aws.Credentials{}, err
		}
		return cfg.Credentials.Retrieve(ctx)
	}))
	return k
}

func (k *keys) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.renewed
}

// renew forgets the credentials, unless another request has done so since seen
// was counted: of many requests that fail together, one renews for all.
func (k *keys) renew(seen int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.renewed == seen {
		k.renewed++
		k.Invalidate()
	}
}

// add puts k around the SDK's retries.
func (k *keys) add(stack *middleware.Stack) error {
	return stack.Finalize.Insert(k, "Retry", middleware.Before)
}

// ID is the middleware's name.
func (k *keys) ID() string { return "RenewCredentials" }

// HandleFinalize sends a request once more when its credentials had expired.
func (k *keys) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	seen := k.count()
	out, metadata, err := next.HandleFinalize(ctx, in)
	if err == nil || !mayBeExpired(err) {
		return out, metadata, err
	}
	if body, ok := in.Request.(interface{ RewindStream() error }); ok && body.RewindStream() != nil {
		return out, metadata, err
	}
	k.renew(seen)
	return next.HandleFinalize(ctx, in)
}

// mayBeExpired tells whether other credentials could help. An answer to HEAD
// has no body that says so: expired ones look like any bad request.
func mayBeExpired(err error) bool {
	switch code(err) {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidAccessKeyId":
		return true
	case "BadRequest":
		return status(err) == http.StatusBadRequest
	}
	return false
}
