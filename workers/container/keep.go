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

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/hostlog"
)

const (
	// mostTries is how many containers in a row may end before they are ready, and
	// mostUnanswered before they give a good answer. A record that makes a server
	// crash ends a dozen containers before the record fails alone and is found.
	mostTries      = 5
	mostUnanswered = 25
	firstPause     = 100 * time.Millisecond
	longestPause   = 30 * time.Second
	// stopSeconds is how long a server may take to end after SIGTERM.
	stopSeconds = 3
	// enginePause is the pause between two requests to an engine that does not answer.
	enginePause = time.Second
	firstPing   = 250 * time.Millisecond
	longestPing = 2 * time.Second
)

// Keep starts the host's container, and a new container when that has ended, after a
// pause of 100 ms that doubles up to 30 seconds. Keep gives up when five containers in
// a row ended before they were ready, or 25 without a good answer, or when another
// container could only fail the same way. The error says how the last container ended,
// with the last lines that it printed. When Keep returns, the host's containers are
// removed, and after the last host of the fleet the network and the unpacked model;
// removing takes less than a minute, whatever the engine does. The error names what
// could not be removed, which the next fleet's Sweep removes.
func (h *Host) Keep(ctx context.Context) (err error) {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	defer func() { h.containerEnded(errNotKept) }()
	if err := h.fleet.acquireShared(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("host %s cannot be started: %w", h.name, err)
	}
	defer func() {
		if left := h.fleet.releaseShared(ctx); left != nil {
			h.notice("%v", left)
			err = errors.Join(err, left)
		}
	}()
	log, err := h.fleet.options.Logs.Open(h.index + 1)
	if err != nil {
		return fmt.Errorf("host %s: its log: %w", h.name, err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	return h.keepRunning(ctx, log)
}

// keepRunning runs one container after the other.
func (h *Host) keepRunning(ctx context.Context, log *hostlog.Log) error {
	tries, unanswered, pause := 0, 0, firstPause
	for life := 1; ; life++ {
		e := h.runContainer(ctx, log, life)
		if ctx.Err() != nil {
			if e.leftover != nil {
				h.notice("%v", e.leftover)
			}
			return errors.Join(ctx.Err(), e.leftover)
		}
		switch e.use {
		case useful:
			tries, unanswered, pause = 0, 0, firstPause
		case asked:
			tries, pause = 0, firstPause
		}
		tries++
		unanswered++
		if e.final || tries == mostTries || unanswered == mostUnanswered {
			return h.gaveUp(e, unanswered, log)
		}
		h.notice("host %s: %v; another one is started in %v", h.name, e.withLastLines(log), pause)
		if err := workers.Sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

func (h *Host) gaveUp(e end, inARow int, log *hostlog.Log) error {
	h.fleet.options.Logs.Keep()
	h.notice("host %s is given up: %v; its log: %s", h.name, e.why, log.Path())
	row := ""
	if inARow > 1 {
		row = fmt.Sprintf("; %d in a row gave no good answer", inARow)
	}
	err := fmt.Errorf("host %s is given up: %w%s; its log: %s", h.name, e.withLastLines(log), row, log.Path())
	if e.leftover != nil {
		err = fmt.Errorf("%w; %w", err, e.leftover)
	}
	return err
}

func (h *Host) notice(format string, args ...any) {
	if say := h.fleet.options.Notice; say != nil {
		say(fmt.Sprintf(format, args...))
	}
}

// end is how a container ended, or why no container was made.
type end struct {
	why      error
	final    bool // another container would end the same way
	use      use
	leftover error // says that the container could not be removed
}

// withLastLines is why the container ended, with the last lines that it printed.
func (e end) withLastLines(log *hostlog.Log) error {
	if words := log.Tail(); words != "" {
		if line, cure := telling(log.Recent()); line != "" {
			return fmt.Errorf("%w; it said %q: %s; its last lines: %s", e.why, line, cure, words)
		}
		return fmt.Errorf("%w; its last lines: %s", e.why, words)
	}
	return fmt.Errorf("%w; it printed nothing", e.why)
}

// runContainer is one container from its creation to its removal; life is its number.
func (h *Host) runContainer(ctx context.Context, log *hostlog.Log, life int) (e end) {
	name := fmt.Sprintf("batchmill-%s-%d-%d", h.fleet.token, h.index+1, life)
	log.Begin("container " + name + " of " + h.fleet.image.digest)
	defer func() {
		e.use = h.containerEnded(e.why)
		e.leftover = h.fleet.remove(ctx, name)
	}()
	id, err := h.create(ctx, name)
	if err != nil {
		return end{why: err, final: permanent(err)}
	}
	address, err := h.start(ctx, id)
	if err != nil {
		return end{why: err}
	}
	h.containerStarted(id, address)
	return h.watch(ctx, id, log)
}

// permanent tells whether the same request to the engine would fail the same way.
func permanent(err error) bool {
	return errdefs.IsInvalidArgument(err) || errdefs.IsNotFound(err) || errdefs.IsPermissionDenied(err)
}

// create makes the container. After an error the container may exist all the same.
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

// start starts the container, and returns the address where it will listen; "" for a
// container that has ended already.
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
		return "", fmt.Errorf("the engine does not tell where the container listens: no address on its network")
	}
	return address, nil
}

// addressOf is the address, on this machine, of the server in a container.
func (f *Fleet) addressOf(s *container.NetworkSettings) string {
	if s == nil {
		return ""
	}
	if f.options.internal() {
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

// watch returns when the container has ended, or has been stopped because ctx ended.
// Beside, watch copies the container's log, and finds out when the server is ready.
func (h *Host) watch(ctx context.Context, id string, log *hostlog.Log) end {
	beside, stopBeside := context.WithCancel(ctx)
	defer stopBeside()
	reading, stopReading := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReading()
	var g sync.WaitGroup
	defer g.Wait()
	copied := make(chan struct{})
	caught.In(&g, func() {
		defer close(copied)
		h.fleet.follow(reading, beside, id, log)
	})
	caught.In(&g, func() { h.warm(beside) })

	why, final := h.fleet.untilEnded(ctx, id)
	if ctx.Err() != nil {
		h.fleet.stop(ctx, id)
	}
	stopBeside()
	select { // for the last lines of the log
	case <-copied:
	case <-time.After(2 * time.Second):
	}
	stopReading()
	return end{why: why, final: final}
}

// warm asks the container whether the server is ready, until the server is.
func (h *Host) warm(ctx context.Context) {
	for wait := firstPing; ; wait = min(2*wait, longestPing) {
		if _, err := h.Ready(ctx); err == nil || workers.Sleep(ctx, wait) != nil {
			return
		}
	}
}

// stop tells the server to end, and kills a server that does not.
func (f *Fleet) stop(ctx context.Context, id string) {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.patience.linger)
	defer cancel()
	_, _ = f.engine.ContainerStop(within, id, client.ContainerStopOptions{Timeout: ptr(stopSeconds)}) // the container is removed by force next
}

// remove removes a container, by ID or name, with its anonymous volumes. A missing
// container is fine. An engine that does not answer is asked again, for a time.
func (f *Fleet) remove(ctx context.Context, container string) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.patience.remove)
	defer cancel()
	for {
		_, err := f.engine.ContainerRemove(within, container, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		if workers.Sleep(within, enginePause/4) != nil {
			return fmt.Errorf("container %s is left, and the next batchmill that starts containers here removes it: %w", container, err)
		}
	}
}
