package s3test

import (
	"net/http"
	"net/url"
	"strings"
)

// An Op is an operation of S3 as a request's method, path and query show it.
type Op string

const (
	Put          Op = "put"
	Get          Op = "get"
	Head         Op = "head"
	Delete       Op = "delete"
	DeleteMany   Op = "delete-many"
	Copy         Op = "copy"
	List         Op = "list"
	HeadBucket   Op = "head-bucket"
	CreateUpload Op = "create-upload"
	UploadPart   Op = "upload-part"
	CopyPart     Op = "copy-part"
	Complete     Op = "complete"
	Abort        Op = "abort"
	ListUploads  Op = "list-uploads"
	ListParts    Op = "list-parts"
	Other        Op = "other" // of buckets, and whatever we do not know
)

// copySource is the header that makes a copy of a put.
const copySource = "X-Amz-Copy-Source"

// Operation tells what a request of path style asks for, and about which key.
func Operation(r *http.Request) (op Op, bucket, key string) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	if key == "" {
		return ofBucket(r.Method, query), bucket, ""
	}
	return ofKey(r.Method, query, r.Header.Get(copySource) != ""), bucket, key
}

func ofBucket(method string, query url.Values) Op {
	switch {
	case method == http.MethodGet && query.Has("uploads"):
		return ListUploads
	case method == http.MethodGet && (query.Get("list-type") == "2" || query.Has("prefix")):
		return List
	case method == http.MethodPost && query.Has("delete"):
		return DeleteMany
	case method == http.MethodHead:
		return HeadBucket
	}
	return Other
}

func ofKey(method string, query url.Values, copies bool) Op {
	upload := query.Has("uploadId")
	ops := map[string][3]Op{ // plain, of an upload, copying
		http.MethodGet:    {Get, ListParts, Get},
		http.MethodHead:   {Head, Head, Head},
		http.MethodDelete: {Delete, Abort, Delete},
		http.MethodPut:    {Put, UploadPart, Copy},
		http.MethodPost:   {Other, Complete, Other},
	}[method]
	switch {
	case method == http.MethodPost && query.Has("uploads"):
		return CreateUpload
	case upload && copies:
		return CopyPart
	case upload:
		return ops[1]
	case copies:
		return ops[2]
	case ops[0] == "":
		return Other
	}
	return ops[0]
}
