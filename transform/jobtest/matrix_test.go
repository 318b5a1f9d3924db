package jobtest

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// A pairing is one combination of formats and policies.
type pairing struct {
	in, payload, out    string
	join                string
	inFilter, outFilter bool
	packing             string // of the input
	compression         string // of the output
	response, answer    string
	named               bool                         // --answer-columns names, picks and orders what answers have
	bad                 string                       // "": no record is refused by hosts; else --on-bad
	skipped             int64                        // lines of an object that are passed over
	plain               func([]byte) ([]byte, error) // makes plain CSV of what the job writes; nil where that is plain
}

var (
	matrixFormats   = []string{codec.FormatCSV, codec.FormatJSONL, codec.FormatLines, codec.FormatParquet}
	matrixPayloads  = []string{"csv", "jsonl", "array", "instances", "dataframe_split", "parquet", "lines"}
	matrixJoins     = []string{"none", "input"}
	matrixPackings  = []string{"none", "gzip", "zstd", "snappy", "lz4"}
	matrixResponses = []string{"csv", "jsonl", "array", "predictions", "parquet", "lines"}
	matrixAnswers   = []string{"number", "string", "object", "list"}
	matrixBad       = []string{"", "placeholder", "skip"}
)

var payloadMedia = map[string]string{
	"csv": "text/csv", "jsonl": "application/jsonlines", "array": "application/json", "instances": "application/json",
	"dataframe_split": "application/json", "parquet": "application/x-parquet", "lines": "text/plain",
}

var acceptMedia = map[string]string{
	"csv": "text/csv", "jsonl": "application/jsonlines", "array": "application/json", "predictions": "application/json",
	"parquet": "application/x-parquet", "lines": "text/plain",
}

// refused is what has to be refused, by a part of the message; "" where nothing is.
func (c *pairing) refused() string {
	switch {
	case c.in != codec.FormatLines && c.payload == "lines":
		return "cannot be rendered as that"
	case c.in == codec.FormatLines && c.payload == "parquet":
		return "lines have no columns"
	case c.in == codec.FormatLines && c.inFilter:
		return "--input-filter"
	case c.in == codec.FormatLines && c.join == "input", c.out == codec.FormatLines && c.join == "input":
		return "lines"
	}
	return ""
}

// possible tells whether a host can answer so, and a filter has something to do.
func (c *pairing) possible() bool {
	switch {
	case c.outFilter && c.join == "none":
		return false // it would pick from answers, as in TestAnswersAreFiltered
	case c.named && c.out == codec.FormatLines:
		return false // lines have no columns: TestAnswerColumnsAreCheckedFirst
	case c.response == "csv":
		return c.answer != "object"
	case c.response == "lines":
		return c.answer == "number" || c.answer == "string"
	}
	return true
}

func (c *pairing) spec() job.Spec {
	s := job.Spec{
		Input: []string{"mem:in"}, Output: "mem:out", InputFormat: c.in, OutputFormat: c.out, Join: c.join,
		ContentType: payloadMedia[c.payload], Accept: acceptMedia[c.response], Compression: c.compression,
		BatchRecords: 3, Concurrency: 3, MaxRejects: &job.Allowance{Percent: 100, IsShare: true}, OnBad: c.bad,
	}
	if c.payload == "instances" || c.payload == "dataframe_split" {
		s.PayloadWrap = c.payload
	}
	if c.in == codec.FormatCSV {
		s.Header = "yes"
	}
	if c.inFilter {
		s.InputFilter = "x,id"
	}
	if c.named {
		s.AnswerColumns = strings.Join(c.answerColumns(), ",")
	}
	if c.outFilter {
		s.OutputFilter = "name,id,prediction"
	}
	return s
}

// TestEveryPair runs a job for every pair of formats and payloads, with and
// without join and filters, and looks at every value. What is independent of
// the pair takes turns, so that all of it meets all of the rest.
func TestEveryPair(t *testing.T) {
	oneBubble(t, func(t *testing.T) {
		inputs := matrixInputs(t)
		turn := 0
		cells := 0
		defer func() { t.Attr("format_cells", strconv.Itoa(cells)) }()
		for c := range pairings() {
			for range 2 {
				cells++
				turn = nextTurn(&c, turn)
				c.run(t, inputs[[2]string{c.in, c.packing}])
			}
			if t.Failed() {
				return
			}
		}
	})
}

// TestEveryAnswer runs a job for every form of answer in every kind of response
// into every output.
func TestEveryAnswer(t *testing.T) {
	oneBubble(t, func(t *testing.T) {
		inputs := matrixInputs(t)
		cells := 0
		defer func() { t.Attr("format_cells", strconv.Itoa(cells)) }()
		for n := range len(matrixFormats) * len(matrixFormats) * 2 * len(matrixResponses) * len(matrixAnswers) * 2 {
			c := pairing{packing: "none", bad: matrixBad[n%3]} // 3 divides no product of what is before it
			c.in, n = matrixFormats[n%4], n/4
			c.out, n = matrixFormats[n%4], n/4
			c.join, n = matrixJoins[n%2], n/2
			c.response, n = matrixResponses[n%6], n/6
			c.answer, n = matrixAnswers[n%4], n/4
			c.named = n == 1
			c.payload = map[string]string{codec.FormatCSV: "csv", codec.FormatJSONL: "jsonl", codec.FormatLines: "lines", codec.FormatParquet: "jsonl"}[c.in]
			if c.possible() {
				cells++
				c.run(t, inputs[[2]string{c.in, c.packing}])
			}
			if t.Failed() {
				return
			}
		}
	})
}

