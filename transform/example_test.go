package transform_test

import (
	"context"
	"fmt"
	"log"
	"strconv"
	"strings"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// doubler is a host in the process: its answer to a line is twice its number.
type doubler struct{}

func (doubler) Name() string { return "doubler" }

func (doubler) Ready(context.Context) (workers.Parameters, error) { return workers.Parameters{}, nil }

func (doubler) Invoke(_ context.Context, r *workers.Request) (workers.Response, error) {
	var body []byte
	for line := range strings.Lines(string(r.Body)) {
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return workers.Response{Status: 400, Body: []byte(err.Error())}, nil
		}
		body = fmt.Appendln(body, 2*n)
	}
	return workers.Response{Status: 200, ContentType: "text/csv", Body: body}, nil
}

// shelf is a store of one's own: memory under another address.
type shelf struct{ *store.Memory }

func (shelf) URI(name string) string { return "shelf:" + name }

// A job whose stores and host are given: nothing of its spec names a place.
func ExampleRun() {
	ctx := context.Background()
	in, out := shelf{store.NewMemory()}, shelf{store.NewMemory()}
	if err := in.Put("numbers.csv", []byte("n\n1\n2\nmany\n")); err != nil {
		log.Fatal(err)
	}
	spec := job.Spec{Join: "input", MaxRejects: &job.Allowance{Count: 1}}
	p, err := plan.New(ctx, spec, []plan.Source{{Store: in}}, out, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	result, err := transform.Run(ctx, p, workers.Fleet{Hosts: []workers.Host{doubler{}}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of %d answered\n%s", result.Manifest.Totals.Answered, result.Manifest.Totals.In, out.Snapshot()["numbers.csv"])
	// Output:
	// 2 of 3 answered
	// n,prediction
	// 1,2
	// 2,4
	// many,
}
