package main

import (
	"testing"

	"github.com/batchmill/batchmill/transform"
)

// TestHostOptions: hosts that are started get no headers, and connections for
// all requests that may be in flight.
func TestHostOptions(t *testing.T) {
	for _, c := range []struct {
		spec transform.Spec
		want int
	}{
		{transform.Spec{}, 256},
		{transform.Spec{MaxConcurrency: 10}, 64},
		{transform.Spec{MaxConcurrency: 1000}, 1000},
		{transform.Spec{Concurrency: 4, MaxConcurrency: 1000}, 64},
		{transform.Spec{Concurrency: 300}, 300},
	} {
		c.spec.HostHeader = []string{"X=$SECRET"}
		if o := hostOptions(&c.spec); o.MaxConns != c.want || len(o.Headers) > 0 {
			t.Errorf("%+v: %d connections, headers %v", c.spec, o.MaxConns, o.Headers)
		}
	}
	a := &app{lookupEnv: func(string) (string, bool) { return "secret", true }}
	spec := transform.Spec{HostHeader: []string{"X=$SECRET"}}
	if o, err := a.access(&spec, hostOptions(&spec)); err != nil || len(o.Headers) != 1 {
		t.Errorf("%v, %v", o.Headers, err)
	}
}