// oneBubble runs f in virtual time. Compressors that hold channels are kept for
// another use, and none may get from one bubble into another: so all jobs of a
// test run in one, and two collections empty the pools before and after it.
func oneBubble(t *testing.T, f func(t *testing.T)) {
	empty := func() { runtime.GC(); runtime.GC() }
	empty()
	defer empty()
	synctest.Test(t, f)
}

// pairings yields every input, payload and output, with and without join and filters.
func pairings() func(yield func(pairing) bool) {
	return func(yield func(pairing) bool) {
		for n := range len(matrixFormats) * len(matrixPayloads) * len(matrixFormats) * 2 * 2 * 2 {
			var c pairing
			c.in, n = matrixFormats[n%4], n/4
			c.payload, n = matrixPayloads[n%7], n/7
			c.out, n = matrixFormats[n%4], n/4
			c.join, n = matrixJoins[n%2], n/2
			c.inFilter, c.outFilter = n%2 == 1, n/2 == 1
			if c.outFilter && c.join == "none" {
				continue
			}
			if !yield(c) {
				return
			}
		}
	}
}

// nextTurn gives c the next answers, compressions and rejects that are possible.
func nextTurn(c *pairing, turn int) int {
	for {
		turn++
		c.response = matrixResponses[turn%6]
		c.answer = matrixAnswers[turn/6%4]
		c.bad = matrixBad[turn%23%3]
		c.named = turn%19%2 == 1
		c.compression = matrixPackings[turn%29%5]
		c.packing = matrixPackings[turn%31%5]
		if c.in == codec.FormatParquet {
			c.packing = "none"
		}
		if c.possible() {
			return turn
		}
	}
}

// run runs one job and checks all of it.
func (c *pairing) run(t *testing.T, in store.Store) {
	t.Helper()
	host := c.host(t)
	if want := c.refused(); want != "" {
		out := store.NewMemory()
		_, err := start(t, c.spec(), in, out, host, nil)
		c.mustRefuse(t, err, want, host, out)
		return
	}
	c.runWith(t, in, func(*job.Spec) {}, host)
}

// runWith runs one job that is not refused, with changed settings and a host of its own, and checks all of it.
func (c *pairing) runWith(t *testing.T, in store.Store, change func(*job.Spec), host workers.Host) {
	t.Helper()
	out, objects := store.NewMemory(), matrixObjects()
	progress := new(transform.Progress)
	spec := c.spec()
	change(&spec)
	res, err := start(t, spec, in, out, host, progress)
	if err != nil {
		t.Errorf("%+v: %v", *c, err)
		return
	}
	if in := progress.Inside(); in.Window != 0 || in.Places != 0 {
		t.Errorf("%+v: the window still holds %d bytes in %d places", *c, in.Window, in.Places)
	}
	for i, records := range objects {
		if err := c.check(i, records, res.Manifest, out.Snapshot()); err != nil {
			t.Errorf("%+v: object %d: %v", *c, i, err)
		}
	}
}

func start(t *testing.T, spec job.Spec, in, out store.Store, host workers.Host, progress *transform.Progress) (*transform.Result, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	plan, err := plan.New(t.Context(), spec, []plan.Source{{Store: in}}, out, nil)
	if err != nil {
		return nil, err
	}
	res, err := transform.Run(t.Context(), closing(t, plan), workers.Fleet{Hosts: []workers.Host{host}}, progress)
	return whole(out, res, err)
}

// mustRefuse: what cannot be is said before anything is asked or written.
func (c *pairing) mustRefuse(t *testing.T, err error, want string, host *matrixHost, out *store.Memory) {
	if err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(err.Error(), want) {
		t.Errorf("%+v: error %v of class %d, want one of usage about %q", *c, err, transform.ClassOf(err), want)
	}
	if host.asked.Load() > 0 || len(out.Snapshot()) > 0 {
		t.Errorf("%+v: %d records were asked about, %d files written", *c, host.asked.Load(), len(out.Snapshot()))
	}
}

// check holds one object's output, rejects and counts against what they should be.
func (c *pairing) check(i int, records []matrixRecord, m *manifest.Manifest, seen map[string][]byte) error {
	data, ok := seen[c.outName(i)]
	if !ok {
		return fmt.Errorf("no output %s: %s %s", c.outName(i), m.Objects[i].Status, m.Objects[i].Error)
	}
	got, err := c.readOutput(data)
	if err != nil {
		return fmt.Errorf("the output cannot be read: %w", err)
	}
	want := c.expect(records)
	if diff := got.differs(want); diff != "" {
		return fmt.Errorf("%s", diff)
	}
	rejected := int64(0)
	if c.bad != "" && records[0].ID < poisonID && records[6].ID > poisonID {
		rejected = 1
	}
	counts := manifest.Counts{In: 7, Out: int64(len(want.rows)), Answered: 7 - rejected, Rejected: rejected, SkippedLines: c.skipped}
	if o := m.Objects[i]; o.Status != manifest.Published || o.Counts != counts {
		return fmt.Errorf("%s with counts %+v, want %+v", o.Status, o.Counts, counts)
	}
	return c.checkRejects(rejected == 1, seen, i)
}

func (c *pairing) checkRejects(want bool, seen map[string][]byte, i int) error {
	for name, text := range seen {
		if !strings.HasPrefix(name, plan.RejectsDir+"/"+objectName(i)) {
			continue
		}
		if rej, err := manifest.DecodeReject(text); err != nil || !want || rej.Record != poisonID%100 || rej.Status != 400 {
			return fmt.Errorf("%s holds %+v, %w", name, rej, err)
		}
		want = false
	}
	if want {
		return fmt.Errorf("no rejects file")
	}
	return nil
}
