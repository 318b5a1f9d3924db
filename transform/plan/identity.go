package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// A Pin is an input as the log has it: what is compared before a job goes on.
type Pin struct {
	Path    string    `json:"path"`
	Size    int64     `json:"size"` // bytes, as stored
	ModTime time.Time `json:"mtime"`
	ETag    string    `json:"etag,omitempty"`
}

// Identity is what changes output bytes, by name; a run with another identity is another job.
func (p *Plan) Identity() map[string]string {
	id := p.Codec.Identity()
	if p.image != nil {
		id["image"] = p.image.Digest
	}
	return id
}

// Record is what binds the job, as its manifest keeps it: a digest of everything, inputs included,
// and the settings by name, so that another job can be told by what differs.
func (p *Plan) Record() (json.RawMessage, error) {
	digest, err := p.digestAll()
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"digest": digest, "settings": p.Identity()})
}

// digestAll names the identity and the objects that the identity binds, in 32 characters.
func (p *Plan) digestAll() (string, error) {
	if p.digest != "" {
		return p.digest, nil
	}
	h := sha256.New()
	id := p.Identity()
	if _, bound := id["limit"]; !bound {
		id["limit"] = "0" // as in digests of builds that bound the limit, so that their whole jobs are known again
	}
	text, _ := json.Marshal(id) // keys come out sorted
	h.Write(text)
	for o, err := range p.All() {
		if err != nil {
			return "", err
		}
		text, _ := json.Marshal(o.Pin())
		h.Write(text)
	}
	p.digest = hex.EncodeToString(h.Sum(nil)[:16])
	return p.digest, nil
}

// Pin pins the object by its ETag, or by its time where the store has no ETags: in a
// bucket the time may change and the content not.
func (o *Object) Pin() Pin {
	e := Pin{Path: o.Path, Size: o.Info.Size, ETag: o.Info.ETag}
	if e.ETag == "" {
		e.ModTime = o.Info.ModTime.UTC()
	}
	return e
}

// Version is what tells one content of an object from another, beside its size.
func (e *Pin) Version() string {
	if e.ETag != "" {
		return "ETag " + e.ETag
	}
	return e.ModTime.Format(time.RFC3339)
}
