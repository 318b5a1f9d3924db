package transform

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/batchmill/batchmill/transform/roster"
	"github.com/batchmill/batchmill/transform/store"
)

// longestName is how long an element of a name may be, in bytes, on the file
// systems that people use. A store that is a [store.Namer] judges by itself.
const longestName = 255

// reserved are the names in an output that are batchmill's own.
var reserved = map[string]bool{manifestName: true, successName: true, rejectsDir: true, workDir: true}

// names are what the job writes for an object.
func (o *object) names() [2]string { return [2]string{o.out, o.rejects} }

// naming finds what cannot be in the names of a job's outputs, before anything
// is sent. It holds hashes of names only, and compares names where hashes say so.
type naming struct {
	plan  *Plan
	taken *roster.Index     // the names, by number: twice the object's, plus which of its names
	real  map[string]string // folders, with links resolved
}

// nameOutputs refuses outputs and rejects files: two of one name, one that is a
// folder of another, one that would replace an input, and what no file system can hold.
func (p *Plan) nameOutputs() error {
	n := naming{plan: p, taken: roster.NewIndex(2 * p.count())}
	for o, err := range p.all() {
		if err != nil {
			return err
		}
		for k, name := range o.names() {
			if err := n.allow(o, name); err != nil {
				return err
			}
			n.taken.Add(name, 2*o.index+k)
		}
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

func (n *naming) allow(o *object, name string) error {
	first, _, _ := strings.Cut(name, "/")
	err := n.storable(name)
	switch {
	case err != nil:
		return usage("rename it", "%s: %s cannot be the name of an output: %w", o.uri(), name, err)
	case reserved[first] && name != o.rejects:
		return usage("rename it", "%s: its output would be called %s, which is batchmill's own", o.uri(), name)
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

// named is the name with that number in taken, and whose it is.
func (n *naming) named(number int) (*object, string, error) {
	o, err := n.plan.object(number / 2)
	if err != nil {
		return nil, "", err
	}
	return o, o.names()[number%2], nil
}

func (n *naming) refuseTwice() error {
	former, latter, found, err := n.taken.Twice(func(a, b int) (bool, error) {
		_, one, err := n.named(a)
		if err != nil {
			return false, err
		}
		_, other, err := n.named(b)
		return one == other, err
	})
	if !found || err != nil {
		return err
	}
	other, name, err := n.named(former)
	if err != nil {
		return err
	}
	o, _, err := n.named(latter)
	if err != nil {
		return err
	}
	return usage("run them as two jobs with two outputs", "%s and %s would both be written to %s", other.uri(), o.uri(), n.plan.Output.URI(name))
}

// refuseFolders looks whether a folder above a name is a name too. Neighbours
// mostly share their folders, which are looked for once.
func (n *naming) refuseFolders() error {
	var above [2]string
	for o, err := range n.plan.all() {
		if err != nil {
			return err
		}
		for k, name := range o.names() {
			dir := path.Dir(name)
			for d := dir; d != "." && !strings.HasPrefix(above[k]+"/", d+"/"); d = path.Dir(d) {
				if err := n.refuseFolder(o, d); err != nil {
					return err
				}
			}
			above[k] = dir
		}
	}
	return nil
}

func (n *naming) refuseFolder(o *object, dir string) error {
	for number := range n.taken.Find(dir) {
		other, name, err := n.named(number)
		if err != nil {
			return err
		}
		if name == dir {
			return usage("run them as two jobs with two outputs", "%s would be written to %s, which is a folder for %s", other.uri(), n.plan.Output.URI(dir), o.uri())
		}
	}
	return nil
}

// refuseInputs looks whether an output would stand where an input stands.
func (n *naming) refuseInputs() error {
	p := n.plan
	near := false
	for _, in := range p.objects.inputs {
		near = near || kindOf(in.Store) == kindOf(p.Output)
	}
	if !near {
		return nil
	}
	n.real = map[string]string{}
	inputs := roster.NewIndex(p.count())
	for o, err := range p.all() {
		if err != nil {
			return err
		}
		inputs.Add(n.locate(o.source, o.info.Name, p.Spec.Overwrite), o.index)
	}
	inputs.Sort()
	for o, err := range p.all() {
		if err != nil {
			return err
		}
		for _, name := range o.names() {
			if err := n.refuseInput(inputs, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *naming) refuseInput(inputs *roster.Index, name string) error {
	at := n.locate(n.plan.Output, name, false)
	for i := range inputs.Find(at) {
		o, err := n.plan.object(i)
		if err != nil {
			return err
		}
		if n.locate(o.source, o.info.Name, n.plan.Spec.Overwrite) == at {
			return usage("choose another --output", "%s is an input, and would be an output too", n.plan.Output.URI(name))
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
// Links in its path are resolved; with follow, so is the name itself, which
// takes a system call an object and matters only where something is replaced.
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
