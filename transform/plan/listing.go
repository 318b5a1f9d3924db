package plan

import (
	"context"
	"strings"

	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// A survey is the listing of a job's inputs: what becomes an object, and what is left
// out and told.
type survey struct {
	plan  *Plan
	names *codec.Survey
	// neighbours are files whose names tell no format, beside others; named is the first
	// of those that the user has named one by one.
	neighbours []manifest.Skipped
	named      string
}

// listObjects lists the inputs, and tells what their names say.
func (p *Plan) listObjects(ctx context.Context, found func(objects, bytes int64)) (*codec.Survey, error) {
	s := &survey{plan: p, names: codec.NewSurvey()}
	for i := range p.objects.inputs {
		in := &p.objects.inputs[i]
		skip := func(info store.Info) {
			p.Skipped = manifest.Skip(p.Skipped, manifest.HiddenName, in.Store.URI(info.Name))
		}
		for info, err := range in.objects(ctx, skip) {
			if err != nil {
				return nil, err
			}
			if err := s.add(i, info); err != nil {
				return nil, err
			}
			found(int64(s.names.Count), 0)
		}
	}
	return s.names, s.leaveOut()
}

// add takes the next object of input i. What its name says may not be known until all
// names were seen.
func (s *survey) add(i int, info store.Info) error {
	objects := &s.plan.objects
	in := &objects.inputs[i]
	uri := in.Store.URI(info.Name)
	if s.names.Add(uri, info.Name, info.Size) || s.plan.Spec.InputFormat != "" {
		return objects.add(i, info)
	}
	if s.named == "" && (in.single || in.listed != nil) {
		s.named = uri
	}
	s.neighbours = manifest.Skip(s.neighbours, manifest.UnknownExtension, uri)
	return objects.addUnnamed(i, info)
}

// leaveOut decides about the objects whose names tell no format: where other names tell one
// they are left out, but none that the user has named.
func (s *survey) leaveOut() error {
	p := s.plan
	switch {
	case s.names.Count == 0:
		return p.nothingThere()
	case p.objects.listed.Len() == 0 || s.neighbours == nil:
		return nil
	case s.named != "":
		format, err := s.names.Format()
		if err != nil {
			return err
		}
		return job.Usagef("say --input-format csv, jsonl, json, lines or parquet", "%s: its name tells no format, and the names of other inputs tell %s", s.named, format)
	}
	p.Skipped = append(p.Skipped, s.neighbours...)
	return TempFailure(p.objects.unnamed.Close())
}

// nothingThere says that the inputs hold no object, and what they hold instead.
func (p *Plan) nothingThere() error {
	in := strings.Join(p.Spec.Input, ", ")
	if len(p.Skipped) == 0 {
		return job.Usagef("check the path", "--input %s: no files there", in)
	}
	s := p.Skipped[0]
	return job.Usagef("to read such a file or folder, name it with --input",
		`--input %s: no files there, but for %d that are skipped because a name begins with "_" or ".", such as %s`, in, s.Count, s.Sample[0])
}
