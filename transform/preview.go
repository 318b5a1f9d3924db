package transform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
)

// Preview is what a job would do, found without sending or writing anything.
type Preview struct {
	First                     []PreviewObject // the first MaxPreviewed objects
	Objects                   int             // number of all objects
	Bytes                     int64           // of all objects
	InputFormat, OutputFormat string
	Join                      string // as settled: "input" or "none"
	ContentType, Accept       string
	Names                     []string           // of the columns; nil without names
	Skipped                   []manifest.Skipped // files at the inputs that are not read
	Records                   int                // in the first batch that can be sent
	Payload                   []byte             // the first request's body
	Encodings                 []string           // how text was found to be stored, beside UTF-8
	Header                    *manifest.Header   // of CSV; nil for other formats
}

// MaxPreviewed is how many objects a Preview names.
const MaxPreviewed = 20

// PreviewObject is one input, its size in bytes, and the URI its output would get.
type PreviewObject struct {
	URI, Output string
	Size        int64
}

// DryRun shows the plan and its first payload. Objects without a record that
// could be sent are passed over.
func DryRun(ctx context.Context, p *plan.Plan) (*Preview, error) {
	c := p.Codec
	v := &Preview{Objects: p.Count(), Bytes: p.Bytes(), InputFormat: c.In, OutputFormat: c.Out, Join: p.Spec.Join, Names: c.Names(), Skipped: p.Skipped, Header: headerOf(c)}
	v.ContentType, v.Accept = c.Media()
	for i := range min(p.Count(), MaxPreviewed) {
		o, err := p.Object(i)
		if err != nil {
			return v, err
		}
		v.First = append(v.First, PreviewObject{URI: o.URI(), Output: p.Output.URI(o.Output), Size: o.Info.Size})
	}
	var failed error
	for o, err := range p.All() {
		if err != nil {
			return v, err
		}
		done, err := v.takePayload(ctx, p, o)
		v.Encodings = p.Codec.Found().Encodings
		if ClassOf(err) == job.BadInput { // the object fails alone
			failed = cmp.Or(failed, err)
			continue
		}
		if done || err != nil {
			return v, err
		}
	}
	return v, failed
}

// ofObject is err about what o holds.
func ofObject(o *plan.Object, err error) error {
	return &job.Failure{Class: job.BadInput, Err: fmt.Errorf("%s: %w", o.URI(), err)}
}

// takePayload renders the first payload from o, and tells whether o has a payload.
func (v *Preview) takePayload(ctx context.Context, p *plan.Plan, o *plan.Object) (bool, error) {
	rc, err := o.Open(ctx)
	if err != nil {
		return false, err
	}
	defer rc.Close()
	o.SameAs(rc)
	caps := p.Spec.Caps(0, false)
	if p.Spec.Limit > 0 {
		caps.Records = int(min(int64(caps.Records), p.Spec.Limit))
	}
	reader, err := p.Codec.Reader(o.Content(), rc)
	if err != nil {
		return false, ofObject(o, err)
	}
	b := new(formats.Batch)
	if err := reader.Next(b, caps); errors.Is(err, io.EOF) {
		return false, nil
	} else if err != nil {
		return false, ofObject(o, err)
	}
	pl := place{object: o, work: &work{batch: b}}
	reader.Check(pl.batch)
	p.Codec.Encoder.Check(pl.batch)
	p.Codec.Joiner.Check(pl.batch)
	sel := pl.pending()
	if len(sel) == 0 {
		return false, nil
	}
	v.Records = len(sel)
	v.Payload = p.Codec.Encoder.Encode(nil, pl.batch, sel)
	return true, nil
}
