package s3

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/batchmill/batchmill/transform/store"
)

const scheme = "s3://"

// Parse reads s3://bucket, s3://bucket/key or s3://bucket/folder/. What follows
// the bucket is the key as it is: no percent-encoding, no query, no fragment.
// Keys that no [store.Store] can name ("a//b", "../a") are refused.
func Parse(uri string) (Location, error) {
	rest, ok := strings.CutPrefix(uri, scheme)
	if !ok {
		return Location{}, fmt.Errorf("%q is no address of the form s3://bucket/key", uri)
	}
	bucket, key, slash := strings.Cut(rest, "/")
	if strings.HasPrefix(rest, "arn:") {
		if bucket = strings.TrimSuffix(accessPoint.FindString(rest), "/"); bucket == "" {
			return Location{}, fmt.Errorf("%q: of ARNs only those of access points in a region are addresses: s3://arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/key", uri)
		}
		_, key, slash = strings.Cut(rest[len(bucket):], "/")
	}
	if !validBucket(bucket) && !isAccessPoint(bucket) {
		return Location{}, fmt.Errorf("%q: %q is no name of a bucket: 3 to 255 letters, digits, dots, hyphens, underscores", uri, bucket)
	}
	if key == "" {
		return Location{Bucket: bucket, Folder: slash}, nil
	}
	key, folder := strings.CutSuffix(key, "/")
	if !store.ValidName(key) {
		return Location{}, fmt.Errorf("%q: %w: a key is UTF-8 and has no empty element, no \".\" and no \"..\"", uri, store.ErrBadName)
	}
	return Location{Bucket: bucket, Key: key, Folder: folder}, nil
}

// accessPoint finds the ARN of an access point at the beginning of what follows the scheme.
var accessPoint = regexp.MustCompile(`^arn:aws(-cn|-us-gov)?:s3:[a-z0-9-]+:[0-9]{12}:accesspoint[/:][a-z0-9][a-z0-9-]{1,48}[a-z0-9](?:$|/)`)

// isAccessPoint tells whether a bucket is named by the ARN of an access point.
func isAccessPoint(bucket string) bool {
	return accessPoint.FindString(bucket) == bucket && bucket != ""
}

// regionOf is the region of an access point; "" of a bucket that has a name.
func regionOf(bucket string) string {
	if !isAccessPoint(bucket) {
		return ""
	}
	return strings.Split(bucket, ":")[3]
}

// String is the address that Parse reads.
func (l Location) String() string {
	uri := scheme + l.Bucket
	if l.Key != "" {
		uri += "/" + l.Key
	}
	if l.Folder {
		uri += "/"
	}
	return uri
}

// validBucket is lenient: old buckets and other services have names that
// Amazon gives no more. It keeps out what would change the request's address.
func validBucket(name string) bool {
	if len(name) < 3 || len(name) > 255 || name[0] == '.' || strings.Contains(name, "..") {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// hostBucket tells whether a bucket's name can be the first label of a host's
// name. A dot would break the certificate's wildcard.
func hostBucket(name string) bool {
	return len(name) <= 63 && name == strings.ToLower(name) && !strings.ContainsAny(name, "._") &&
		name[0] != '-' && name[len(name)-1] != '-'
}
