package container

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/batchmill/batchmill/workers"
)

// untilEnded waits until the container has ended, and says how. An engine that goes
// away may come back: its containers can live on without the engine.
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
			away = time.Time{} // the engine broke off the request, and is back
		case away.IsZero():
			away = time.Now()
		case time.Since(away) > f.patience.away:
			return &EngineError{f.engine.DaemonHost(), errors.Join(err, asked)}, true
		}
		if err := workers.Sleep(ctx, enginePause); err != nil {
			return err, false
		}
	}
}

// wait returns when the container has ended. An error says that the engine broke off.
func (f *Fleet) wait(ctx context.Context, id string) error {
	w := f.engine.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select { // the engine's client sends an error when ctx ends
	case <-w.Result:
		return nil
	case err := <-w.Error:
		return err
	}
}

// howEnded says how a container ended, or that it is still running. err is about an
// engine that does not answer.
func (f *Fleet) howEnded(ctx context.Context, id string) (why error, running bool, err error) {
	for tries := 3; ; tries-- {
		why, running, err = f.inspect(ctx, id)
		// An engine may learn of the end before it learns that memory ran out.
		if tries == 0 || !errors.Is(why, errKilled) || workers.Sleep(ctx, 100*time.Millisecond) != nil {
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

// ending says how a container ended.
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
