package transform

import (
	"context"
	"fmt"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
)

// accepted are answers on a connection that was kept. They fall into doubt if the host turns
// out to have sent more than its responses.
type accepted struct {
	sel   []int32
	host  string
	trust *workers.Trust
}

// note remembers which connection answered q.
func (p *place) note(q ask, host *workers.Member, trust *workers.Trust) {
	if trust != nil {
		p.accepted = append(p.accepted, accepted{sel: q.sel, host: host.Name(), trust: trust})
	}
}

// disown takes back the answers of p that are in doubt, and returns the asks for them.
func (p *place) disown() (again []ask) {
	kept := p.accepted[:0]
	for _, a := range p.accepted {
		if !a.trust.Doubted() {
			kept = append(kept, a)
			continue
		}
		for _, i := range a.sel {
			p.answers.List[i] = formats.Answer{}
		}
		again = append(again, ask{sel: a.sel})
	}
	p.accepted = kept
	return again
}

// doubts are the hosts whose answers came into doubt after the log had them.
type doubts chan string

// rely tells p's connections that the log is about to have their answers. An answer that is
// in doubt by now ends the job: its batch is joined, and cannot be asked about again in this run.
func (d doubts) rely(p *place) error {
	for _, a := range p.accepted {
		host := a.host // all that the connection keeps of a
		doubted := func() {
			select {
			case d <- host:
			default: // another host has ended the job
			}
		}
		if !a.trust.Rely(doubted) {
			return doubtful(job.Superseded, a.host, "nothing that is in doubt was kept: run the same command again, with --no-keep-alive to prevent the same end")
		}
	}
	p.accepted = nil
	return nil
}

func doubtful(class job.Class, host, hint string) error {
	return &job.Failure{Class: class, Hint: hint,
		Err: fmt.Errorf("host %s sends more than the response to its request, so answers on its kept connections may be those to other records", host)}
}

// watchTrust ends the job when an answer in the log comes into doubt, and notes that in the
// log, so that no later run builds on the answer.
func (r *run) watchTrust(beside context.Context) error {
	select {
	case host := <-r.doubts:
		return r.distrust(host)
	case <-beside.Done():
		return nil
	}
}

// lastDoubt looks at the connections a last time, before the manifest says that all is well,
// or before a job that ends early leaves its log to a later run.
func (r *run) lastDoubt(ctx context.Context) error {
	r.pool.Examine(ctx)
	select {
	case host := <-r.doubts:
		return r.distrust(host)
	default:
		return nil
	}
}

func (r *run) distrust(host string) error {
	if err := r.ledger.Distrust(host); err != nil {
		return err
	}
	return doubtful(job.NoHosts, host, "answers in the log are in doubt: begin again with --restart --overwrite --no-keep-alive")
}
