package container

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/batchmill/batchmill/workers/hostlog"
)

const (
	// mostTries is how many containers in a row may end without being ready, and
	// mostAsked without a good answer. One record that makes a server crash ends
	// a dozen of them before it stands alone and is found.
	mostTries  = 5
	mostAsked  = 25
	firstPause = 100 * time.Millisecond
	slowPause  = 30 * time.Second
	// politeness is how long a server may take to end when it is told to, in seconds.
	politeness = 3
	// retryAway is how long an engine that went away is left alone between two tries.
	retryAway = time.Second
	firstPing = 250 * time.Millisecond
	slowPing  = 2 * time.Second
)

// Keep starts the host's container, and another one when that has ended, after
// 100 ms at first and at most 30 s. It gives up when five in a row ended before
// they were ready, or 25 without a good answer, or when another try could only
// fail the same way; the error says how the last one ended, with the last lines it
// printed. When Keep returns,
// its containers are removed, and with the fleet's last host all else; that
// takes less than a minute, whatever the engine does. What could not be removed
// is named in the error, and goes at the next fleet's Sweep.
func (h *Host) Keep(ctx context.Context) (err error) {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	defer func() { h.ended(errNotKept) }()
	if err := h.fleet.join(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("host %s cannot be started: %w", h.name, err)
	}
	defer func() {
		if left := h.fleet.leave(ctx); left != nil {
			h.notice("%v", left)
			err = errors.Join(err, left)
		}
	}()
	log, err := h.fleet.o.Logs.Open(h.index + 1)
	if err != nil {
		return fmt.Errorf("host %s: its log: %w", h.name, err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	return h.again(ctx, log)
}

// again lives one container after the other.
func (h *Host) again(ctx context.Context, log *hostlog.Log) error {
	tries, unanswered, pause := 0, 0, firstPause
	for life := 1; ; life++ {
		e := h.live(ctx, log, life)
		if ctx.Err() != nil {
			if e.left != nil {
				h.notice("%v", e.left)
			}
			return errors.Join(ctx.Err(), e.left)
		}
		switch e.use {
		case useful:
			tries, unanswered, pause = 0, 0, firstPause
		case asked:
			tries, pause = 0, firstPause
		}
		tries++
		unanswered++
		if e.final || tries == mostTries || unanswered == mostAsked {
			return h.gaveUp(e, unanswered, log)
		}
		h.notice("host %s: %v; another one is started in %v", h.name, e.withWords(log), pause)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, slowPause)
	}
}

func (h *Host) gaveUp(e end, inARow int, log *hostlog.Log) error {
	h.fleet.o.Logs.Keep()
	h.notice("host %s is given up: %v; its log: %s", h.name, e.why, log.Path())
	row := ""
	if inARow > 1 {
		row = fmt.Sprintf("; %d in a row gave no good answer", inARow)
	}
	err := fmt.Errorf("host %s is given up: %w%s; its log: %s", h.name, e.withWords(log), row, log.Path())
	if e.left != nil {
		err = fmt.Errorf("%w; %w", err, e.left)
	}
	return err
}

func (h *Host) notice(format string, args ...any) {
	if say := h.fleet.o.Notice; say != nil {
		say(fmt.Sprintf(format, args...))
	}
}

// end is how a container ended, or why there was none.
type end struct {
	why   error
	final bool // another one would end the same way
	use   use
	left  error // it could not be removed
}

// withWords is how it ended, and what it said last.
func (e end) withWords(log *hostlog.Log) error {
	if words := log.Tail(); words != "" {
		return fmt.Errorf("%w; its last lines: %s", e.why, words)
	}
	return fmt.Errorf("%w; it printed nothing", e.why)
}

// live is one container, from its creation to its removal.
func (h *Host) live(ctx context.Context, log *hostlog.Log, life int) (e end) {
	name := fmt.Sprintf("batchmill-%s-%d-%d", h.fleet.token, h.index+1, life)
	log.Begin("container " + name + " of " + h.fleet.image.digest)
	defer func() {
		e.use = h.ended(e.why)
		e.left = h.fleet.remove(ctx, name)
	}()
	id, err := h.create(ctx, name)
	if err != nil {
		return end{why: err, final: hopeless(err)}
	}
	address, err := h.start(ctx, id)
	if err != nil {
		return end{why: err}
	}
	h.began(id, address)
	return h.watch(ctx, id, log)
}

// hopeless tells whether the same request could only fail the same way.
func hopeless(err error) bool {
	return errdefs.IsInvalidArgument(err) || errdefs.IsNotFound(err) || errdefs.IsPermissionDenied(err)
}

// create makes the container. When it fails, there may be one all the same.
func (h *Host) create(ctx context.Context, name string) (id string, err error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	within, cancel := h.fleet.finishing(ctx)
	defer cancel()
	made, err := h.fleet.engine.ContainerCreate(within, h.fleet.request(h.index, name))
	if err != nil {
		return "", fmt.Errorf("the engine made no container: %w", err)
	}
	return made.ID, nil
}

// start starts it, and tells where it will listen; "" where it has ended already.
func (h *Host) start(ctx context.Context, id string) (address string, err error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	within, cancel := h.fleet.finishing(ctx)
	defer cancel()
	if _, err := h.fleet.engine.ContainerStart(within, id, client.ContainerStartOptions{}); err != nil {
		return "", fmt.Errorf("the engine could not start the container: %w", err)
	}
	inspected, err := h.fleet.engine.ContainerInspect(within, id, client.ContainerInspectOptions{})
	if err != nil {
		return "", fmt.Errorf("the engine does not tell where the container listens: %w", err)
	}
	address = h.fleet.addressOf(inspected.Container.NetworkSettings)
	if address == "" && inspected.Container.State.Running {
		return "", fmt.Errorf("the engine does not tell where the container listens: no address on network %s", h.fleet.o.Network)
	}
	return address, nil
}

// addressOf is where a container listens, as seen from here.
func (f *Fleet) addressOf(s *container.NetworkSettings) string {
	if s == nil {
		return ""
	}
	if f.o.Network == Internal {
		if n := s.Networks[f.networkName()]; n != nil && n.IPAddress.IsValid() {
			return net.JoinHostPort(n.IPAddress.String(), port)
		}
		return ""
	}
	for _, b := range s.Ports[servedPort] {
		if b.HostPort != "" {
			return net.JoinHostPort("127.0.0.1", b.HostPort)
		}
	}
	return ""
}

// watch returns when the container has ended, or ctx has and the container was
// stopped. Beside that it copies the log, and finds out when the server is ready.
func (h *Host) watch(ctx context.Context, id string, log *hostlog.Log) end {
	beside, over := context.WithCancel(ctx)
	defer over()
	reading, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var g sync.WaitGroup
	defer g.Wait()
	copied := make(chan struct{})
	g.Go(func() {
		defer close(copied)
		h.fleet.follow(reading, beside, id, log)
	})
	g.Go(func() { h.warm(beside) })

	why, final := h.fleet.untilEnded(ctx, id)
	if ctx.Err() != nil {
		h.fleet.stop(ctx, id)
	}
	over()
	select { // the last words
	case <-copied:
	case <-time.After(2 * time.Second):
	}
	cut()
	return end{why: why, final: final}
}

// warm asks the container whether it is ready until it is.
func (h *Host) warm(ctx context.Context) {
	for wait := firstPing; ; wait = min(2*wait, slowPing) {
		if _, err := h.Ready(ctx); err == nil || sleep(ctx, wait) != nil {
			return
		}
	}
}

// stop tells the server to end, and kills it if it does not.
func (f *Fleet) stop(ctx context.Context, id string) {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.patience.linger)
	defer cancel()
	_, _ = f.engine.ContainerStop(within, id, client.ContainerStopOptions{Timeout: ptr(politeness)}) // it is removed by force next
}

// remove removes a container, by ID or name, with its anonymous volumes. That
// there is none is fine. An engine that does not answer is asked again for a while.
func (f *Fleet) remove(ctx context.Context, container string) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.patience.remove)
	defer cancel()
	for {
		_, err := f.engine.ContainerRemove(within, container, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		if sleep(within, retryAway/4) != nil {
			return fmt.Errorf("container %s is left, and the next batchmill that starts containers here removes it: %w", container, err)
		}
	}
}

// sleep returns ctx's error if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
