package workers_test

import (
	"context"
	"fmt"

	"github.com/batchmill/batchmill/workers"
)

// echo is a host of one's own: the answer to each record is the record.
type echo struct{}

func (echo) Name() string { return "echo://" }

func (echo) Ready(context.Context) (workers.Parameters, error) { return workers.Parameters{}, nil }

func (echo) Invoke(_ context.Context, r *workers.Request) (workers.Response, error) {
	return workers.Response{Status: 200, ContentType: r.ContentType, Body: append(r.Into[:0], r.Body...)}, nil
}

// Any type with the three methods of Host can serve in a fleet.
func ExampleHost() {
	ctx := context.Background()
	pool := workers.NewPool(workers.Fleet{Hosts: []workers.Host{echo{}}}, workers.Limits{})
	for _, m := range pool.Members() {
		_ = pool.Watch(ctx, m) // in a goroutine, for a host with a ping
	}
	lease, err := pool.Acquire(ctx, workers.Wish{})
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := lease.Invoke(ctx, &workers.Request{ContentType: "text/csv", Body: []byte("1,2\n")})
	outcome := workers.Classify(resp, err)
	verdict := workers.Blame(outcome, workers.State{Records: 1})
	lease.Release(outcome, verdict)
	fmt.Printf("%v, %v: %s", outcome.Cause, verdict.Action, resp.Body)
	// Output: good, accept: 1,2
}
