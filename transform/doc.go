// Package transform is the engine's pipeline: it reads a job's objects, cuts them into
// batches, asks hosts, and puts the answers back beside their records, in order. [Run] is
// the whole of it. Beside it stand plan (what can be known before the first request), ledger
// (what earlier runs left, and the answer log), codec (formats by name), workers (hosts).
//
// # The map
//
//	cutter         cut.go readahead.go       opens objects, cuts batches, takes a place in the window for each
//	   │ work, order
//	asker          batch.go                  a batch's life on a goroutine of its own: check, ask, log, join
//	   │           asking.go evidence.go     what is asked next: split, retry, reject (workers.Blame decides)
//	   │           exchange.go hedge.go      one request, its memory, and its twin at a second host
//	   │           proof.go                  what is believed of a response (workers.Believed decides)
//	assembler      assemble.go output.go     in input order: log the answers, write the output file
//	   │ publishing
//	publishers     publish.go                say what is about to be published, then give it its name
//	conclude       result.go                 the manifest, then _SUCCESS
//
// run.go starts all goroutines and holds what the stages share; window.go and place.go are the
// memory, layout.go what all output records have in common, allowance.go --max-rejects,
// lifetime.go the end of a job that is stopped, exit.go how a failure is classed. In the background run
// the watch over hosts, hedging, and the log's commits.
//
// # Who owns a batch
//
// A place is a batch's seat in the window. Its cutter makes it; with the hand-over it is the
// batch's goroutine's. That goroutine closes the channel answered when every record has an answer or a
// reject, and joined when the output records are made; then the place is the assembler's. Between the two,
// the assembler logs the entries, which nobody writes any more. A job that fails drops its places.
//
// # Memory
//
// The window bounds it: a place counts from its cut until it is written, with its records, payload, response and
// output. The budget is --memory less what distant stores hold, read-ahead included. The head is the oldest
// place that is not answered yet. The head alone may pass the budget, by what one batch needs. Copies of answers that
// are made ahead (copies.go) have a quarter of --memory; without room there, the assembler makes them in the place's turn.
//
// # What waits, and why not for ever
//
// Every wait ends when the job does. As long as the job goes on:
//
//	where                    for                                    ends because
//	cut.go         open      an object, opened ahead or not         the store answers or fails (*)
//	               Next      the object's bytes                     the store answers or fails (*)
//	               Await     a first host that is ready             --ready-timeout
//	               Next      the sizer, while it measures           batches at work get answers
//	window.go      enter     room for the next place                the head is written
//	cut.go         seat      the dispatcher                         it waits for a token only
//	readahead.go   budget    room for another open object           the cutter takes the oldest
//	batch.go       dispatch  a token; one for each processor        a batch got its first host, or needs none
//	window.go      grow      memory for a payload                   the head's is given once older places are written
//	asking.go      Acquire   a free host                            requests end; --host-wait
//	exchange.go    Invoke    the response                           --timeout
//	window.go      grow      memory for the response                as above; another batch gives
//	                                                                its host up if the head waits for a host
//	hedge.go       send      the twin, once there is one            --timeout
//	asking.go      pause     the retry budget, then a backoff       three retries a second; 30 s
//	layout.go      wait      the layout, once answered              the job's first answers fix it; or a quarter of
//	                                                                --memory waits for it, then what is known fixes it
//	assemble.go    receive   the next place, answered, joined       the rows above
//	               Append    a commit, when much is not durable     the store answers or fails (*)
//	publish.go     enter     room for what waits to be published    publishers finish
//	               publish   the store                              the store answers or fails (*)
//
// No deadlock: batches are dispatched in their order, so the head has its token before younger batches have theirs.
// The head waits for memory only while older places are written, which need none. Nor does it wait for a host that another batch keeps while that
// waits for memory: the other batch gives the host up. So the head is answered, and the next place becomes
// the head. To be joined and written, an answered batch needs no memory that its place does not hold already.
// (*) A disk has no time limit. S3 has one for each try, and tries end; docs/s3.md has both.
//
// # Where to look
//
// A record is rejected by asking.go (obey), when workers.Blame says so, or by batch.go (rejectFlaws) if the record itself
// cannot be sent. An output gets its name in publish.go (commit). Memory is bounded in window.go.
package transform
