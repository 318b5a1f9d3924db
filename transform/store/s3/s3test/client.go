package s3test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// call is one request to the server.
type call struct {
	method string
	bucket string // "" for the service itself
	key    string
	query  url.Values
	header http.Header
	body   []byte
}

// Reply is what the server answered.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// StatusError says that the server refused a request.
type StatusError struct {
	Status int
	Code   string // as in the reply's XML, "NoSuchKey"
	Body   string
}

func (e *StatusError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Body) }

// fault is an error unless the reply says that it went well.
func (r *Reply) fault() error {
	if r.Status < 300 {
		return nil
	}
	var said struct{ Code string }
	xml.Unmarshal(r.Body, &said) // there may be no body, as after HEAD
	return &StatusError{Status: r.Status, Code: said.Code, Body: string(r.Body)}
}

// Do makes one request about a key of the bucket, or about the bucket itself
// where key is "". Any status is a reply; the error is one of the connection.
func (s *Server) Do(ctx context.Context, method, key string, query url.Values, header http.Header, body []byte) (*Reply, error) {
	return s.do(ctx, call{method: method, bucket: s.Bucket, key: key, query: query, header: header, body: body})
}

func (s *Server) do(ctx context.Context, c call) (*Reply, error) {
	path := "/"
	if c.bucket != "" {
		path += c.bucket
	}
	if c.key != "" {
		path += "/" + c.key
	}
	r, err := http.NewRequestWithContext(ctx, c.method, s.Endpoint, bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path, escape(path), c.query.Encode()
	for name, values := range c.header {
		r.Header[name] = values
	}
	s.sign(r, hexHash(c.body), time.Now())
	response, err := s.run.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	return &Reply{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// must is Do for requests that are to go well.
func (s *Server) must(method, key string, query url.Values, header http.Header, body []byte) (*Reply, error) {
	reply, err := s.Do(context.Background(), method, key, query, header, body)
	if err == nil {
		err = reply.fault()
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s/%s: %w", method, s.Bucket, key, err)
	}
	return reply, nil
}

// Put stores an object without any condition, as somebody else would.
func (s *Server) Put(key string, data []byte) (etag string, err error) {
	reply, err := s.must(http.MethodPut, key, nil, nil, data)
	if err != nil {
		return "", err
	}
	return reply.Header.Get("ETag"), nil
}

// Get reads an object whole; the headers hold its metadata.
func (s *Server) Get(key string) ([]byte, http.Header, error) {
	reply, err := s.must(http.MethodGet, key, nil, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	return reply.Body, reply.Header, nil
}

// Delete removes an object. What is not there is no error.
func (s *Server) Delete(key string) error {
	_, err := s.must(http.MethodDelete, key, nil, nil, nil)
	var refused *StatusError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return nil
	}
	return err
}
