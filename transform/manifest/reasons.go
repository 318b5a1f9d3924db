package manifest

import (
	"fmt"
	"slices"
)

// A Reason counts the rejects of one reason, and shows one of them.
type Reason struct {
	Reason string `json:"reason"` // as in rejects files
	Count  int64  `json:"count"`
	Sample Sample `json:"sample"` // the first in the order of objects and records
}

// A Sample says which record was rejected. What the record holds, and what a host said
// about it, which may repeat the record, stands in the rejects file alone: a manifest is shown
// to more people than records are.
type Sample struct {
	Object string `json:"object"` // the input's path below --input
	Record int64  `json:"record"`
	Status int    `json:"status"` // the host's last HTTP status, or 0
	Host   string `json:"host"`
}

// Reasons are rejects by their reason, in the order in which the reasons came up.
type Reasons []Reason

// Add counts a reject.
func (r *Reasons) Add(line *Reject) {
	if at := r.find(line.Reason); at >= 0 {
		(*r)[at].Count++
		return
	}
	*r = append(*r, Reason{Reason: line.Reason, Count: 1, Sample: line.Sample()})
}

// Sample is the reject in short.
func (r *Reject) Sample() Sample {
	return Sample{Object: r.Object, Record: r.Record, Status: r.Status, Host: r.Host}
}

// merge adds the counts of more.
func (r *Reasons) merge(more Reasons) {
	for i := range more {
		if at := r.find(more[i].Reason); at >= 0 {
			(*r)[at].Count += more[i].Count
		} else {
			*r = append(*r, more[i])
		}
	}
}

// Sum is the number of rejects.
func (r Reasons) Sum() (n int64) {
	for i := range r {
		n += r[i].Count
	}
	return n
}

func (r Reasons) find(reason string) int {
	return slices.IndexFunc(r, func(e Reason) bool { return e.Reason == reason })
}

// wrong says what does not add up, if rejected records are rejected; "" when all does. A run
// of an older batchmill told no reasons.
func (r Reasons) wrong(rejected int64) string {
	for i := range r {
		if r[i].Count < 1 || r[:i].find(r[i].Reason) >= 0 {
			return fmt.Sprintf("reasons: %q stands there twice, or counts %d", r[i].Reason, r[i].Count)
		}
	}
	if n := r.Sum(); len(r) > 0 && n != rejected {
		return fmt.Sprintf("reasons count %d rejects, but records_rejected is %d", n, rejected)
	}
	return ""
}

// String is the sample in one line.
func (s Sample) String() string {
	text := fmt.Sprintf("%s: record %d", s.Object, s.Record)
	if s.Status != 0 {
		text += fmt.Sprintf(": status %d", s.Status)
	}
	if s.Host != "" {
		text += " of " + s.Host
	}
	return text
}
