package s3

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	homeRegion = "us-east-1" // what other services call theirs, and where Amazon knows all buckets
	maxBackoff = 20 * time.Second
)

// newClient makes a client for one bucket. Region, profile, credentials and
// endpoint come from where all AWS tools look for them. Missing credentials
// are found here, before anything is sent to the bucket.
func newClient(ctx context.Context, bucket string, o Options) (*s3.Client, error) {
	c, err := connect(ctx, bucket, o)
	return c, wrap("open", scheme+bucket, err)
}

// sdkLog gives what the SDK has to say to the standard logger, without the values,
// which may be keys or data.
type sdkLog struct{}

func (sdkLog) Logf(_ logging.Classification, format string, _ ...any) {
	_ = log.Output(2, "AWS SDK: "+format)
}

func connect(ctx context.Context, bucket string, o Options) (*s3.Client, error) {
	if !validBucket(bucket) && !isAccessPoint(bucket) {
		return nil, fmt.Errorf("%q is no name of a bucket", bucket)
	}
	if err := checkEndpoint(o.Endpoint); err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(sdkLog{}))
	if err != nil {
		return nil, fmt.Errorf("the AWS configuration: %s", clean(places(err.Error()), 500))
	}
	if o.Anonymous {
		cfg.Credentials = aws.AnonymousCredentials{}
	} else {
		k := newKeys(cfg.Credentials)
		if _, err := k.Retrieve(ctx); err != nil {
			return nil, noKeys(ctx, err)
		}
		cfg.Credentials = k.CredentialsCache
		cfg.APIOptions = append(cfg.APIOptions, k.add)
	}
	cfg.HTTPClient = newTransport(cfg.HTTPClient, o)
	cfg.RetryMaxAttempts = 0 // or it would count beside o.Attempts
	cfg.Retryer = func() aws.Retryer { return newRetryer(o) }
	c := s3.NewFromConfig(cfg, func(so *s3.Options) { address(so, bucket, o) })
	if err := checkEndpoint(aws.ToString(c.Options().BaseEndpoint)); err != nil {
		return nil, fmt.Errorf("in the AWS configuration: %w", err)
	}
	if !amazonHost(aws.ToString(c.Options().BaseEndpoint)) || isAccessPoint(bucket) {
		return c, nil
	}
	region, err := findRegion(ctx, c, bucket, cfg.Region)
	if err != nil || region == c.Options().Region {
		return c, err
	}
	cfg.Region = region
	return s3.NewFromConfig(cfg, func(so *s3.Options) { address(so, bucket, o) }), nil
}

// address settles where requests go, and what the service there may be asked.
func address(so *s3.Options, bucket string, o Options) {
	if o.Endpoint != "" {
		so.BaseEndpoint = &o.Endpoint
	}
	if region := regionOf(bucket); region != "" {
		so.Region = region
	}
	if so.Region == "" {
		so.Region = homeRegion
	}
	amazon := amazonHost(aws.ToString(so.BaseEndpoint))
	switch o.PathStyle {
	case "yes":
		so.UsePathStyle = true
	case "no":
		so.UsePathStyle = false
	default:
		so.UsePathStyle = !amazon || !hostBucket(bucket)
	}
	if isAccessPoint(bucket) { // its host is its own
		so.UsePathStyle = false
	}
	so.DisableLogOutputChecksumValidationSkipped = true
	if !amazon {
		// Others refuse what they do not know; our own uploads carry sums
		// where the service takes them.
		so.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		so.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	}
}

