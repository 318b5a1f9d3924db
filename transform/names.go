package transform

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/batchmill/batchmill/transform/store"
)

// longestName is how long an element of a name may be, in bytes, on the file
// systems that people use.
const longestName = 255

// reserved are the names in an output that are batchmill's own.
var reserved = map[string]bool{manifestName: true, successName: true, rejectsDir: true, workDir: true}

// naming finds what cannot be in the names of a job's outputs, before anything is sent.
type naming struct {
	plan    *Plan
	files   map[string]*object // by output name
	folders map[string]*object // every folder above an output, with one of them
	inputs  map[string]bool    // where inputs really are
	real    map[string]string  // folders, with links resolved
}

// nameOutputs gives every object its output and its rejects file. It refuses
// two of one name, one that is a folder of another, one that would replace an
// input, and what no file system can hold.
func (p *Plan) nameOutputs() error {
	n := naming{p, map[string]*object{}, map[string]*object{}, map[string]bool{}, map[string]string{}}
	for i := range p.objects {
		n.inputs[n.locate(p.objects[i].source, p.objects[i].info.Name, p.Spec.Overwrite)] = true
	}
	for i := range p.objects {
		o := &p.objects[i]
		o.out = outputName(o.rel, p.codec.in, p.codec.out, p.codec.compression)
		o.rejects = rejectsDir + "/" + o.rel + ".jsonl"
		for _, name := range []string{o.out, o.rejects} {
			if err := n.take(o, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *naming) take(o *object, name string) error {
	out := n.plan.Output
	first, _, _ := strings.Cut(name, "/")
	switch other := n.files[name]; {
	case !fs.ValidPath(name) || len(path.Base(name)) > longestName:
		return usage("rename it", "%s: %s cannot be the name of an output", o.uri(), name)
	case reserved[first] && name != o.rejects:
		return usage("rename it", "%s: its output would be called %s, which is batchmill's own", o.uri(), name)
	case other != nil:
		return usage("run them as two jobs with two outputs", "%s and %s would both be written to %s", other.uri(), o.uri(), out.URI(name))
	case n.folders[name] != nil:
		return usage("run them as two jobs with two outputs", "%s would be written to %s, which is a folder for %s", o.uri(), out.URI(name), n.folders[name].uri())
	case n.inputs[n.locate(out, name, false)]:
		return usage("choose another --output", "%s is an input, and would be an output too", out.URI(name))
	}
	n.files[name] = o
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if other := n.files[dir]; other != nil {
			return usage("run them as two jobs with two outputs", "%s would be written to %s, which is a folder for %s", other.uri(), out.URI(dir), o.uri())
		}
		n.folders[dir] = o
	}
	return nil
}

// locate is where an object really is, for holding inputs against outputs.
// Links in its path are resolved; with follow, so is the name itself, which
// takes a system call an object and matters only where something is replaced.
func (n *naming) locate(s store.Store, name string, follow bool) string {
	if _, ok := s.(*store.Disk); !ok {
		return fmt.Sprintf("%p/%s", s, name)
	}
	file := s.URI(name)
	if follow {
		return realPath(file)
	}
	dir := filepath.Dir(file)
	real, ok := n.real[dir]
	if !ok {
		real = realPath(dir)
		n.real[dir] = real
	}
	return filepath.Join(real, filepath.Base(file))
}
