package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/batchmill/batchmill/transform/store"
)

// ErrChanged says that an object is no longer what was opened. The bytes that
// were read before are all of the first version.
var ErrChanged = store.ErrChanged

// errPrecondition says that a conditional request found another state than it asked for.
var errPrecondition = errors.New("the condition does not hold")

// A serviceError is what a request ended with, in a line. It holds none of the
// SDK's errors: some of them call a timeout of the network a context's.
type serviceError struct {
	status  int    // of HTTP; 0 when there was no answer
	code    string // of S3; "" when there was no answer
	message string
	request string // the service's name for the request
	tries   int    // 0 when it was not repeated
	kind    error  // fs.ErrNotExist, errPrecondition or nil
}

func (e *serviceError) Unwrap() error { return e.kind }

func (e *serviceError) Error() string {
	var b strings.Builder
	b.WriteString(e.code)
	if e.message != "" && e.message != e.code {
		if e.code != "" {
			b.WriteString(": ")
		}
		b.WriteString(strings.TrimSuffix(e.message, "."))
	}
	if e.request != "" {
		fmt.Fprintf(&b, " (request %s)", e.request)
	}
	if e.tries > 1 {
		fmt.Fprintf(&b, ", tried %d times", e.tries)
	}
	if next := e.next(); next != "" {
		b.WriteString("; " + next)
	}
	return b.String()
}

const (
	renewKeys   = "renew the credentials, and run it again"
	otherRegion = "the bucket is in another region: set AWS_REGION"
	fewer       = "the service wants fewer requests: run it again later"
	permission  = "the credentials lack a permission for it; without s3:ListBucket, what is missing looks like this too"
)

// nextSteps says what to do about a code, where that is not plain.
var nextSteps = map[string]string{
	"NoSuchBucket":                       "make the bucket, or correct its name",
	"AccessDenied":                       permission,
	"Forbidden":                          permission,
	"AllAccessDisabled":                  permission,
	"PermanentRedirect":                  otherRegion,
	"TemporaryRedirect":                  otherRegion,
	"MovedPermanently":                   otherRegion,
	"AuthorizationHeaderMalformed":       otherRegion,
	"IllegalLocationConstraintException": otherRegion,
	"InvalidAccessKeyId":                 "check AWS_ACCESS_KEY_ID or AWS_PROFILE, and whether the endpoint is the one they are for",
	"SignatureDoesNotMatch":              "check AWS_SECRET_ACCESS_KEY; a proxy that changes requests does this too",
	"ExpiredToken":                       renewKeys,
	"ExpiredTokenException":              renewKeys,
	"TokenRefreshRequired":               renewKeys,
	"InvalidToken":                       renewKeys,
	"RequestTimeTooSkewed":               "set this machine's clock",
	"SlowDown":                           fewer,
	"ServiceUnavailable":                 fewer,
	"InvalidObjectState":                 "the object is archived: restore it first",
}

func (e *serviceError) next() string {
	if e.status == 0 && e.code == "" {
		return "check the endpoint and the network"
	}
	return nextSteps[e.code]
}

// wrap makes err, which an operation of the SDK or this package returned, a
// *store.Error. Context errors stay bare.
func wrap(op, uri string, err error) error {
	var known *store.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if ended := contextError(err); ended != nil {
		return ended
	}
	return &store.Error{Op: op, URI: uri, Err: explain(err)}
}

// contextError finds the caller's context error in err. It compares values:
// timeouts of the network say of themselves that they are
// context.DeadlineExceeded, and would look as if the caller had given up.
func contextError(err error) error {
	for ; err != nil; err = errors.Unwrap(err) {
		if err == context.Canceled || err == context.DeadlineExceeded {
			return err
		}
	}
	return nil
}

// explain makes an error of the SDK a *serviceError; others stay as they are.
func explain(err error) error {
	var operation *smithy.OperationError
	var done *serviceError
	if errors.As(err, &done) || !errors.As(err, &operation) {
		return err
	}
	e := &serviceError{status: status(err), code: clean(code(err), 64)}
	var tried *retry.MaxAttemptsError
	if errors.As(err, &tried) {
		e.tries = tried.Attempt
	}
	var answered *awshttp.ResponseError
	if errors.As(err, &answered) {
		e.request = clean(answered.RequestID, 64)
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		e.message = clean(api.ErrorMessage(), 300)
	} else {
		e.message = clean(innermost(err), 300)
	}
	switch {
	case isMissing(e):
		e.kind = fs.ErrNotExist
	case isPrecondition(e):
		e.kind = errPrecondition
	}
	return e
}

// innermost is the text of err without what the SDK puts around it.
func innermost(err error) string {
	var sent *smithyhttp.RequestSendError
	if errors.As(err, &sent) {
		return sent.Err.Error()
	}
	for {
		_, operation := err.(*smithy.OperationError)
		_, tried := err.(*retry.MaxAttemptsError)
		_, answered := err.(interface{ HTTPStatusCode() int })
		inner := errors.Unwrap(err)
		if inner == nil || !operation && !tried && !answered {
			return err.Error()
		}
		err = inner
	}
}

// clean makes text from the service fit for a terminal, and cuts it at most bytes.
func clean(text string, most int) string {
	text = strings.ToValidUTF8(text[:min(len(text), most)], "")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// status is the HTTP status that err ended with, 0 when there was none.
func status(err error) int {
	var done *serviceError
	if errors.As(err, &done) {
		return done.status
	}
	var answered interface{ HTTPStatusCode() int }
	if errors.As(err, &answered) {
		return answered.HTTPStatusCode()
	}
	return 0
}

// code is the error code of S3 in err, "" when there is none. Answers to HEAD
// have no body; their code is made of the status: NotFound, Forbidden.
func code(err error) string {
	var done *serviceError
	if errors.As(err, &done) {
		return done.code
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// isMissing tells whether err says that the object is not there. A bucket or an
// upload that is not there is something else.
func isMissing(err error) bool {
	switch code(err) {
	case "NoSuchKey", "NotFound":
		return true
	case "NoSuchBucket", "NoSuchUpload":
		return false
	}
	return status(err) == http.StatusNotFound
}

// isPrecondition tells whether a conditional request was refused for its condition.
func isPrecondition(err error) bool {
	return errors.Is(err, errPrecondition) || status(err) == http.StatusPreconditionFailed || code(err) == "PreconditionFailed"
}

// isConflict tells whether another request on the same key was under way.
func isConflict(err error) bool { return status(err) == http.StatusConflict }

// isNoSuchUpload tells whether a multipart upload is over, whatever its end was.
func isNoSuchUpload(err error) bool { return code(err) == "NoSuchUpload" }

// isNotImplemented tells whether the service does not know the request, or a header of it.
func isNotImplemented(err error) bool {
	return status(err) == http.StatusNotImplemented || code(err) == "NotImplemented"
}
