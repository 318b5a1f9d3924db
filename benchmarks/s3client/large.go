package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

func manager(client *s3.Client, s settings) *transfermanager.Client {
	return transfermanager.New(client, func(o *transfermanager.Options) {
		o.PartSizeBytes = s.part
		o.Concurrency = s.concurrency
		o.GetObjectType = types.GetObjectRanges
		o.DisableChecksumValidation = true
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		if s.checksum != "none" {
			o.ChecksumAlgorithm = types.ChecksumAlgorithm(strings.ToUpper(s.checksum))
		}
	})
}

// A counter is nowhere: it counts what is written to it, anywhere.
type counter struct{ n atomic.Int64 }

func (c *counter) WriteAt(p []byte, _ int64) (int, error) { return c.Write(p) }

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// download reads an object whole, in ranges, several at a time.
func download(ctx context.Context, client *s3.Client, s settings) (moved, error) {
	var to counter
	if s.get {
		out, err := manager(client, s).GetObject(ctx, &transfermanager.GetObjectInput{Bucket: &s.bucket, Key: &s.from})
		if err == nil {
			_, err = io.CopyBuffer(&to, out.Body, make([]byte, 1<<20))
		}
		return moved{to.n.Load(), 1}, err
	}
	_, err := manager(client, s).DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: &s.bucket, Key: &s.from, WriterAt: &to})
	return moved{to.n.Load(), 1}, err
}

// upload writes an object, in parts, several at a time.
func upload(ctx context.Context, client *s3.Client, s settings) (moved, error) {
	if s.file == "" {
		return uploadFrom(ctx, client, s, &pattern{left: s.bytes}, s.bytes)
	}
	f, err := os.Open(s.file)
	if err != nil {
		return moved{}, err
	}
	defer func() { _ = f.Close() }() // it was only read
	stat, err := f.Stat()
	if err != nil {
		return moved{}, err
	}
	return uploadFrom(ctx, client, s, f, stat.Size())
}

func uploadFrom(ctx context.Context, client *s3.Client, s settings, body io.Reader, size int64) (moved, error) {
	_, err := manager(client, s).UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: &s.bucket, Key: &s.to, Body: body, IfNoneMatch: aws.String("*"),
	})
	return moved{size, 1}, err
}

// copyObject downloads an object and uploads as many bytes at the same time, as
// a job does that streams. Neither waits for the other: no program that passes
// the bytes on can be quicker.
func copyObject(ctx context.Context, client *s3.Client, s settings) (moved, error) {
	head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &s.from})
	if err != nil {
		return moved{}, err
	}
	s.bytes, s.file = max(s.bytes, aws.ToInt64(head.ContentLength)), ""
	var got, put moved
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { got, err = download(ctx, client, s); return err })
	g.Go(func() (err error) { put, err = upload(ctx, client, s); return err })
	if err := g.Wait(); err != nil {
		return moved{}, err
	}
	if got.bytes != aws.ToInt64(head.ContentLength) {
		return moved{}, errors.New("the download brought another number of bytes than the object has")
	}
	return moved{got.bytes + put.bytes, 2}, nil
}

// A pattern is a text of any length that costs no more than copying it.
type pattern struct{ left int64 }

var line = []byte("0.8394,17.25,3321.04,-0.0021,512.75,99.125,\"a string\",0.5,1234.5678\n")

var piece = func() []byte {
	var b []byte
	for len(b) < 64<<10 {
		b = append(b, line...)
	}
	return b
}()

func (p *pattern) Read(b []byte) (int, error) {
	if p.left <= 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(int64(len(b)), p.left)], piece)
	p.left -= int64(n)
	return n, nil
}
