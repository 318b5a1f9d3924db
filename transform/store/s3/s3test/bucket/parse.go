package bucket

import (
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

const metaPrefix = "X-Amz-Meta-"

// A request is one of HTTP.
type request struct {
	*http.Request
	op   s3test.Op
	key  string
	body []byte
}

// header is the value of a header; nil where there is none.
func (r request) header(name string) *string {
	if value := r.Header.Get(name); value != "" {
		return &value
	}
	return nil
}

func (r request) sum() *string { return r.header("X-Amz-Checksum-Crc64nvme") }

// query is the value of a parameter; nil where there is none.
func (r request) query(name string) *string {
	if value := r.URL.Query().Get(name); value != "" {
		return &value
	}
	return nil
}

func (r request) number(name string) *int32 {
	n, err := strconv.ParseInt(r.URL.Query().Get(name), 10, 32)
	if err != nil {
		return nil
	}
	return aws.Int32(int32(n))
}

func (r request) meta() map[string]string {
	meta := map[string]string{}
	for name := range r.Header {
		if rest, ok := strings.CutPrefix(name, metaPrefix); ok {
			meta[strings.ToLower(rest)] = r.Header.Get(name)
		}
	}
	return meta
}

// answer carries out a request. The caller holds b.mu.
func (b *Bucket) answer(r request) *answer {
	switch r.op {
	case s3test.Put:
		out, err := b.put(&s3.PutObjectInput{
			Key: &r.key, Metadata: r.meta(), IfMatch: r.header("If-Match"), IfNoneMatch: r.header("If-None-Match"), ChecksumCRC64NVME: r.sum(),
		}, r.body)
		if err != nil {
			return refused(err)
		}
		return tagged(out.ETag)
	case s3test.Head, s3test.Get:
		return b.answerGet(r)
	case s3test.Delete:
		b.remove(r.key)
		return &answer{status: http.StatusNoContent, header: http.Header{}}
	case s3test.DeleteMany:
		return b.answerDeletes(r)
	case s3test.List:
		in := &s3.ListObjectsV2Input{Prefix: r.query("prefix"), StartAfter: r.query("start-after"), MaxKeys: r.number("max-keys")}
		if token, _ := hex.DecodeString(r.URL.Query().Get("continuation-token")); len(token) > 0 {
			in.ContinuationToken = aws.String(string(token))
		}
		return xmlAnswer(listed(b.list(in)))
	case s3test.ListUploads:
		return xmlAnswer(listedUploads(b.listUploads(&s3.ListMultipartUploadsInput{
			Prefix: r.query("prefix"), KeyMarker: r.query("key-marker"), UploadIdMarker: r.query("upload-id-marker"),
		})))
	case s3test.CreateUpload:
		id := *b.create(&s3.CreateMultipartUploadInput{Key: &r.key, Metadata: r.meta()}).UploadId
		return xmlAnswer("<InitiateMultipartUploadResult><UploadId>" + id + "</UploadId></InitiateMultipartUploadResult>")
	}
	return b.answerUpload(r)
}

func (b *Bucket) answerGet(r request) *answer {
	out, err := b.get(&s3.GetObjectInput{Key: &r.key, Range: r.header("Range"), IfMatch: r.header("If-Match")})
	if err != nil {
		return refused(err)
	}
	a := tagged(out.ETag)
	for name, value := range out.Metadata {
		a.header.Set(metaPrefix+name, value)
	}
	a.header.Set("Last-Modified", out.LastModified.UTC().Format(http.TimeFormat))
	if out.ContentRange != nil {
		a.status = http.StatusPartialContent
		a.header.Set("Content-Range", *out.ContentRange)
	}
	if r.op == s3test.Head {
		a.size = int(*out.ContentLength)
		return a
	}
	a.body, _ = all(out.Body, out.ContentLength)
	return a
}

func (b *Bucket) answerDeletes(r request) *answer {
	var in struct {
		Object []struct{ Key string }
	}
	if err := xml.Unmarshal(r.body, &in); err != nil || len(in.Object) > 1000 {
		return refused(refuse("MalformedXML"))
	}
	for _, o := range in.Object {
		b.remove(o.Key)
	}
	return xmlAnswer("<DeleteResult/>")
}

// answerUpload carries out what concerns one upload.
func (b *Bucket) answerUpload(r request) *answer {
	id := r.query("uploadId")
	switch r.op {
	case s3test.UploadPart:
		out, err := b.uploadPart(&s3.UploadPartInput{Key: &r.key, UploadId: id, PartNumber: r.number("partNumber"), ChecksumCRC64NVME: r.sum()}, r.body)
		if err != nil {
			return refused(err)
		}
		return tagged(out.ETag)
	case s3test.CopyPart:
		out, err := b.copyPart(&s3.UploadPartCopyInput{
			Key: &r.key, UploadId: id, PartNumber: r.number("partNumber"),
			CopySource: r.header("X-Amz-Copy-Source"), CopySourceIfMatch: r.header("X-Amz-Copy-Source-If-Match"), CopySourceRange: r.header("X-Amz-Copy-Source-Range"),
		})
		if err != nil {
			return refused(err)
		}
		made := out.CopyPartResult
		return xmlAnswer(fmt.Sprintf("<CopyPartResult><ETag>%s</ETag><ChecksumCRC64NVME>%s</ChecksumCRC64NVME></CopyPartResult>", *made.ETag, *made.ChecksumCRC64NVME))
	case s3test.Complete:
		return b.answerComplete(r, id)
	case s3test.Abort:
		if _, err := b.abort(&s3.AbortMultipartUploadInput{Key: &r.key, UploadId: id}); err != nil {
			return refused(err)
		}
		return &answer{status: http.StatusNoContent, header: http.Header{}}
	}
	return refused(refuse("NotImplemented"))
}

func (b *Bucket) answerComplete(r request, id *string) *answer {
	var in struct {
		Part []struct {
			PartNumber int32
			ETag       string
		}
	}
	if xml.Unmarshal(r.body, &in) != nil {
		return refused(refuse("MalformedXML"))
	}
	var parts []types.CompletedPart
	for i := range in.Part {
		parts = append(parts, types.CompletedPart{PartNumber: &in.Part[i].PartNumber, ETag: &in.Part[i].ETag})
	}
	out, err := b.complete(&s3.CompleteMultipartUploadInput{
		Key: &r.key, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		IfMatch: r.header("If-Match"), IfNoneMatch: r.header("If-None-Match"), ChecksumCRC64NVME: r.sum(),
	})
	if err != nil {
		return refused(err)
	}
	return xmlAnswer("\n\n<CompleteMultipartUploadResult><ETag>" + *out.ETag + "</ETag></CompleteMultipartUploadResult>")
}

func xmlAnswer(body string) *answer {
	return &answer{status: http.StatusOK, header: http.Header{}, body: []byte(body)}
}

// listed writes a page of objects. XML cannot hold every key as it is.
func listed(out *s3.ListObjectsV2Output) string {
	var b strings.Builder
	b.WriteString("<ListBucketResult><EncodingType>url</EncodingType>")
	fmt.Fprintf(&b, "<IsTruncated>%t</IsTruncated>", *out.IsTruncated)
	if out.NextContinuationToken != nil {
		fmt.Fprintf(&b, "<NextContinuationToken>%x</NextContinuationToken>", *out.NextContinuationToken)
	}
	for _, o := range out.Contents {
		fmt.Fprintf(&b, "<Contents><Key>%s</Key><Size>%d</Size><ETag>%s</ETag><LastModified>%s</LastModified></Contents>",
			url.QueryEscape(*o.Key), *o.Size, *o.ETag, o.LastModified.UTC().Format(time.RFC3339))
	}
	b.WriteString("</ListBucketResult>")
	return b.String()
}

func listedUploads(out *s3.ListMultipartUploadsOutput) string {
	var b strings.Builder
	b.WriteString("<ListMultipartUploadsResult><EncodingType>url</EncodingType>")
	for _, u := range out.Uploads {
		fmt.Fprintf(&b, "<Upload><Key>%s</Key><UploadId>%s</UploadId></Upload>", url.QueryEscape(*u.Key), *u.UploadId)
	}
	fmt.Fprintf(&b, "<IsTruncated>%t</IsTruncated>", *out.IsTruncated)
	if *out.IsTruncated {
		fmt.Fprintf(&b, "<NextKeyMarker>%s</NextKeyMarker><NextUploadIdMarker>%s</NextUploadIdMarker>", url.QueryEscape(*out.NextKeyMarker), *out.NextUploadIdMarker)
	}
	b.WriteString("</ListMultipartUploadsResult>")
	return b.String()
}
