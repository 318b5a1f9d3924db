package transform

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchmill/batchmill/formats/csv"
	"github.com/batchmill/batchmill/formats/parquet/encode"
	"github.com/batchmill/batchmill/transform/manifest"
)

// logVersion is raised when a reader of an older log would misunderstand it.
const logVersion = 1

// jobEntry is what binds a log to a job.
type jobEntry struct {
	Version  int               `json:"version"`
	ID       string            `json:"job_id"`
	Started  time.Time         `json:"started"`
	Identity map[string]string `json:"identity"`
}

type objectEntry struct {
	Path    string    `json:"path"`
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mtime"`
	ETag    string    `json:"etag,omitempty"`
}

// identity is what changes output bytes, by name; a run with another one is another job.
func (p *Plan) identity() map[string]string {
	s, c := &p.Spec, p.codec
	id := map[string]string{
		"input-format": c.in, "output-format": c.out, "content-type": c.payload.media, "accept": c.accept,
		"payload-wrap": s.PayloadWrap, "header": headerIdentity(c), "send-header": strconv.FormatBool(s.SendHeader),
		"delimiter": s.Delimiter, "quote": s.Quote, "ragged": strconv.FormatBool(s.Ragged), "join": s.Join,
		"answers": s.Answers, "answer-name": s.AnswerName, "answer-path": s.AnswerPath,
		"input-filter": s.InputFilter, "output-filter": s.OutputFilter,
		"compression": c.compression.String(), "row-group-records": c.rowGroup(), "answer-type": strings.Join(s.AnswerType, " "),
		"limit": strconv.FormatInt(s.Limit, 10), "max-record": s.MaxRecord.String(),
	}
	if c.out == formatParquet {
		id["compression"] = c.pages
	}
	if c.records != nil || c.types != nil {
		id["column-type"] = recordsIdentity(c.records) + typesIdentity(c.types)
	}
	if s.Answers == "per-batch" {
		id["batch-records"], id["batch-bytes"] = strconv.Itoa(s.batchRecords()), s.BatchBytes.String()
	}
	if p.image != nil {
		id["image"] = p.image.Digest
	}
	return id
}

func headerIdentity(c *codec) string {
	return strconv.FormatBool(c.schema.Header != nil)
}

// typesIdentity is types as --column-type could say them: however they were
// said, the output is the same.
func typesIdentity(types []csv.Type) string {
	var parts []string
	for i, t := range types {
		if t != csv.TypeAuto {
			parts = append(parts, fmt.Sprintf("%d=%s", i, t))
		}
	}
	return strings.Join(parts, " ")
}

// recordsIdentity is the typed columns that text records become in Parquet.
func recordsIdentity(r *encode.Records) string {
	if r == nil {
		return ""
	}
	var parts []string
	for _, c := range r.Columns {
		parts = append(parts, strconv.Quote(c.Name)+"="+string(c.Type))
	}
	return strings.Join(append(parts, r.Declared...), " ")
}

// digest names an identity and the objects it binds, in a few characters.
func (p *Plan) digest() (string, error) {
	if p.digests != "" {
		return p.digests, nil
	}
	h := sha256.New()
	text, _ := json.Marshal(p.identity()) // keys come out sorted
	h.Write(text)
	for o, err := range p.all() {
		if err != nil {
			return "", err
		}
		text, _ := json.Marshal(o.entry())
		h.Write(text)
	}
	p.digests = hex.EncodeToString(h.Sum(nil)[:16])
	return p.digests, nil
}

// entry pins the object by its ETag, or by its time where the store has none: in a
// bucket the time may change and the content not.
func (o *object) entry() objectEntry {
	e := objectEntry{Path: o.rel, Size: o.info.Size, ETag: o.info.ETag}
	if e.ETag == "" {
		e.ModTime = o.info.ModTime.UTC()
	}
	return e
}

// version is what tells one content of an object from another, beside its size.
func (e *objectEntry) version() string {
	if e.ETag != "" {
		return "ETag " + e.ETag
	}
	return e.ModTime.Format(time.RFC3339)
}

// otherJobError is a log whose job differs from the one to be run.
type otherJobError struct{ *Failure }

func (e *otherJobError) Unwrap() error { return e.Failure }

func otherJob(format string, args ...any) error {
	return &otherJobError{&Failure{Class: Usage, Err: fmt.Errorf(format, args...),
		Hint: "choose another --output, or redo everything with --restart --overwrite"}}
}

// sameJob compares the logged identity with this run's and names the first difference.
func (st *state) sameJob() error {
	if st.job.Version != logVersion {
		return otherJob("the job there was begun by a batchmill that writes logs of version %d, this one writes %d", st.job.Version, logVersion)
	}
	now := st.plan.identity()
	names := maps.Clone(now)
	maps.Copy(names, st.job.Identity) // what only one of them has counts too
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was := st.job.Identity[name]; was != now[name] {
			return otherJob("the job there was begun with --%s %q, this one has %q", name, was, now[name])
		}
	}
	return nil
}

func (st *state) sameObject(body []byte) error {
	var was objectEntry
	if err := json.Unmarshal(body, &was); err != nil {
		return err
	}
	i := st.objects
	st.objects++
	if i >= st.plan.count() {
		return otherJob("the job there also has the input %s, which is gone", was.Path)
	}
	o, err := st.plan.object(i)
	if err != nil {
		return err
	}
	switch now := o.entry(); {
	case was.Path != now.Path:
		return otherJob("the job there has %s as input %d, this one has %s", was.Path, i+1, now.Path)
	case was.Size != now.Size || !was.ModTime.Equal(now.ModTime) || was.ETag != now.ETag:
		return otherJob("input %s changed since the job there was begun (%d bytes of %s, now %d of %s)", now.Path,
			was.Size, was.version(), now.Size, now.version())
	}
	return nil
}

// made tells whether m is the record of this job.
func (p *Plan) made(m *manifest.Manifest) (bool, error) {
	digest, err := p.digest()
	return string(m.Identity) == `"`+digest+`"`, err
}
