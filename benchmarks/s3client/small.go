package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

// small reads each object below a prefix and puts it below another one, where
// nothing may be yet. The keys come from a listing that runs ahead.
func small(ctx context.Context, client *s3.Client, s settings) (moved, error) {
	keys := make(chan string, 4096)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(keys)
		return list(ctx, client, s, keys)
	})
	var size, objects atomic.Int64
	for range s.concurrency {
		g.Go(func() error {
			for key := range keys {
				data, err := get(ctx, client, s.bucket, key)
				if err == nil {
					err = put(ctx, client, s.bucket, s.to+strings.TrimPrefix(key, s.from), data)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
				size.Add(int64(len(data)))
				objects.Add(1)
			}
			return nil
		})
	}
	err := g.Wait()
	if err == nil && objects.Load() == 0 {
		err = fmt.Errorf("no object below %q", s.from)
	}
	return moved{size.Load(), objects.Load()}, err
}

func list(ctx context.Context, client *s3.Client, s settings, to chan<- string) error {
	sent := 0
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &s.from})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, object := range page.Contents {
			if strings.HasSuffix(aws.ToString(object.Key), "/") { // a folder, where the server has such
				continue
			}
			if sent++; s.objects > 0 && sent > s.objects {
				return nil
			}
			select {
			case to <- aws.ToString(object.Key):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

func get(ctx context.Context, client *s3.Client, bucket, key string) ([]byte, error) {
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	data := make([]byte, aws.ToInt64(out.ContentLength))
	_, err = io.ReadFull(out.Body, data)
	return data, errors.Join(err, out.Body.Close())
}

func put(ctx context.Context, client *s3.Client, bucket, key string, data []byte) error {
	_, err := client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: bytes.NewReader(data), IfNoneMatch: aws.String("*"),
	})
	return err
}

// folder is how many small objects stand below one prefix. On a server that
// keeps them in folders, listing one of a hundred thousand takes its square.
const folder = 1000

// seed cuts a CSV file into objects of at least s.bytes, each with the header
// and the next whole records.
func seed(ctx context.Context, client *s3.Client, s settings) (moved, error) {
	if s.bytes == 0 {
		s.bytes = 1000
	}
	f, err := os.Open(s.file)
	if err != nil {
		return moved{}, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text := bufio.NewReaderSize(f, 1<<20)
	header, err := record(text, nil)
	if err != nil {
		return moved{}, fmt.Errorf("read the header of %s: %w", s.file, err)
	}
	var size int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.concurrency)
	for i := range s.objects {
		data, err := fill(text, header, int(s.bytes))
		if err != nil {
			return moved{}, errors.Join(fmt.Errorf("object %d of %s: %w", i, s.file, err), g.Wait())
		}
		size += int64(len(data))
		key := fmt.Sprintf("%s%05d/%03d.csv", s.to, i/folder, i%folder)
		g.Go(func() error { return put(ctx, client, s.bucket, key, data) })
	}
	return moved{size, int64(s.objects)}, g.Wait()
}

// fill gives the header, and records until there are that many bytes.
func fill(text *bufio.Reader, header []byte, size int) (data []byte, err error) {
	data = append(data, header...)
	for len(data) < size {
		if data, err = record(text, data); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// record appends the next record, which may hold newlines between quotes. The
// end of the text is an error, io.EOF or io.ErrUnexpectedEOF.
func record(text *bufio.Reader, data []byte) ([]byte, error) {
	for start := len(data); ; {
		part, err := text.ReadSlice('\n')
		data = append(data, part...)
		switch {
		case err == nil && bytes.Count(data[start:], []byte{'"'})%2 == 0:
			return data, nil
		case err == io.EOF && len(data) > start:
			return nil, io.ErrUnexpectedEOF
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}
