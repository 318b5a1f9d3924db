package container

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// untilEnded waits for the container's end, and tells how it was. An engine that
// goes away is waited for: its containers may live on without it.
func (f *Fleet) untilEnded(ctx context.Context, id string) (why error, final bool) {
	var away time.Time
	for {
		err := f.wait(ctx, id)
		if ctx.Err() != nil {
			return ctx.Err(), false
		}
		why, running, asked := f.howEnded(ctx, id)
		switch {
		case asked == nil && !running:
			return why, false
		case asked == nil:
			away = time.Time{} // it only broke off, and is back
		case away.IsZero():
			away = time.Now()
		case time.Since(away) > f.patience.away:
			return &EngineError{f.engine.DaemonHost(), errors.Join(err, asked)}, true
		}
		if err := sleep(ctx, retryAway); err != nil {
			return err, false
		}
	}
}

// wait returns when the container has ended, with an error when the engine broke off before.
func (f *Fleet) wait(ctx context.Context, id string) error {
	w := f.engine.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select { // one of them comes when ctx ends, too
	case <-w.Result:
		return nil
	case err := <-w.Error:
		return err
	}
}

// howEnded says how a container ended, unless it is still running. The error is
// that of an engine that does not tell.
func (f *Fleet) howEnded(ctx context.Context, id string) (why error, running bool, err error) {
	for tries := 3; ; tries-- {
		why, running, err = f.inspect(ctx, id)
		// Engines may learn of the end before they learn that it was for want of memory.
		if tries == 0 || !errors.Is(why, errKilled) || sleep(ctx, 100*time.Millisecond) != nil {
			return why, running, err
		}
	}
}

func (f *Fleet) inspect(ctx context.Context, id string) (why error, running bool, err error) {
	within, cancel := f.finishing(ctx)
	defer cancel()
	inspected, err := f.engine.ContainerInspect(within, id, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return errors.New("the container was removed by somebody else"), false, nil
	case err != nil:
		return nil, false, err
	case inspected.Container.State == nil:
		return errors.New("the container ended, and the engine does not tell how"), false, nil
	case inspected.Container.State.Running:
		return nil, true, nil
	}
	return f.ending(inspected.Container.State), false, nil
}

var errKilled = errors.New("the container was killed (exit code 137), by somebody or for want of memory")

// ending is a container's end in words.
func (f *Fleet) ending(s *container.State) error {
	switch {
	case s.OOMKilled:
		return fmt.Errorf("the container ran out of memory and was killed (exit code %d): give it more than %d bytes with --container-memory", s.ExitCode, f.resources().Memory)
	case s.Error != "":
		return fmt.Errorf("the container ended with exit code %d: %s", s.ExitCode, s.Error)
	case s.ExitCode == 137:
		return errKilled
	case s.ExitCode == 126 || s.ExitCode == 127:
		return fmt.Errorf("the container ended with exit code %d: the image has no program that takes serve, or cannot run it", s.ExitCode)
	}
	return fmt.Errorf("the container ended with exit code %d", s.ExitCode)
}
