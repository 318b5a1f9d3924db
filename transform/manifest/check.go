package manifest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/batchmill/batchmill/transform/roster"
)

// The policies for rejects, as they stand under "on_bad".
const (
	placeholder = "placeholder"
	skip        = "skip"
	fail        = "fail"
)

// A CheckError is a manifest that contradicts itself: a record may be lost.
type CheckError struct {
	Object  string // the input's URI; empty where the error is about the whole job
	Message string
}

func (e *CheckError) Error() string {
	if e.Object == "" {
		return "manifest: " + e.Message
	}
	return "manifest: " + e.Object + ": " + e.Message
}

// A Checker proves from the counts that no record was lost: each object's
// records are answered or rejected, as many came out as its policy lets out, no
// object and no output stands in the manifest twice, and the totals are the sums. Give the
// Checker all objects in order, then call Check. The zero value is ready; a Checker holds
// about 18 bytes an object.
type Checker struct {
	sums            Totals
	inputs, outputs roster.Set
	first           [len(policies)]*CheckError // the first fault there would be, by the job's policy
	cut             string                     // the input that the job's limit cut; empty for none
}

// policies are the policies that a job may have. The configuration, which says the job's
// policy, may stand behind the objects.
var policies = [...]string{placeholder, skip, fail}

// Object takes the next object.
func (c *Checker) Object(o *Object) {
	c.sums.add(o)
	again := ""
	if c.inputs.Add(o.Input.URI) {
		again = "stands in the manifest twice"
	}
	if o.Output != nil && c.outputs.Add(o.Output.URI) && again == "" {
		again = "another object has the same output, " + o.Output.URI
	}
	if c.cut != "" && again == "" {
		again = "stands behind the limit, which cut " + c.cut
	}
	if o.Cut {
		c.cut = o.Input.URI
	}
	for i, policy := range policies {
		if c.first[i] != nil {
			continue
		}
		if msg := cmp.Or(o.wrong(policy), again); msg != "" {
			c.first[i] = &CheckError{Object: o.Input.URI, Message: msg}
		}
	}
}

// Totals are the sums over the objects so far.
func (c *Checker) Totals() Totals { return c.sums }

// Check compares the objects that were given with the Config and the Totals of m; the
// Objects of m are not looked at. The error is a *CheckError, about the first object that does
// not add up, or about the job.
func (c *Checker) Check(m *Manifest) error {
	policy, err := m.policy()
	if err != nil {
		return err
	}
	i := slices.Index(policies[:], policy)
	if i < 0 {
		return &CheckError{Message: fmt.Sprintf("config: on_bad is %q, want %s, %s or %s", policy, placeholder, skip, fail)}
	}
	if c.first[i] != nil {
		return c.first[i]
	}
	if c.cut != "" && m.Limit == 0 {
		return &CheckError{Object: c.cut, Message: "cut by a limit, and the job has none"}
	}
	if m.Limit < 0 || m.Limit > 0 && c.sums.In > m.Limit {
		return &CheckError{Message: fmt.Sprintf("%d records were read, and the limit is %d", c.sums.In, m.Limit)}
	}
	return m.checkTotals(c.sums)
}

// policy is what the configuration says about rejects.
func (m *Manifest) policy() (string, error) {
	c := struct {
		OnBad   string `json:"on_bad"`
		Answers string `json:"answers"`
	}{OnBad: placeholder}
	if len(m.Config) > 0 {
		if err := json.Unmarshal(m.Config, &c); err != nil {
			return "", &CheckError{Message: fmt.Sprintf("config: %v", err)}
		}
	}
	if c.Answers == "per-batch" && c.OnBad == placeholder {
		return skip, nil // a response that is written as it came has no place for a single record
	}
	return c.OnBad, nil
}

