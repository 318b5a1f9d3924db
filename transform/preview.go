package transform

import (
	"context"
	"errors"
	"io"

	"github.com/batchmill/batchmill/formats"
)

// Preview is what a job would do, found without sending or writing anything.
type Preview struct {
	First                     []PreviewObject // the first MaxPreviewed objects
	Objects                   int             // all of them
	Bytes                     int64           // of all objects
	InputFormat, OutputFormat string
	ContentType, Accept       string
	Names                     []string // of the columns; nil without names
	Records                   int      // in the first batch that can be sent
	Payload                   []byte   // the first request's body
}

// MaxPreviewed is how many objects a Preview names.
const MaxPreviewed = 20

// PreviewObject is one input and where its output would go.
type PreviewObject struct {
	URI, Output string
	Size        int64
}

// Preview shows the plan and its first payload. Objects without a record that
// could be sent are passed over.
func (p *Plan) Preview(ctx context.Context) (*Preview, error) {
	c := p.codec
	v := &Preview{Objects: p.count(), Bytes: p.objects.bytes, InputFormat: c.in, OutputFormat: c.out,
		ContentType: c.payload.media, Accept: c.accept, Names: c.schema.Names}
	for i := range min(p.count(), MaxPreviewed) {
		o, err := p.object(i)
		if err != nil {
			return v, err
		}
		v.First = append(v.First, PreviewObject{URI: o.uri(), Output: p.Output.URI(o.out), Size: o.info.Size})
	}
	for o, err := range p.all() {
		if err != nil {
			return v, err
		}
		if done, err := p.previewPayload(ctx, o, v); done || err != nil {
			return v, err
		}
	}
	return v, nil
}

func (p *Plan) previewPayload(ctx context.Context, o *object, v *Preview) (bool, error) {
	rc, _, err := openObject(ctx, o)
	if err != nil {
		return false, err
	}
	defer rc.Close()
	caps := p.Spec.caps(0, false)
	if p.Spec.Limit > 0 {
		caps.Records = int(min(int64(caps.Records), p.Spec.Limit))
	}
	reader, err := p.codec.reader(o, rc)
	if err != nil {
		return false, &Failure{Class: BadInput, Err: err}
	}
	b := new(formats.Batch)
	if err := reader.Next(b, caps); errors.Is(err, io.EOF) {
		return false, nil
	} else if err != nil {
		return false, &Failure{Class: BadInput, Err: err}
	}
	pl := place{object: o, work: &work{batch: b}}
	reader.Check(pl.batch)
	p.codec.encoder.Check(pl.batch)
	p.codec.joiner.Check(pl.batch)
	sel := pl.pending()
	if len(sel) == 0 {
		return false, nil
	}
	v.Records = len(sel)
	v.Payload = p.codec.encoder.Encode(nil, pl.batch, sel)
	return true, nil
}
