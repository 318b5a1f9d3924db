package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxToken bounds what Read holds of a manifest at a time: one object, or one
// value beside the objects. In bytes.
const maxToken = 16 << 20

// A VersionError is a manifest whose shape this program does not know.
type VersionError struct{ Got int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("manifest: version %d, this batchmill reads version %d; its key \"tool\" says what wrote it", e.Got, Version)
}

// Read reads a manifest of any size. Read calls each for every object, in order;
// the object is valid during the call, and an error of each ends Read and comes
// back as it is. A nil each passes the objects over. The result has no Objects.
//
// Keys that are not known are ignored, and keys may come in any order, so that
// what is known of the job may come behind its objects. Nothing is settled
// before Read has returned without an error: the manifest may be cut. The error
// is a *VersionError for another version, and says where for what is no manifest.
func Read(r io.Reader, each func(*Object) error) (*Manifest, error) {
	in := &bounded{r: r}
	d := &reader{in: in, dec: json.NewDecoder(in), each: each, m: new(Manifest)}
	if err := d.document(); err != nil {
		return nil, err
	}
	return d.m, nil
}

type reader struct {
	in      *bounded
	dec     *json.Decoder
	each    func(*Object) error
	m       *Manifest
	version *int
	listed  bool // the objects were there
}

func (d *reader) document() error {
	if err := d.delim('{'); err != nil {
		return err
	}
	for d.dec.More() {
		key, err := d.dec.Token()
		if err != nil {
			return d.wrong(err)
		}
		if err := d.value(key.(string)); err != nil { // the decoder takes nothing else for a key
			return err
		}
	}
	if err := d.delim('}'); err != nil {
		return err
	}
	switch _, err := d.dec.Token(); {
	case err == nil:
		return fmt.Errorf("manifest: byte %d: more behind its end", d.dec.InputOffset())
	case err != io.EOF:
		return d.wrong(err)
	}
	if d.version == nil {
		return errors.New("manifest: no version: this is not a manifest of batchmill")
	}
	return nil
}

// value reads what stands under key. The version is judged at once: another
// version may have other types under the same keys.
func (d *reader) value(key string) error {
	m := d.m
	switch key {
	case "version":
		if err := d.decode(&d.version); err != nil || d.version == nil {
			return err
		}
		if m.Version = *d.version; m.Version != Version {
			return &VersionError{Got: m.Version}
		}
		return nil
	case "objects":
		return d.objects()
	}
	fields := map[string]any{
		"tool": &m.Tool, "job_id": &m.JobID, "started": &m.Started, "finished": &m.Finished, "config": &m.Config,
		"identity": &m.Identity, "image": &m.Image, "settled": &m.Settled, "limit": &m.Limit, "skipped": &m.Skipped, "header": &m.Header, "totals": &m.Totals, "hosts": &m.Hosts,
	}
	if field, known := fields[key]; known {
		return d.decode(field)
	}
	return d.decode(new(json.RawMessage))
}

func (d *reader) objects() error {
	if d.listed {
		return fmt.Errorf("manifest: byte %d: \"objects\" stands there twice", d.dec.InputOffset())
	}
	d.listed = true
	switch token, err := d.dec.Token(); {
	case err != nil:
		return d.wrong(err)
	case token == nil: // null
		return nil
	case token != json.Delim('['):
		return fmt.Errorf("manifest: byte %d: \"objects\" is no list", d.dec.InputOffset())
	}
	for d.dec.More() {
		if d.each == nil {
			if err := d.decode(new(json.RawMessage)); err != nil {
				return err
			}
			continue
		}
		var o Object
		if err := d.decode(&o); err != nil {
			return err
		}
		if err := d.each(&o); err != nil {
			return err
		}
	}
	return d.delim(']')
}

// delim takes the next token, which must be want.
func (d *reader) delim(want json.Delim) error {
	d.in.mark = d.dec.InputOffset()
	token, err := d.dec.Token()
	switch {
	case err != nil, d.in.failed != nil: // More passes a read error over
		return d.wrong(err)
	case token != want:
		return fmt.Errorf("manifest: byte %d: %v in the place of %v; this is not a manifest of batchmill", d.dec.InputOffset(), token, want)
	}
	return nil
}

func (d *reader) decode(v any) error {
	d.in.mark = d.dec.InputOffset()
	if err := d.dec.Decode(v); err != nil {
		return d.wrong(err)
	}
	d.in.mark = d.dec.InputOffset()
	return nil
}

// wrong says at which byte of the manifest err happened.
func (d *reader) wrong(err error) error {
	var syntax *json.SyntaxError
	var typed *json.UnmarshalTypeError
	switch {
	case d.in.failed != nil:
		return fmt.Errorf("manifest: %w", d.in.failed)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("manifest: byte %d: %w; the file is cut or damaged", d.in.read, io.ErrUnexpectedEOF)
	case errors.As(err, &syntax):
		return fmt.Errorf("manifest: near byte %d: %w; the file is cut or damaged", d.dec.InputOffset()+1, err)
	case errors.As(err, &typed):
		return fmt.Errorf("manifest: before byte %d: %w", d.dec.InputOffset()+1, err)
	}
	return fmt.Errorf("manifest: near byte %d: %w", d.dec.InputOffset()+1, err)
}

// bounded reads no further than maxToken beyond mark, up to where the decoder
// has taken what was read: so the decoder cannot be made to hold more.
type bounded struct {
	r          io.Reader
	read, mark int64
	failed     error // other than the end
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.failed != nil { // the reader stays failed, whatever another try would bring
		return 0, b.failed
	}
	left := b.mark + maxToken - b.read
	if left <= 0 {
		b.failed = fmt.Errorf("byte %d: more than %d bytes in one value", b.mark, maxToken)
		return 0, b.failed
	}
	n, err := b.r.Read(p[:min(int64(len(p)), left)])
	b.read += int64(n)
	if err != nil && err != io.EOF {
		b.failed = err
	}
	return n, err
}
