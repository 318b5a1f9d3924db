package job

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/batchmill/batchmill/workers"
)

// CheckS3 checks how S3 is to be reached, and refuses an endpoint with secrets, which
// must not stand in manifests and messages.
func (s *Spec) CheckS3() error {
	const example = "write for example https://minio.example or http://127.0.0.1:9000"
	if err := s.checkS3Terms(); err != nil {
		return err
	}
	if s.S3Endpoint == "" {
		return nil
	}
	u, err := url.Parse(s.S3Endpoint)
	switch {
	case err != nil:
		return Usagef(example, "--s3-endpoint is not a URL") // err would repeat a secret
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return Usagef("give credentials as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or by AWS_PROFILE",
			"--s3-endpoint: a user, a query or a fragment has no meaning there")
	case !workers.ValidPort(u):
		return Usagef(example, "--s3-endpoint: %s is not a port, which is a number up to 65535", u.Port())
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return Usagef(example, "--s3-endpoint %q is not a URL of http or https", s.S3Endpoint)
	}
	return nil
}

// acls are the canned ACLs of objects.
const acls = "private, public-read, public-read-write, authenticated-read, aws-exec-read, bucket-owner-read, bucket-owner-full-control"

// checkS3Terms checks what the bucket's owner asks of requests. The service would refuse some of it only when
// the first output is whole.
func (s *Spec) checkS3Terms() error {
	for _, c := range []struct{ flag, value, known string }{
		{"s3-path-style", s.S3PathStyle, "auto, yes, no"},
		{"s3-sse", s.S3SSE, "AES256, aws:kms, aws:kms:dsse"},
		{"s3-acl", s.S3ACL, acls},
		{"s3-request-payer", s.S3Payer, "requester"},
	} {
		if c.value != "" && !slices.Contains(strings.Split(c.known, ", "), c.value) {
			return Usagef("", "--%s %q is not known; use %s", c.flag, c.value, c.known)
		}
	}
	if s.S3KMSKey != "" && !strings.HasPrefix(s.S3SSE, "aws:kms") {
		return Usagef("add --s3-sse aws:kms", "--s3-sse-kms-key-id is the key of --s3-sse aws:kms, and --s3-sse is %q", s.S3SSE)
	}
	if s.S3Tags == "" {
		return nil
	}
	return checkTags(s.S3Tags)
}

// The bounds of a tag, and of the tags of an object, by Amazon's page "Categorizing your storage using tags".
const (
	mostTags  = 10
	tagKeyMax = 128
	tagMax    = 256
)

func checkTags(text string) error {
	const write = "write NAME=VALUE,NAME=VALUE"
	tags := strings.Split(text, ",")
	if len(tags) > mostTags {
		return Usagef("", "--s3-tags: %d tags, and an object takes %d", len(tags), mostTags)
	}
	seen := map[string]bool{}
	for _, tag := range tags {
		k, v, ok := strings.Cut(tag, "=")
		switch {
		case !ok || k == "":
			return Usagef(write, "--s3-tags: %q is no tag", tag)
		case strings.Contains(v, "=") || !utf8.ValidString(tag):
			return Usagef(write, "--s3-tags: the value of %q holds %q", k, v)
		case seen[k]:
			return Usagef("", "--s3-tags: %q stands there twice", k)
		case utf8.RuneCountInString(k) > tagKeyMax || utf8.RuneCountInString(v) > tagMax:
			return Usagef("", "--s3-tags: %.40q is too long: a name has at most %d characters, a value %d", k, tagKeyMax, tagMax)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return Usagef("", "--s3-tags: names that begin with aws: are Amazon's: %q", k)
		}
		seen[k] = true
	}
	return nil
}