func (m *Manifest) checkTotals(want Totals) error {
	got := m.Totals
	for _, n := range []struct {
		key       string
		got, want int64
	}{
		{"records_in", got.In, want.In},
		{"records_out", got.Out, want.Out},
		{"records_answered", got.Answered, want.Answered},
		{"records_rejected", got.Rejected, want.Rejected},
		{"blank_lines", got.Blank, want.Blank},
		{"skipped_lines", got.SkippedLines, want.SkippedLines},
		{"requests", got.Requests, want.Requests},
		{"retries", got.Retries, want.Retries},
	} {
		if n.got != n.want {
			return &CheckError{Message: fmt.Sprintf("totals.%s is %d, but the objects add up to %d", n.key, n.got, n.want)}
		}
	}
	if !slices.EqualFunc(got.Reasons, want.Reasons, func(a, b Reason) bool { return a.Reason == b.Reason && a.Count == b.Count }) {
		return &CheckError{Message: "totals.reasons are not what the objects add up to"}
	}
	if got.Resumed < 0 || got.Seconds < 0 {
		return &CheckError{Message: "totals: a negative number"}
	}
	return nil
}

// wrong says what does not add up in o; "" when all does.
func (o *Object) wrong(policy string) string {
	if o.OnBad != "" {
		policy = o.OnBad
	}
	for _, n := range []int64{o.Input.Size, o.In, o.Out, o.Answered, o.Rejected, o.Blank, o.SkippedLines, o.Requests, o.Retries} {
		if n < 0 {
			return fmt.Sprintf("a negative number, %d", n)
		}
	}
	if policy != placeholder && policy != skip && policy != fail {
		return fmt.Sprintf("on_bad is %q, want %s, %s or %s", policy, placeholder, skip, fail)
	}
	if o.Output != nil && (o.Output.URI == "" || o.Output.Size < 0) {
		return "an output without a uri or size"
	}
	if msg := o.Reasons.wrong(o.Rejected); msg != "" {
		return msg
	}
	if o.Rejects != nil && o.Rejected == 0 {
		return "a rejects file, but no records_rejected"
	}
	// Subtracted, so that counts near the end of int64 cannot wrap around.
	if o.Rejected > o.In || o.Answered > o.In-o.Rejected {
		return o.sum("more than was read")
	}
	switch o.Status {
	case Published:
		return o.wrongPublished(policy)
	case Held:
		return o.wrongHeld(policy)
	case Failed:
		return o.wrongFailed()
	}
	return fmt.Sprintf("status is %q, want %s, %s or %s", o.Status, Published, Held, Failed)
}

// sum shows the counts of promise 1 behind what is wrong with them.
func (o *Object) sum(what string) string {
	return fmt.Sprintf("%s: records_in %d, records_answered %d, records_rejected %d", what, o.In, o.Answered, o.Rejected)
}

// unsettled tells whether records of the input are neither answered nor rejected.
func (o *Object) unsettled() bool { return o.Answered != o.In-o.Rejected }

func (o *Object) wrongPublished(policy string) string {
	out := o.In
	if policy == skip {
		out = o.Answered
	}
	switch {
	case o.unsettled():
		return o.sum("records are lost")
	case policy == fail && o.Rejected > 0:
		return fmt.Sprintf("published with records_rejected %d, although on_bad is fail", o.Rejected)
	case o.Out != out:
		return fmt.Sprintf("records_out is %d, want %d under on_bad %s", o.Out, out, policy)
	case o.Output == nil:
		return "published, but no output is named"
	case o.Rejected > 0 && o.Rejects == nil:
		return fmt.Sprintf("records_rejected is %d, but no rejects file is named", o.Rejected)
	}
	return ""
}

func (o *Object) wrongHeld(policy string) string {
	switch {
	case o.unsettled():
		return o.sum("records are lost")
	case policy != fail:
		return "held, although on_bad is " + policy
	case o.Rejected == 0:
		return "held without a reject"
	case o.Rejects == nil:
		return fmt.Sprintf("records_rejected is %d, but no rejects file is named", o.Rejected)
	}
	return o.wrongHidden()
}

func (o *Object) wrongFailed() string {
	if o.Error == "" {
		return "failed without an error"
	}
	return o.wrongHidden()
}

// wrongHidden checks an object of which nothing may be visible.
func (o *Object) wrongHidden() string {
	if o.Out != 0 || o.Output != nil {
		return fmt.Sprintf("%s, but it has an output or records_out (%d)", o.Status, o.Out)
	}
	return ""
}
