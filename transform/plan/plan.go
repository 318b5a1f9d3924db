// Package plan is all that can be known of a job before its first request: its
// objects and their order, their formats and schema, where every output goes, how much memory each
// part may take, and the identity that binds a log to the job. [New] makes a [Plan]; it sends and writes nothing.
// The package opens stores by their addresses ([OpenInputs], [PeekOutput]), and objects pinned to what was listed ([Object.Open]).
package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
)

// A Plan is a job whose every question that needs no host is answered: its
// objects, their formats and schema, and where everything goes. A Plan has to be closed.
type Plan struct {
	Spec   job.Spec
	Output store.Store
	// RetryRejects makes a run ask again about the records that hosts rejected in an
	// earlier run, and about nothing else. The outputs and rejects files of their
	// objects are replaced. Records that were never sent stay rejects.
	RetryRejects bool
	// Notice tells a person in a line what a run does to a job's state that the person should know; it may be nil.
	Notice func(string)
	// Skipped are the files at the inputs that the job does not read.
	Skipped []manifest.Skipped

	objects objects
	Codec   *codec.Codec // nil until its formats are known
	digest  string       // see digestAll; "" until needed

	distant []store.Distant // of the inputs' stores, each once
	image   *manifest.Image // that hosts are started from; nil for other hosts
}

// New completes the spec, lists the inputs, learns their schema from the first object that is
// not empty, and checks all that the spec can get wrong. New sends and writes nothing.
// Found is told meanwhile how many objects were found, and at the end how many bytes
// all objects have; before that the bytes are 0. Found may be nil. Errors are a *[job.Failure],
// a *[store.Error], a *[ChangedError] or ctx's. The plan must be closed.
func New(ctx context.Context, spec job.Spec, inputs []Source, output store.Store, found func(objects, bytes int64)) (*Plan, error) {
	if err := spec.Complete(); err != nil {
		return nil, err
	}
	if found == nil {
		found = func(_, _ int64) {}
	}
	p := &Plan{Spec: spec, Output: output, objects: objects{inputs: inputs}, distant: distantInputs(inputs)}
	if err := p.make(ctx, found); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	found(int64(p.Count()), p.Bytes())
	return p, nil
}

func (p *Plan) make(ctx context.Context, found func(objects, bytes int64)) error {
	names, err := p.listObjects(ctx, found)
	if err != nil {
		return err
	}
	format := p.Spec.InputFormat
	if format == "" {
		if format, err = p.findFormat(ctx, names); err != nil {
			return err
		}
	}
	if p.Codec, err = codec.New(&p.Spec, format, names); err != nil {
		return err
	}
	if err := p.learn(ctx); err != nil {
		return err
	}
	if err := p.Codec.Bind(); err != nil {
		return err
	}
	return p.nameOutputs()
}

// Close gives back what the plan holds outside of memory. No run of it may be at work.
func (p *Plan) Close() error { return p.objects.close() }

// Bytes is how many bytes all objects have, as stored.
func (p *Plan) Bytes() int64 {
	_, bytes := p.objects.list()
	return bytes
}

// Image is the image that the job's hosts are started from; nil for other hosts.
func (p *Plan) Image() *manifest.Image { return p.image }

// SetImage names the image that the job's hosts are started from, and pins it by
// its digest, which binds the job from its first logged answer on: a run with
// another image, or with other hosts, is refused. SetImage comes before the plan is run.
func (p *Plan) SetImage(name, digest string) {
	p.image, p.digest = &manifest.Image{Name: name, Digest: digest}, ""
}

// findFormat goes by the objects' names, which must agree, then by content.
func (p *Plan) findFormat(ctx context.Context, names *codec.Survey) (string, error) {
	if format, err := names.Format(); format != "" || err != nil {
		return format, err
	}
	var refused error
	for at := max(0, names.Filled); at < names.Count; at++ {
		o, err := p.Object(at)
		if err != nil {
			return "", err
		}
		var format string
		err = look(ctx, o, func(rc *stored) (err error) {
			format, err = codec.FormatOf(&p.Spec, o.Content(), rc)
			return dataError(o, err)
		})
		if aboutData(err) { // the object fails by itself later
			refused = cmp.Or(refused, err)
			continue
		}
		if format != "" || err != nil {
			return format, err
		}
		return "", job.Usagef("say --input-format csv, jsonl, json, lines or parquet", "%s: cannot tell its format from its name or its first bytes", o.URI())
	}
	return "", refused
}

// look opens o for f. What f got all the same may be wrong where a read failed (a
// shorter sample may show other types), so a read error is never passed over.
func look(ctx context.Context, o *Object, f func(*stored) error) error {
	rc, info, err := openObject(ctx, o)
	if err != nil {
		return err
	}
	defer rc.Close()
	o.Info.Encoding = info.Encoding
	err = f(rc)
	if rc.failed != nil {
		return rc.failed
	}
	return err
}

// learn takes the schema from the first object that holds a record or a
// header. An object that cannot be read is passed over here and fails by
// itself later, unless there is no other object.
func (p *Plan) learn(ctx context.Context) error {
	var first error
	for o, err := range p.All() {
		if err != nil {
			return err
		}
		if o.Info.Size == 0 {
			continue
		}
		found := false
		err = look(ctx, o, func(rc *stored) (err error) {
			found, err = p.Codec.Sniff(o.Content(), rc)
			return dataError(nil, err)
		})
		if err != nil {
			err = fmt.Errorf("%s: %w", o.URI(), err)
			if !aboutData(err) {
				return err
			}
			first = cmp.Or(first, err)
		} else if found {
			return p.infer(ctx, o)
		}
	}
	return first
}

// infer takes the types of columns from o, where they are needed.
func (p *Plan) infer(ctx context.Context, o *Object) error {
	if !p.Codec.NeedsTypes() {
		return nil
	}
	return look(ctx, o, func(rc *stored) error { return dataError(o, p.Codec.Infer(o.Content(), rc)) })
}

// dataError is err, which is about an object's content unless err tells its kind
// already. The object is named in the message unless o is nil.
func dataError(o *Object, err error) error {
	var failure *job.Failure
	var stored *store.Error
	if err == nil || errors.As(err, &failure) || errors.As(err, &stored) {
		return err
	}
	if o != nil {
		err = fmt.Errorf("%s: %w", o.URI(), err)
	}
	return &job.Failure{Class: job.BadInput, Err: err}
}

// aboutData tells whether err is about one object, and another may be learned from.
func aboutData(err error) bool {
	var failure *job.Failure
	var changed *ChangedError
	if errors.As(err, &failure) {
		return failure.Class == job.BadInput
	}
	return errors.As(err, &changed) || store.Refused(err) || s3.Denied(err) || s3.Archived(err)
}
