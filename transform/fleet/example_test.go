package fleet_test

import (
	"context"
	"fmt"
	"log"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/fleet"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
)

// The whole of what the command run does, for a spec that names places and hosts.
func Example() {
	ctx := context.Background()
	spec := &job.Spec{Input: []string{"in/"}, Output: "out/", Hosts: []string{"http://127.0.0.1:8080"}, Join: "input"}
	if err := spec.Validate(); err != nil {
		log.Fatal(err)
	}
	inputs, err := plan.OpenInputs(ctx, spec)
	if err != nil {
		log.Fatal(err)
	}
	output, err := plan.OpenOutput(ctx, spec)
	if err != nil {
		log.Fatal(err)
	}
	p, err := plan.New(ctx, *spec, inputs, output, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	hosts, err := fleet.Open(ctx, spec, fleet.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer hosts.Close()
	hosts.Prepare(ctx, p)
	result, err := transform.Run(ctx, p, hosts.Fleet, nil)
	if err != nil {
		log.Fatalf("%v (%s)", err, transform.HintOf(err))
	}
	fmt.Println(result.Manifest.Totals.Answered, "records answered")
}
