package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/roster"
	"github.com/batchmill/batchmill/transform/store"
)

// longestName is how long an element of a name may be, in bytes, on the file
// systems that people use. A store that is a [store.Namer] judges by itself.
const longestName = 255

// The names in an output that are batchmill's own.
const (
	ManifestName = "_manifest.json" // the record of the job
	SuccessName  = "_SUCCESS"       // empty: every object is published
	RejectsDir   = "_rejects"       // a file of rejects for each object that has some
	WorkDir      = "_batchmill"     // what a job needs until it is done, the answer log among it
)

// Reserved tells whether a name in an output is batchmill's own, or below a name that is.
func Reserved(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return first == ManifestName || first == SuccessName || first == RejectsDir || first == WorkDir
}

// Names are what the job writes for an object.
func (o *Object) Names() [2]string { return [2]string{o.Output, o.Rejects} }

// naming finds what cannot be in the names of a job's outputs, before anything
// is sent. In memory stand hashes of names only; names are compared where hashes are the same.
type naming struct {
	plan  *Plan
	taken *roster.Index     // the names, by number: twice the object's, plus which of its names
	real  map[string]string // folders, with links resolved
}

// nameOutputs refuses outputs and rejects files: two of one name, a name that is a
// folder of another name, a name that is an input's, and what no file system can hold.
func (p *Plan) nameOutputs() error {
	n := naming{plan: p, taken: roster.NewIndex(2 * p.Count())}
	err := p.eachName(func(o *Object, k int, name string) error {
		n.taken.Add(name, 2*o.Index+k)
		return n.allow(o, name)
	})
	if err != nil {
		return err
	}
	n.taken.Sort()
	if err := n.refuseTwice(); err != nil {
		return err
	}
	if err := n.refuseFolders(); err != nil {
		return err
	}
	n.taken = nil
	return n.refuseInputs()
}

// eachName calls f for all names that the job writes, each with its object, whose name k it is.
func (p *Plan) eachName(f func(o *Object, k int, name string) error) error {
	for o, err := range p.All() {
		if err != nil {
			return err
		}
		for k, name := range o.Names() {
			if err := f(o, k, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *naming) allow(o *Object, name string) error {
	err := n.storable(name)
	switch {
	case err != nil:
		return job.Usagef("rename it", "%s: %s cannot be the name of an output: %w", o.URI(), name, err)
	case Reserved(name) && name != o.Rejects:
		return job.Usagef("rename it", "%s: its output would be called %s, which is batchmill's own", o.URI(), name)
	}
	return nil
}

// storable tells whether the output's store can hold the name.
func (n *naming) storable(name string) error {
	if !fs.ValidPath(name) {
		return store.ErrBadName
	}
	namer, ok := n.plan.Output.(store.Namer)
	if !ok {
		if length := len(path.Base(name)); length > longestName {
			return fmt.Errorf("a file's name of %d bytes, more than %d", length, longestName)
		}
		return nil
	}
	err := namer.CheckName(name)
	var refused *store.Error
	if errors.As(err, &refused) {
		return refused.Err // the name is told already
	}
	return err
}

// named is the name with that number in taken, and the object that has the name.
func (n *naming) named(number int) (*Object, string, error) {
	o, err := n.plan.Object(number / 2)
	if err != nil {
		return nil, "", err
	}
	return o, o.Names()[number%2], nil
}

// refuseTwice looks whether a name came before. Find yields numbers in their order, so names
// that came later end the look.
func (n *naming) refuseTwice() error {
	return n.plan.eachName(func(o *Object, k int, name string) error {
		for number := range n.taken.Find(name) {
			if number >= 2*o.Index+k {
				break
			}
			other, taken, err := n.named(number)
			if err != nil {
				return err
			}
			if taken == name {
				return job.Usagef("run them as two jobs with two outputs", "%s and %s would both be written to %s", other.URI(), o.URI(), n.plan.Output.URI(name))
			}
		}
		return nil
	})
}

// refuseFolders looks whether a folder above a name is a name too. Neighbours
// mostly share their folders, which are looked for once.
func (n *naming) refuseFolders() error {
	var above [2]string
	return n.plan.eachName(func(o *Object, k int, name string) error {
		dir := path.Dir(name)
		for d := dir; d != "." && !strings.HasPrefix(above[k]+"/", d+"/"); d = path.Dir(d) {
			if err := n.refuseFolder(o, d); err != nil {
				return err
			}
		}
		above[k] = dir
		return nil
	})
}

func (n *naming) refuseFolder(o *Object, dir string) error {
	for number := range n.taken.Find(dir) {
		other, name, err := n.named(number)
		if err != nil {
			return err
		}
		if name == dir {
			return job.Usagef("run them as two jobs with two outputs", "%s would be written to %s, which is a folder for %s", other.URI(), n.plan.Output.URI(dir), o.URI())
		}
	}
	return nil
}

// refuseInputs looks whether an output would stand where an input stands.
func (n *naming) refuseInputs() error {
	p := n.plan
	sameKind := func(in Source) bool { return kindOf(in.Store) == kindOf(p.Output) }
	if !slices.ContainsFunc(p.objects.inputs, sameKind) {
		return nil
	}
	n.real = map[string]string{}
	inputs := roster.NewIndex(p.Count())
	for o, err := range p.All() {
		if err != nil {
			return err
		}
		inputs.Add(n.locate(o.Source, o.Info.Name, p.Spec.Overwrite), o.Index)
	}
	inputs.Sort()
	return p.eachName(func(_ *Object, _ int, name string) error { return n.refuseInput(inputs, name) })
}

func (n *naming) refuseInput(inputs *roster.Index, name string) error {
	at := n.locate(n.plan.Output, name, false)
	for i := range inputs.Find(at) {
		o, err := n.plan.Object(i)
		if err != nil {
			return err
		}
		if n.locate(o.Source, o.Info.Name, n.plan.Spec.Overwrite) == at {
			return job.Usagef("choose another --output", "%s is an input, and would be an output too", n.plan.Output.URI(name))
		}
	}
	return nil
}

// kindOf tells stores apart that cannot hold the same object.
func kindOf(s store.Store) string {
	if _, ok := s.(*store.Disk); ok {
		return "disk"
	}
	if _, ok := s.(store.Distant); ok {
		return "distant"
	}
	return "other"
}

// manyFolders is how many folders with links resolved are remembered.
const manyFolders = 4096

// locate is where an object really is, for holding inputs against outputs.
// Links in its path are resolved; with follow, the name itself is resolved too, which
// takes a system call for each object and matters only where something is replaced.
func (n *naming) locate(s store.Store, name string, follow bool) string {
	switch kindOf(s) {
	case "distant":
		return s.URI(name)
	case "other":
		return fmt.Sprintf("%p/%s", s, name)
	}
	file := s.URI(name)
	if follow {
		return realPath(file)
	}
	dir := filepath.Dir(file)
	real, ok := n.real[dir]
	if !ok {
		if len(n.real) >= manyFolders {
			clear(n.real)
		}
		real = realPath(dir)
		n.real[dir] = real
	}
	return filepath.Join(real, filepath.Base(file))
}
