package s3

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// ofUpload carries out what concerns an upload.
func (f *fake) ofUpload(op string, r *http.Request, key string, body []byte) reply {
	id := r.URL.Query().Get("uploadId")
	u := f.uploads[id]
	if u == nil || u.key != key {
		return refusal("NoSuchUpload")
	}
	switch op {
	case "abort":
		delete(f.uploads, id)
		return reply{status: 204}
	case "copy":
		var refused *reply
		if body, refused = f.source(r); refused != nil {
			return *refused
		}
	case "complete":
		return f.complete(r, id, u, body)
	}
	number, _ := strconv.Atoi(r.URL.Query().Get("partNumber"))
	if number < 1 || number > maxParts {
		return refusal("InvalidArgument")
	}
	u.parts[number] = body
	etag := `"` + sumOf(body).String() + `"`
	if f.partETag != nil {
		etag = f.partETag()
	}
	return reply{status: 200, header: map[string]string{"ETag": etag}, body: fmt.Sprintf(
		"<CopyPartResult><ETag>%s</ETag><ChecksumCRC64NVME>%s</ChecksumCRC64NVME></CopyPartResult>", etag, sumOf(body))}
}

// source is what a copy of a part copies.
func (f *fake) source(r *http.Request) ([]byte, *reply) {
	name, _ := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source"))
	o := f.objects[strings.TrimPrefix(name, "bucket/")]
	if o == nil {
		a := refusal("NoSuchKey")
		return nil, &a
	}
	if r.Header.Get("X-Amz-Copy-Source-If-Match") != o.etag {
		a := refusal("PreconditionFailed")
		return nil, &a
	}
	var from, to int
	_, _ = fmt.Sscanf(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes=%d-%d", &from, &to)
	return o.data[from : to+1], nil
}

func (f *fake) complete(r *http.Request, id string, u *fakeUpload, body []byte) reply {
	var in struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if xml.Unmarshal(body, &in) != nil {
		return refusal("InvalidArgument")
	}
	if refused := f.condition(r, u.key); refused != nil {
		return *refused
	}
	var all []byte
	var sizes []int
	for i, p := range in.Part {
		data, ok := u.parts[p.PartNumber]
		if !ok || p.ETag != `"`+sumOf(data).String()+`"` || i > 0 && in.Part[i-1].PartNumber >= p.PartNumber {
			return refusal("InvalidPart")
		}
		if i < len(in.Part)-1 && len(data) < f.leastPart {
			return refusal("EntityTooSmall")
		}
		all = append(all, data...)
		sizes = append(sizes, len(data))
	}
	if given := r.Header.Get("X-Amz-Checksum-Crc64nvme"); given != "" && given != sumOf(all).String() {
		return refusal("BadDigest")
	}
	delete(f.uploads, id)
	a := f.make(u.key, all, u.meta, sizes)
	a.body = "\n\n<CompleteMultipartUploadResult><ETag>" + a.header["ETag"] + "</ETag></CompleteMultipartUploadResult>"
	return a
}

func (f *fake) listUploads(r *http.Request) reply {
	var b strings.Builder
	b.WriteString("<ListMultipartUploadsResult><EncodingType>url</EncodingType>")
	for _, id := range slices.Sorted(maps.Keys(f.uploads)) {
		if key := f.uploads[id].key; strings.HasPrefix(key, r.URL.Query().Get("prefix")) {
			fmt.Fprintf(&b, "<Upload><Key>%s</Key><UploadId>%s</UploadId></Upload>", url.QueryEscape(key), id)
		}
	}
	b.WriteString("<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>")
	return reply{status: 200, body: b.String()}
}
