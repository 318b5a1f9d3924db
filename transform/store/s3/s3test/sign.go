package s3test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Keys are credentials, and the region that requests are signed for.
type Keys struct {
	Access string
	Secret string
	Region string
}

const (
	hashHeader = "X-Amz-Content-Sha256"
	dateHeader = "X-Amz-Date"
)

// sign signs a request by its headers, as "Signature Version 4" in the Amazon
// S3 API reference describes it (Authenticating Requests: Using the
// Authorization Header). payload is what the body hashes to, in hexadecimal, or
// one of the words that stand for an unsigned one. What the request was signed
// with before is taken off.
//
// Only the host and the x-amz headers are signed; the standard asks for no more.
func (k Keys) sign(r *http.Request, payload string, now time.Time) {
	stamp := now.UTC().Format("20060102T150405Z")
	r.Header.Del("Authorization")
	r.Header.Set(dateHeader, stamp)
	r.Header.Set(hashHeader, payload)
	names, headers := canonicalHeaders(r)
	canonical := strings.Join([]string{
		r.Method, r.URL.EscapedPath(), canonicalQuery(r), headers, names, payload,
	}, "\n")
	scope := stamp[:8] + "/" + k.Region + "/s3/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hexHash([]byte(canonical))
	key := []byte("AWS4" + k.Secret)
	for _, part := range []string{stamp[:8], k.Region, "s3", "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+k.Access+"/"+scope+
		", SignedHeaders="+names+", Signature="+hex.EncodeToString(key))
}

// canonicalHeaders writes the signed headers one to a line, and names them.
func canonicalHeaders(r *http.Request) (names, lines string) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	values := map[string]string{"host": host}
	for name, value := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
			values[lower] = strings.Join(strings.Fields(strings.Join(value, ",")), " ")
		}
	}
	var all []string
	for name := range values {
		all = append(all, name)
	}
	slices.Sort(all)
	var b strings.Builder
	for _, name := range all {
		b.WriteString(name + ":" + values[name] + "\n")
	}
	return strings.Join(all, ";"), b.String()
}

// canonicalQuery is the query sorted by name, with %20 for a blank.
func canonicalQuery(r *http.Request) string {
	return strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")
}

func hexHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// escape writes a path as the signature wants it: all but letters, digits,
// "-._~" and slashes in hexadecimal.
func escape(path string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}
