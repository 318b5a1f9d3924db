package jobtest

import (
	"context"
	"testing"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// wholeManifest reads the manifest, objects and all; nil where there is none.
func wholeManifest(out store.Store) (*manifest.Manifest, error) {
	var objects []manifest.Object
	m, _, err := ledger.ReadManifest(context.Background(), out, func(o *manifest.Object) error {
		objects = append(objects, *o)
		return nil
	})
	if m != nil {
		m.Objects = objects
	}
	return m, err
}

// addsUp checks a manifest that holds its objects.
func addsUp(m *manifest.Manifest) error {
	var c manifest.Checker
	for i := range m.Objects {
		c.Object(&m.Objects[i])
	}
	return c.Check(m)
}

// whole adds to a run's result the objects of the manifest that it wrote.
func whole(out store.Store, res *transform.Result, err error) (*transform.Result, error) {
	if res == nil || err != nil {
		return res, err
	}
	m, err := wholeManifest(out)
	if m != nil {
		res.Manifest.Objects = m.Objects
	}
	return res, err
}

// closing closes the plan at the end of a test.
func closing(t *testing.T, p *plan.Plan) *plan.Plan {
	t.Helper()
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}
