package transform

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/transform/store"
)

// object is one input and where it goes.
type object struct {
	index   int // in the job
	source  store.Store
	info    store.Info // pins the content; info.Name is the name in the source
	rel     string     // path below the input
	out     string     // name in the output store
	rejects string

	compression compress.Codec // of its bytes, by its name
}

func (o *object) uri() string { return o.source.URI(o.info.Name) }

// A Plan is a job whose every question that needs no host is answered: its
// objects, their formats and schema, and where everything goes.
type Plan struct {
	Spec    Spec
	Output  store.Store
	objects []object
	codec   *codec

	distant      store.Distant // the input's store that is, if one is
	retryRejects bool          // ask again for the records that hosts rejected
}

// NewPlan lists the inputs, learns their schema from the first one that is
// not empty, and checks all that the spec can get wrong. It writes nothing. The spec must be valid.
func NewPlan(ctx context.Context, spec Spec, inputs []Source, output store.Store) (*Plan, error) {
	p := &Plan{Spec: spec, Output: output}
	if err := p.listObjects(ctx, inputs); err != nil {
		return nil, err
	}
	c, err := p.newCodec(ctx)
	if err != nil {
		return nil, err
	}
	p.codec = c
	if err := p.learn(ctx); err != nil {
		return nil, err
	}
	if err := c.bind(); err != nil {
		return nil, err
	}
	return p, p.nameOutputs()
}

// RetryRejects makes the plan one that asks again about the records that hosts
// rejected in an earlier run, and about nothing else. The outputs and rejects
// files of their objects are replaced. Records that were never sent stay rejects.
func (p *Plan) RetryRejects() { p.retryRejects = true }

func (p *Plan) listObjects(ctx context.Context, inputs []Source) error {
	for i := range inputs {
		if d, ok := inputs[i].Store.(store.Distant); ok {
			p.distant = d
		}
		for info, err := range inputs[i].objects(ctx) {
			if err != nil {
				return err
			}
			packed, _ := compress.OfFileName(info.Name)
			p.objects = append(p.objects, object{index: len(p.objects), source: inputs[i].Store, info: info,
				rel: inputs[i].relative(info.Name), compression: packed})
		}
	}
	if len(p.objects) == 0 {
		return usage(`names that begin with "_" or "." are skipped; check the path`, "--input %s: no files there", p.Spec.Input)
	}
	return nil
}

// objects yields what of the source belongs to the job, in the order of names.
func (s *Source) objects(ctx context.Context) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		if s.Names == nil {
			s.list(ctx, s.Prefix, s.Prefix, yield)
			return
		}
		for _, name := range s.Names {
			if !s.list(ctx, name, name, yield) {
				return
			}
		}
	}
}

// list yields what stands at or below prefix; what is skipped is judged by the path below from.
func (s *Source) list(ctx context.Context, prefix, from string, yield func(store.Info, error) bool) bool {
	for info, err := range s.Store.List(ctx, prefix) {
		if err == nil && info.Name != from && skipped((&Source{Prefix: from}).relative(info.Name)) {
			continue
		}
		if !yield(info, err) || err != nil {
			return false
		}
	}
	return true
}

func (p *Plan) newCodec(ctx context.Context) (*codec, error) {
	s := &p.Spec
	c := &codec{spec: s, in: s.InputFormat, dialect: csv.Dialect{Delimiter: s.delimiter(), Quote: s.quote()}}
	if c.in == "" {
		var err error
		if c.in, err = p.findFormat(ctx); err != nil {
			return nil, err
		}
	}
	if c.in == formatParquet {
		if err := p.refusePacked(); err != nil {
			return nil, err
		}
	}
	if c.in == formatCSV && c.dialect.Delimiter == 0 && p.allTabs() {
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
func (p *Plan) findFormat(ctx context.Context) (string, error) {
	found, by := "", ""
	for i := range p.objects {
		o := &p.objects[i]
		f := formatOfName(o.info.Name)
		if f != "" && found != "" && f != found {
			return "", usage("run them as two jobs, or say --input-format", "%s looks like %s, but %s like %s", by, found, o.uri(), f)
		}
		if f != "" {
			found, by = f, o.uri()
		}
	}
	if found != "" {
		return found, nil
	}
	o := p.firstFilled()
	head, err := p.readHead(ctx, o)
	if err != nil {
		return "", err
	}
	if f := formatOfContent(head); f != "" {
		return f, nil
	}
	return "", usage("say --input-format csv, jsonl, lines or parquet", "%s: cannot tell its format from its name or its first bytes", o.uri())
}

// refusePacked refuses Parquet inside of another compression: it is read here
// and there, and compresses its pages by itself.
func (p *Plan) refusePacked() error {
	for i := range p.objects {
		if o := &p.objects[i]; o.compression != compress.None {
			return usage("unpack it first; Parquet compresses its own pages", "%s: a Parquet file inside of %s cannot be read in place", o.uri(), o.compression)
		}
	}
	return nil
}

func (p *Plan) firstFilled() *object {
	for i := range p.objects {
		if p.objects[i].info.Size > 0 {
			return &p.objects[i]
		}
	}
	return &p.objects[0]
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

// allTabs tells whether every object's name says that tabs delimit its fields.
func (p *Plan) allTabs() bool {
	for i := range p.objects {
		if _, n := compress.OfFileName(p.objects[i].info.Name); !strings.HasSuffix(n, ".tsv") {
			return false
		}
	}
	return true
}

// learn takes the schema from the first object that holds a record or a
// header. An object that cannot be read is passed over here and fails by
// itself later, unless there is no other.
func (p *Plan) learn(ctx context.Context) error {
	var first error
	for i := range p.objects {
		o := &p.objects[i]
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
