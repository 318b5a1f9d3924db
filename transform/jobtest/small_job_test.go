package jobtest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// smallJob is a job of JSON Lines that nothing random happens to: objects o0,
// o1 ... of so many records each, whose ids are 0, 1 ... through the job, and
// one host. Records given as poison are refused by the host.
func smallJob(objects, records int, poison ...int) *world {
	w := &world{rnd: rand.New(rand.NewPCG(1, 1)), input: store.NewMemory(), output: store.NewMemory()}
	w.spec = job.Spec{
		Input: []string{"mem:in"}, Output: "mem:out", InputFormat: "jsonl", Join: "input", OnBad: "placeholder",
		BatchRecords: 10, Concurrency: 1, MaxRejects: &job.Allowance{Percent: 100, IsShare: true},
	}
	bad := map[int]bool{}
	for _, id := range poison {
		bad[id] = true
	}
	for i := range objects {
		o := simObject{name: fmt.Sprintf("o%d", i)}
		for k := range records {
			r := simRecord{id: i*records + k, eol: "\n"}
			r.poison = bad[r.id]
			r.text = fmt.Sprintf(`{"id":%d,"text":"%s"}`, r.id, map[bool]string{true: "poison", false: "good"}[r.poison])
			o.records = append(o.records, r)
		}
		w.objects = append(w.objects, o)
		w.fill(&w.objects[i])
	}
	w.hosts = []*fakeHost{{name: "host", poison: 400, rnd: w.rnd, alone: map[int]int{}, asked: map[int]int{}}}
	return w
}

// fill writes an object into the input's store, again if it is there.
func (w *world) fill(o *simObject) {
	var b strings.Builder
	for _, r := range o.records {
		b.WriteString(r.text + r.eol)
	}
	if err := w.input.Put(o.name, []byte(b.String())); err != nil {
		panic(err)
	}
}

// wholeOutput tells how the output of object i differs from a run without rejects; "" when it does not.
func (w *world) wholeOutput(i int) string {
	o := &w.objects[i]
	got, ok := w.output.Snapshot()[o.name]
	if want := w.expect(o, nil); !ok || !bytes.Equal(got, want) {
		return fmt.Sprintf("%s (visible: %v): %s", o.name, ok, difference(got, want))
	}
	return ""
}

// csvJob is a smallJob of one object, in CSV with a header. Its first flawed
// records have a field too few.
func csvJob(records, flawed int) *world {
	w := smallJob(1, records)
	w.csv, w.headed = true, true
	w.spec.InputFormat, w.spec.Header = "csv", "yes"
	text := "id,text\n"
	for i := range w.objects[0].records {
		r := &w.objects[0].records[i]
		if r.text = fmt.Sprintf("%d,good", i); i < flawed {
			r.text = fmt.Sprint(i)
		}
		text += r.text + r.eol
	}
	if err := w.input.Put("o0", []byte(text)); err != nil {
		panic(err)
	}
	return w
}

// cut answers a request, but loses the last n bytes of the response together
// with its connection.
func cut(n int) fault {
	return func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
		body := h.render(r, ids)
		return workers.Response{Status: 200, ContentType: r.Accept, Unframed: true, Body: body[:len(body)-n]}, nil
	}
}

// saying answers each record of a request with the same text, and takes the
// memory for it as the true client does. It waits for memory no longer than
// ctx, so that a deadlock ends its test.
func saying(ctx context.Context, text string) fault {
	return func(_ *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
		body := strings.Repeat(text+"\n", len(ids))
		if r.Reserve != nil { // else it is a canary, whose memory is not counted
			if err := r.Reserve(ctx, len(body)); err != nil {
				return workers.Response{}, err
			}
		}
		return workers.Response{Status: 200, ContentType: r.Accept, Body: append(r.Into[:0], body...)}, nil
	}
}

// answersOnce is the script of a host that answers the batch with record 0. When that is logged, the host
// refuses all others by a status.
func answersOnce(code int) func(n int) fault {
	return func(int) fault {
		return func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
			if slices.Contains(ids, 0) {
				return workers.Response{Status: 200, ContentType: r.Accept, Body: append(r.Into[:0], h.render(r, ids)...)}, nil
			}
			time.Sleep(time.Minute)
			return status(code, 0)(h, r, ids)
		}
	}
}
