package fleet

import (
	"testing"

	"github.com/batchmill/batchmill/transform/job"
)

// TestHostOptions: hosts that are started get no headers, and connections for
// all requests that may be in flight.
func TestHostOptions(t *testing.T) {
	for _, c := range []struct {
		spec job.Spec
		want int
	}{
		{job.Spec{}, 256},
		{job.Spec{MaxConcurrency: 10}, 64},
		{job.Spec{MaxConcurrency: 1000}, 1000},
		{job.Spec{Concurrency: 4, MaxConcurrency: 1000}, 64},
		{job.Spec{Concurrency: 300}, 300},
	} {
		c.spec.HostHeader = []string{"X=$SECRET"}
		if o := httpOptions(&c.spec); o.MaxConns != c.want || len(o.Headers) > 0 {
			t.Errorf("%+v: %d connections, headers %v", c.spec, o.MaxConns, o.Headers)
		}
	}
	f := &Fleet{options: Options{LookupEnv: func(string) (string, bool) { return "secret", true }, Hide: func(func() []string) {}}}
	spec := job.Spec{HostHeader: []string{"X=$SECRET"}}
	if o, err := f.access(&spec, httpOptions(&spec)); err != nil || len(o.Headers) != 1 {
		t.Errorf("%v, %v", o.Headers, err)
	}
}
