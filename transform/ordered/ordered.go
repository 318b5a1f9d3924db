// Package ordered works ahead of a reader and keeps the order: elements of a
// sequence are worked on at once, and their results come in the sequence's order.
package ordered

import (
	"cmp"
	"context"
	"iter"
	"sync"

	"github.com/batchmill/batchmill/internal/caught"
)

// result is what became of one element, once done is closed.
type result[O any] struct {
	done  chan struct{}
	value O
	err   error
}

// Map yields what f makes of each element of in, in the order of in. Up to n calls
// of f are under way at a time, and up to n results wait for their reader.
//
// An error of f is yielded in its element's place, and the sequence goes on. An
// error of in, or of ctx when it ends before in does, is yielded last. When the
// reader stops before the end, the ctx that f got ends, f's calls are waited for, and drop, unless it is nil,
// is called for each result that was not yielded. While in waits for something, it
// has to end that wait with ctx too.
func Map[I, O any](ctx context.Context, n int, in iter.Seq2[I, error], f func(context.Context, I) (O, error), drop func(O)) iter.Seq2[O, error] {
	return func(yield func(O, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		queue := make(chan *result[O], n)
		var working sync.WaitGroup
		whole := false
		var failed error
		caught.In(&working, func() {
			defer close(queue)
			failed = caught.Err(func() error {
				whole = feed(ctx, n, in, f, queue, &working)
				return nil
			})
		})
		defer func() {
			cancel()
			for r := range queue {
				if <-r.done; r.err == nil && drop != nil {
					drop(r.value)
				}
			}
			working.Wait()
		}()
		for r := range queue {
			if <-r.done; !yield(r.value, r.err) {
				return
			}
		}
		if !whole {
			var none O
			yield(none, cmp.Or(failed, ctx.Err()))
		}
	}
}

// feed queues a result for each element, and starts the work on it. It tells
// whether it came to the end of in before ctx ended.
func feed[I, O any](ctx context.Context, n int, in iter.Seq2[I, error], f func(context.Context, I) (O, error), queue chan<- *result[O], working *sync.WaitGroup) (whole bool) {
	free := make(chan struct{}, n)
	for v, err := range in {
		r := &result[O]{done: make(chan struct{}), err: err}
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return false
		}
		caught.In(working, func() {
			defer func() { <-free }()
			defer close(r.done)
			if r.err == nil {
				r.err = caught.Err(func() (err error) {
					r.value, err = f(ctx, v)
					return err
				})
			}
		})
		queue <- r // the reader empties it, in the end too
		if err != nil {
			break
		}
	}
	return true
}
