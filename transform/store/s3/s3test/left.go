package s3test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// An Object is what a listing says of one.
type Object struct {
	Key  string
	Size int64
	ETag string
}

// An Upload is a multipart upload that was begun, and neither completed nor aborted.
type Upload struct {
	Key string
	ID  string `xml:"UploadId"`
}

// Objects lists the objects whose keys begin with prefix, by ascending key.
func (s *Server) Objects(prefix string) ([]Object, error) {
	var all []Object
	query := url.Values{"list-type": {"2"}, "prefix": {prefix}, "encoding-type": {"url"}}
	for {
		var page struct {
			Contents              []Object
			EncodingType          string // "" where the server does not encode keys
			NextContinuationToken string
		}
		if err := s.list(query, &page); err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			if page.EncodingType == "url" {
				key, err := url.QueryUnescape(o.Key)
				if err != nil {
					return nil, fmt.Errorf("list %s: key %q: %w", s.Bucket, o.Key, err)
				}
				o.Key = key
			}
			all = append(all, o)
		}
		if page.NextContinuationToken == "" {
			return all, nil
		}
		query.Set("continuation-token", page.NextContinuationToken)
	}
}

// Uploads lists the unfinished uploads to keys that begin with prefix. It sees a
// thousand of them and fails beyond: tests that leave more have other worries.
func (s *Server) Uploads(prefix string) ([]Upload, error) {
	var page struct {
		Upload      []Upload
		IsTruncated bool
	}
	query := url.Values{"uploads": {""}, "prefix": {prefix}, "max-uploads": {"1000"}}
	if err := s.list(query, &page); err != nil {
		return nil, err
	}
	if page.IsTruncated {
		return nil, errors.New("more than a thousand unfinished uploads")
	}
	return page.Upload, nil
}

func (s *Server) list(query url.Values, into any) error {
	reply, err := s.must(http.MethodGet, "", query, nil, nil)
	if err != nil {
		return err
	}
	return xml.Unmarshal(reply.Body, into)
}

// BeginUpload begins an upload and leaves it, as a process that is killed does.
func (s *Server) BeginUpload(key string) error {
	_, err := s.must(http.MethodPost, key, url.Values{"uploads": {""}}, nil, nil)
	return err
}

// AbortUploads aborts the unfinished uploads to keys that begin with prefix, as
// somebody else would.
func (s *Server) AbortUploads(prefix string) error {
	uploads, err := s.Uploads(prefix)
	if err != nil {
		return err
	}
	for _, u := range uploads {
		if _, err := s.must(http.MethodDelete, u.Key, url.Values{"uploadId": {u.ID}}, nil, nil); err != nil {
			return err
		}
	}
	return nil
}