// amazonHost tells whether an endpoint is one of Amazon's; "" is the usual one.
func amazonHost(endpoint string) bool {
	if endpoint == "" {
		return true
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}

// checkEndpoint takes "" and http or https URLs without what has no meaning
// there. Of others its errors show no more than scheme and host: a password
// or a token in the rest would end up in messages.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil: // its text holds the URL
		return errors.New("the S3 endpoint is no URL: write it as https://host or http://host:port")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return errors.New("the S3 endpoint is no URL of http or https with a host: write it as https://host or http://host:port")
	case u.User != nil:
		return fmt.Errorf("the S3 endpoint %s holds a user: give credentials as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", place(u))
	case u.RawQuery != "", u.Fragment != "":
		return fmt.Errorf("the S3 endpoint %s has a query or a fragment, which mean nothing there: write it as https://host or http://host:port", place(u))
	}
	return nil
}

// place is what may be shown of a URL.
func place(u *url.URL) string { return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String() }

// addresses finds URLs in a text.
var addresses = regexp.MustCompile(`https?://[^\s"]+`)

// places cuts the URLs in a text to what may be shown of them. The SDK's errors
// tell whole ones of services that hand out credentials.
func places(text string) string {
	return addresses.ReplaceAllStringFunc(text, func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			return "an address"
		}
		return place(u)
	})
}

// newRetryer is the only layer of retries for what a request ends with. Its
// quota is off: it is filled by requests that need no retry, and one long outage
// would empty it for a run that has made few of them.
func newRetryer(o Options) aws.Retryer {
	return retry.NewStandard(func(so *retry.StandardOptions) {
		so.MaxAttempts, so.MaxBackoff = o.Attempts, maxBackoff
		so.RateLimiter = ratelimit.None
		so.Retryables = append(so.Retryables,
			retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusRequestTimeout: {}, http.StatusTooManyRequests: {}}},
			// As the body of a 200: a copy or a completion that failed on the way.
			retry.RetryableErrorCode{Codes: map[string]struct{}{"InternalError": {}, "ServiceUnavailable": {}}})
	})
}

// newTransport takes over the proxy and the certificates that the AWS configuration names.
func newTransport(configured aws.HTTPClient, o Options) *transport {
	client, ok := configured.(*awshttp.BuildableClient)
	if !ok {
		client = awshttp.NewBuildableClient()
	}
	t := client.GetTransport()
	// One connection of HTTP/2 would carry everything, and go no faster than one.
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.DisableCompression = true
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 2*o.Concurrency, 2*o.Concurrency
	t.ResponseHeaderTimeout = 2 * o.Stall
	t.ReadBufferSize, t.WriteBufferSize = 16<<10, 64<<10
	return &transport{t, o.Stall}
}

// findRegion asks which region the bucket is in. Amazon tells it even in
// refusals: to who asked elsewhere, and to who may not see the bucket.
func findRegion(ctx context.Context, c *s3.Client, bucket, configured string) (string, error) {
	out, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket})
	var answered *smithyhttp.ResponseError
	found := ""
	if err == nil {
		found = aws.ToString(out.BucketRegion)
	} else if errors.As(err, &answered) {
		found = answered.Response.Header.Get("X-Amz-Bucket-Region")
	}
	switch {
	case validRegion(found):
		return found, nil
	case status(err) == http.StatusNotFound:
		return "", &serviceError{status: http.StatusNotFound, code: "NoSuchBucket", message: "the bucket does not exist"}
	case err == nil, status(err) == http.StatusForbidden && configured != "":
		return c.Options().Region, nil
	case configured == "" && status(err) != 0:
		return "", errors.New("cannot find out the bucket's region: set AWS_REGION")
	}
	return "", err
}

// validRegion keeps out of a host's name what does not belong there.
func validRegion(region string) bool {
	return region != "" && len(region) < 40 && strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// noKeys is the error of a run without credentials.
func noKeys(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	text := strings.ReplaceAll(err.Error(), "failed to refresh cached credentials, ", "")
	if strings.HasPrefix(text, "no EC2 IMDS role found") { // the last place of all; why it has none helps nobody
		text = "none found"
	}
	return fmt.Errorf("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, "+
		"or run where a role is attached (%s)", clean(places(text), 300))
}
