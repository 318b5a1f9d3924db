package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/batchmill/batchmill/transform/store"
)

// sums tells whether requests may carry CRC64NVME sums: to Amazon always,
// elsewhere when Probe has found that the service takes them.
func (s *Store) sums() bool { return s.checksum.Load() || amazonHost(s.client.Endpoint) }

// permitted names what the credentials do not allow, where err says that
// they do not.
func permitted(err error, action string) error {
	if status(err) != http.StatusForbidden {
		return err
	}
	return fmt.Errorf("%s may be missing: %w", action, explain(err))
}

// otherETag is that of no object.
const otherETag = `"00000000000000000000000000000bad"`

// mostRemade is how often the object of a probe is made anew for one question.
const mostRemade = 3

// A probe is the object that Probe makes, as one that is being written.
type probe struct {
	*object
	made string // the nonce of the object that is there; whatever is made besides has another
}

var probeBody = []byte("batchmill made this to see what the service does, and removes it")

// Probe finds out, by one object below dir, whether the service honours the
// conditions that everything else relies on: of puts, of reads and of the
// completion of uploads. The error is ErrUnsafe, naming the condition, where it does
// not. Another run that ends may remove the object meanwhile, with all that is below
// dir: then it is made anew, and the question asked again.
//
// Probe also finds out whether the service takes CRC64NVME sums; objects that are
// created from then on are sent with them. What it made is removed again, whatever
// comes of it.
func (s *Store) Probe(ctx context.Context, dir string) error {
	name := "probe-" + newNonce()
	if dir != "" {
		name = dir + "/" + name
	}
	if err := s.begin(ctx, "probe", name); err != nil {
		return err
	}
	made, err := s.Create(ctx, name, store.New)
	if err != nil {
		return err
	}
	p := &probe{object: made.(*object)}
	err = p.run(ctx)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if cleaned := p.clean(); err == nil {
		err = cleaned
	}
	if err == nil {
		s.checksum.Store(p.checksum)
	}
	return wrap("probe", s.URI(name), err)
}

// run makes the object, and then asks for what must be refused because it is there.
func (p *probe) run(ctx context.Context) error {
	p.checksum = true
	if err := p.withSums(func() error { return p.make(ctx) }); err != nil {
		return unsafe(err, "If-None-Match: * of a put")
	}
	for _, q := range []question{
		{"If-None-Match: * of a put", "", p.put},
		{"If-Match of a put", otherETag, p.put},
		{"If-Match of a read", otherETag, p.read},
		{"If-None-Match: * of an upload's completion", "", p.upload},
		{"If-Match of an upload's completion", otherETag, p.upload},
	} {
		if err := p.ask(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// A question is a request on a condition that does not hold.
type question struct {
	what    string
	seen    string // what the condition asks for; see object.condition
	request func(context.Context) error
}

// ask makes a request that must be refused. One that is not is no verdict while
// the object may have been gone: that cannot be told from a service that has made
// another in its place, except that such a service does so every time.
func (p *probe) ask(ctx context.Context, q question) error {
	for remade := 0; ; remade++ {
		p.seen = q.seen
		err := q.request(ctx)
		switch {
		case isPrecondition(err):
			return nil
		case err != nil && !isMissing(err) && !isNoSuchUpload(err) && !isConflict(err):
			return unsafe(err, q.what)
		}
		found, lookErr := p.look(ctx)
		if lookErr != nil {
			return errors.Join(explain(err), fmt.Errorf("whether the probe's object was there could not be seen: %w", explain(lookErr)))
		}
		// Another run that begins ends the uploads that it finds, and leaves the object.
		switch stands := found.nonce == p.made && !isNoSuchUpload(err); {
		case !stands && remade < mostRemade:
			if err := p.remake(ctx); err != nil {
				return err
			}
		case err != nil && !stands:
			return fmt.Errorf("the object was removed %d times; wait for other runs to end: %w", remade+1, explain(err))
		case err != nil:
			return unsafe(err, q.what)
		default:
			return fmt.Errorf("%w: it ignored %s; use one that does, for two runs could overwrite each other here", store.ErrUnsafe, q.what)
		}
	}
}

// unsafe is err, or ErrUnsafe where err says that the service does not know the condition.
func unsafe(err error, what string) error {
	if !isNotImplemented(err) {
		return err
	}
	return fmt.Errorf("%w: it does not know %s: %w", store.ErrUnsafe, what, explain(err))
}

// withSums makes a request with a sum, and once more without where a service
// other than Amazon's refuses it: what it does not like may be the sum.
func (p *probe) withSums(request func() error) error {
	err := request()
	if refused := status(err); p.checksum && !amazonHost(p.s.client.Endpoint) &&
		(refused == http.StatusBadRequest || refused == http.StatusNotImplemented) {
		p.checksum = false
		err = request()
	}
	return err
}

// make puts the object, under a name that nobody else uses. A name that is taken was taken by
// an earlier try of the put, whose answer was lost, and whose object another run removed
// before settle saw whose it was. Then the object is made anew.
func (p *probe) make(ctx context.Context) (err error) {
	for try := 0; try <= mostRemade; try++ {
		p.buf, p.parts, p.seen = block{b: probeBody}, nil, ""
		p.mark()
		if err = p.put(ctx); err != nil {
			_, err = p.settle(ctx, err)
		}
		p.made = p.nonce
		if !isPrecondition(err) {
			break
		}
	}
	p.mark()
	return err
}

// mark gives a nonce of its own to what is made from now on.
func (p *probe) mark() {
	p.nonce = newNonce()
	p.meta[metaNonce] = p.nonce
}

// remake makes the object anew, in place of what a question may have made.
func (p *probe) remake(ctx context.Context) error {
	if p.id != "" {
		if err := p.s.abortUpload(ctx, p.key, p.id); err != nil {
			return err
		}
		p.id = ""
	}
	if _, err := p.s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &p.s.bucket, Key: &p.key}); err != nil && !isMissing(err) {
		return permitted(err, "s3:DeleteObject")
	}
	return p.make(ctx)
}

func (p *probe) read(ctx context.Context) error {
	out, err := p.s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.s.bucket, Key: &p.key, IfMatch: &p.seen})
	if err != nil {
		return permitted(err, "s3:GetObject")
	}
	return out.Body.Close()
}

// upload uploads the object in one part. It is never completed, but by a service
// that ignores the condition.
func (p *probe) upload(ctx context.Context) error {
	p.buf, p.parts = block{}, nil
	if err := p.withSums(p.begin); err != nil {
		return permitted(err, "s3:PutObject")
	}
	first, err := p.sendPart(1, probeBody)
	if err != nil {
		return err
	}
	p.parts = []part{first}
	completed := p.complete(ctx)
	if err := p.s.abortUpload(ctx, p.key, p.id); err != nil {
		return err
	}
	p.id = ""
	return completed
}

// clean removes all that was made.
func (p *probe) clean() error {
	p.buf = block{}
	p.done = true
	err := p.discard()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), cleanupTime)
	defer cancel()
	_, gone := p.s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &p.s.bucket, Key: &p.key})
	return errors.Join(permitted(err, "s3:AbortMultipartUpload"), permitted(gone, "s3:DeleteObject"))
}
