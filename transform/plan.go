package transform

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// A Plan is a job whose every question that needs no host is answered: its
// objects, their formats and schema, and where everything goes. It has to be closed.
type Plan struct {
	Spec    Spec
	Output  store.Store
	objects objects
	codec   *codec // nil until its formats are known
	digests string // see digest; "" until it is needed

	distant      []store.Distant // the inputs' stores that are, each once
	progress     *Progress       // told while the plan is made
	retryRejects bool            // ask again for the records that hosts rejected
	image        *manifest.Image // that hosts are started from; nil for other hosts
}

// NewPlan lists the inputs, learns their schema from the first one that is
// not empty, and checks all that the spec can get wrong. It writes nothing. The spec must be valid.
// Progress tells meanwhile how many objects were found; a run of the plan may go on with it.
func NewPlan(ctx context.Context, spec Spec, inputs []Source, output store.Store, progress *Progress) (*Plan, error) {
	p := &Plan{Spec: spec, Output: output, objects: objects{inputs: inputs}, distant: distantInputs(inputs), progress: progress}
	if err := p.make(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	progress.planned(p)
	return p, nil
}

func (p *Plan) make(ctx context.Context) error {
	names, err := p.listObjects(ctx)
	if err != nil {
		return err
	}
	if p.codec, err = p.newCodec(ctx, names); err != nil {
		return err
	}
	if err := p.learn(ctx); err != nil {
		return err
	}
	if err := p.codec.bind(); err != nil {
		return err
	}
	return p.nameOutputs()
}

// Close gives back what the plan holds outside of memory. No run of it may be at work.
func (p *Plan) Close() error { return rosterError(p.objects.listed.Close()) }

// RetryRejects makes the plan one that asks again about the records that hosts
// rejected in an earlier run, and about nothing else. The outputs and rejects
// files of their objects are replaced. Records that were never sent stay rejects.
func (p *Plan) RetryRejects() { p.retryRejects = true }

// SetImage names the image that the job's hosts are started from, and pins it by
// its digest, which binds the job from its first logged answer on: a run with
// another one, or with other hosts, is refused. It comes before the plan is run.
func (p *Plan) SetImage(name, digest string) {
	p.image, p.digests = &manifest.Image{Name: name, Digest: digest}, ""
}

// listObjects lists the inputs, and tells what their names say.
func (p *Plan) listObjects(ctx context.Context) (*survey, error) {
	names := &survey{tabs: true, filled: -1}
	for i := range p.objects.inputs {
		in := &p.objects.inputs[i]
		for info, err := range in.objects(ctx) {
			if err != nil {
				return nil, err
			}
			names.add(in, info)
			if err := p.objects.add(i, info); err != nil {
				return nil, err
			}
			p.progress.listed.Add(1)
		}
	}
	if names.count == 0 {
		return nil, usage(`names that begin with "_" or "." are skipped; check the path`, "--input %s: no files there", strings.Join(p.Spec.Input, ", "))
	}
	return names, nil
}

// survey is what the objects' names say together.
type survey struct {
	count  int
	filled int    // the first object that is not empty; -1 when all are
	format string // by their extensions; "" when they tell none
	by     string // the first object that told it
	mixed  error  // their extensions tell different formats
	packed error  // the first object is compressed as a whole
	tabs   bool   // every name says that tabs delimit its fields
}

func (s *survey) add(in *Source, info store.Info) {
	if s.filled < 0 && info.Size > 0 {
		s.filled = s.count
	}
	s.count++
	packed, name := compress.OfFileName(info.Name)
	s.tabs = s.tabs && strings.HasSuffix(name, ".tsv")
	if packed != compress.None && s.packed == nil {
		s.packed = usage("unpack it first; Parquet compresses its own pages", "%s: a Parquet file inside of %s cannot be read in place", in.Store.URI(info.Name), packed)
	}
	switch f := formatOfName(info.Name); {
	case f == "" || f == s.format:
	case s.format == "":
		s.format, s.by = f, in.Store.URI(info.Name)
	case s.mixed == nil:
		s.mixed = usage("run them as two jobs, or say --input-format", "%s looks like %s, but %s like %s", s.by, s.format, in.Store.URI(info.Name), f)
	}
}

func (p *Plan) newCodec(ctx context.Context, names *survey) (*codec, error) {
	s := &p.Spec
	c := &codec{spec: s, in: s.InputFormat, dialect: csv.Dialect{Delimiter: s.delimiter(), Quote: s.quote()}}
	if c.in == "" {
		var err error
		if c.in, err = p.findFormat(ctx, names); err != nil {
			return nil, err
		}
	}
	if c.in == formatParquet && names.packed != nil { // it is read here and there
		return nil, names.packed
	}
	if c.in == formatCSV && c.dialect.Delimiter == 0 && names.tabs {
		c.dialect.Delimiter = '\t'
	}
	if c.out = s.OutputFormat; c.out == "" {
		c.out = c.in
	}
	var err error
	if c.payload, err = payloadOf(s, c.in); err != nil {
		return nil, err
	}
	if c.accept = s.Accept; c.accept == "" {
		c.accept = c.payload.media
	}
	return c, nil
}

// findFormat goes by the objects' names, which must agree, then by content.
func (p *Plan) findFormat(ctx context.Context, names *survey) (string, error) {
	if names.mixed != nil || names.format != "" {
		return names.format, names.mixed
	}
	o, err := p.object(max(0, names.filled))
	if err != nil {
		return "", err
	}
	head, err := p.readHead(ctx, o)
	if err != nil {
		return "", err
	}
	if f := formatOfContent(head); f != "" {
		return f, nil
	}
	return "", usage("say --input-format csv, jsonl, lines or parquet", "%s: cannot tell its format from its name or its first bytes", o.uri())
}

func (p *Plan) readHead(ctx context.Context, o *object) ([]byte, error) {
	rc, _, err := openObject(ctx, o)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	var text io.Reader = rc
	if o.compression != compress.None {
		text = compress.NewReader(rc, o.compression, p.Spec.unpackLimits())
	}
	head, err := bufio.NewReader(text).Peek(512)
	switch {
	case rc.failed != nil:
		return nil, rc.failed
	case err != nil && err != io.EOF:
		return nil, &Failure{Class: BadInput, Err: fmt.Errorf("%s: %w", o.uri(), err)}
	}
	return head, nil
}

// learn takes the schema from the first object that holds a record or a
// header. An object that cannot be read is passed over here and fails by
// itself later, unless there is no other.
func (p *Plan) learn(ctx context.Context) error {
	var first error
	for o, err := range p.all() {
		if err != nil {
			return err
		}
		if o.info.Size == 0 {
			continue
		}
		schema, err := p.sniff(ctx, o)
		if err != nil {
			err = fmt.Errorf("%s: %w", o.uri(), err)
			if ClassOf(err) != BadInput {
				return err
			}
			if first == nil {
				first = err
			}
			continue
		}
		if schema.Width > 0 || schema.Names != nil || p.codec.in == formatLines {
			p.codec.schema = schema
			return p.infer(ctx, o)
		}
	}
	return first
}

// infer takes the types of columns from o, where they are needed.
func (p *Plan) infer(ctx context.Context, o *object) error {
	if !p.codec.typed() {
		return nil
	}
	rc, _, err := openObject(ctx, o)
	if err != nil {
		return err
	}
	defer rc.Close()
	err = p.codec.infer(o, rc)
	if rc.failed != nil { // a shorter sample may show other types
		return rc.failed
	}
	if err != nil && ClassOf(err) == Internal {
		err = &Failure{Class: BadInput, Err: fmt.Errorf("%s: %w", o.uri(), err)}
	}
	return err
}

func (p *Plan) sniff(ctx context.Context, o *object) (formats.Schema, error) {
	rc, _, err := openObject(ctx, o)
	if err != nil {
		return formats.Schema{}, err
	}
	defer rc.Close()
	schema, err := p.codec.sniff(o, rc)
	if rc.failed != nil { // it may have got what it needed all the same, but a read error is never passed over
		return schema, rc.failed
	}
	var ambiguous *csv.AmbiguousHeaderError
	if errors.As(err, &ambiguous) {
		return schema, &Failure{Class: Usage, Err: err, Hint: "say --header yes or --header no"}
	}
	var option *csv.OptionError
	if errors.As(err, &option) {
		return schema, &Failure{Class: Usage, Err: err}
	}
	var stored *store.Error
	if err != nil && !errors.As(err, &stored) {
		return schema, &Failure{Class: BadInput, Err: err}
	}
	return schema, err
}
