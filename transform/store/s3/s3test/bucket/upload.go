package bucket

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// mostParts is how many parts an upload may have, by Amazon's page "Amazon S3
// multipart upload limits".
const mostParts = 10_000

// upload is one that is not finished.
type upload struct {
	key   string
	meta  map[string]string
	parts map[int32][]byte
}

// Uploads are the keys of the objects whose uploads are not finished, ascending,
// one for each upload.
func (b *Bucket) Uploads() (keys []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range b.uploads {
		keys = append(keys, u.key)
	}
	slices.Sort(keys)
	return keys
}

// Begin begins an upload that nobody will finish, and returns its id.
func (b *Bucket) Begin(key string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *b.create(&s3.CreateMultipartUploadInput{Key: &key}).UploadId
}

// EndUploads ends all uploads.
func (b *Bucket) EndUploads() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.uploads)
}

func (b *Bucket) create(in *s3.CreateMultipartUploadInput) *s3.CreateMultipartUploadOutput {
	id := fmt.Sprintf("upload-%06d", b.next())
	b.uploads[id] = &upload{*in.Key, maps.Clone(in.Metadata), map[int32][]byte{}}
	return &s3.CreateMultipartUploadOutput{UploadId: &id}
}

// find finds an upload by its id and its object's key.
func (b *Bucket) find(id, key *string) (*upload, error) {
	u := b.uploads[aws.ToString(id)]
	if u == nil || u.key != aws.ToString(key) {
		return nil, refuse("NoSuchUpload")
	}
	return u, nil
}

// part makes data, which it takes over, a part of an upload, in the place of
// what that part was before. It returns the part's ETag.
func (b *Bucket) part(id, key *string, number int32, data []byte) (*string, error) {
	u, err := b.find(id, key)
	if err != nil {
		return nil, err
	}
	if number < 1 || number > mostParts {
		return nil, refuse("InvalidArgument")
	}
	u.parts[number] = data
	if b.PartETag != nil {
		return aws.String(b.PartETag()), nil
	}
	return aws.String(partTag(data)), nil
}

func partTag(data []byte) string { return `"` + SumOf(data) + `"` }

func (b *Bucket) uploadPart(in *s3.UploadPartInput, data []byte) (*s3.UploadPartOutput, error) {
	if err := b.checkSum(in.ChecksumCRC64NVME, data); err != nil {
		return nil, err
	}
	tag, err := b.part(in.UploadId, in.Key, *in.PartNumber, data)
	if err != nil {
		return nil, err
	}
	return &s3.UploadPartOutput{ETag: tag}, nil
}

// copyPart makes a part of bytes that an object of this bucket or of its source holds.
func (b *Bucket) copyPart(in *s3.UploadPartCopyInput) (*s3.UploadPartCopyOutput, error) {
	from := b.copied(in)
	if from == nil {
		return nil, refuse("NoSuchKey")
	}
	if aws.ToString(in.CopySourceIfMatch) != from.ETag {
		return nil, refuse("PreconditionFailed")
	}
	first, end, ok := span(*in.CopySourceRange, len(from.Data))
	if !ok {
		return nil, refuse("InvalidRange")
	}
	data := from.Data[first:end]
	tag, err := b.part(in.UploadId, in.Key, *in.PartNumber, data)
	if err != nil {
		return nil, err
	}
	return &s3.UploadPartCopyOutput{CopyPartResult: &types.CopyPartResult{ETag: tag, ChecksumCRC64NVME: aws.String(SumOf(data))}}, nil
}

// copied is the object that is to be copied from.
func (b *Bucket) copied(in *s3.UploadPartCopyInput) *Object {
	plain, _ := url.PathUnescape(aws.ToString(in.CopySource))
	name, key, _ := strings.Cut(plain, "/")
	switch {
	case name == b.name:
		return b.objects[key]
	case b.source != nil && name == b.source.name:
		return b.source.Get(key)
	}
	return nil
}

// complete makes an object of an upload's parts. Where the condition does not
// hold, the upload stays.
func (b *Bucket) complete(in *s3.CompleteMultipartUploadInput) (*s3.CompleteMultipartUploadOutput, error) {
	u, err := b.find(in.UploadId, in.Key)
	if err == nil {
		err = b.allows(s3test.Complete, u.key, in.IfMatch, in.IfNoneMatch)
	}
	if err != nil {
		return nil, err
	}
	var all [][]byte
	var sizes []int
	last := int32(0)
	for i, p := range in.MultipartUpload.Parts {
		data, ok := u.parts[*p.PartNumber]
		if !ok || *p.ETag != partTag(data) || *p.PartNumber <= last {
			return nil, refuse("InvalidPart")
		}
		if i < len(in.MultipartUpload.Parts)-1 && len(data) < b.LeastPart {
			return nil, refuse("EntityTooSmall")
		}
		last = *p.PartNumber
		all, sizes = append(all, data), append(sizes, len(data))
	}
	whole := bytes.Join(all, nil)
	if err := b.checkSum(in.ChecksumCRC64NVME, whole); err != nil {
		return nil, err
	}
	delete(b.uploads, *in.UploadId)
	return &s3.CompleteMultipartUploadOutput{ETag: &b.set(u.key, whole, u.meta, sizes).ETag}, nil
}

func (b *Bucket) abort(in *s3.AbortMultipartUploadInput) (*s3.AbortMultipartUploadOutput, error) {
	if _, err := b.find(in.UploadId, in.Key); err != nil {
		return nil, err
	}
	delete(b.uploads, *in.UploadId)
	return new(s3.AbortMultipartUploadOutput), nil
}

func (b *Bucket) listUploads(in *s3.ListMultipartUploadsInput) *s3.ListMultipartUploadsOutput {
	out := &s3.ListMultipartUploadsOutput{IsTruncated: aws.Bool(false)}
	for id, u := range b.uploads {
		behind := cmp.Or(strings.Compare(u.key, aws.ToString(in.KeyMarker)), strings.Compare(id, aws.ToString(in.UploadIdMarker))) > 0
		if behind && strings.HasPrefix(u.key, aws.ToString(in.Prefix)) {
			out.Uploads = append(out.Uploads, types.MultipartUpload{Key: &u.key, UploadId: &id})
		}
	}
	slices.SortFunc(out.Uploads, func(x, y types.MultipartUpload) int {
		return cmp.Or(strings.Compare(*x.Key, *y.Key), strings.Compare(*x.UploadId, *y.UploadId))
	})
	if most := cmp.Or(b.Page, 1000); len(out.Uploads) > most {
		last := out.Uploads[most-1]
		out.Uploads, out.IsTruncated = out.Uploads[:most], aws.Bool(true)
		out.NextKeyMarker, out.NextUploadIdMarker = last.Key, last.UploadId
	}
	return out
}
