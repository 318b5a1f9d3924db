package container

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
)

const (
	// engineTime is the longest that a request to the engine may take.
	engineTime = time.Minute
	// askTime is the longest that the requests before a job starts may take together.
	askTime = 15 * time.Second
)

// patience is how long a fleet waits for the engine.
type patience struct {
	linger time.Duration // for a request under way when the job ends
	remove time.Duration // for the removal of one container
	away   time.Duration // for an engine that does not answer while its containers may live on
}

var usualPatience = patience{linger: 10 * time.Second, remove: 15 * time.Second, away: 2 * time.Minute}

// An EngineError says that the engine cannot be reached, or does not work as it should.
type EngineError struct {
	Address string
	Err     error
}

func (e *EngineError) Error() string {
	return fmt.Sprintf("no container engine answers at %s: %v", e.Address, e.Err)
}

func (e *EngineError) Unwrap() error { return e.Err }

// Hint says what the user can do.
func (e *EngineError) Hint() string {
	if strings.Contains(e.Err.Error(), "permission denied") {
		return "let this user use it (mostly by the group docker), or set DOCKER_HOST to where another one on this machine listens"
	}
	return "start it, or set DOCKER_HOST to where one on this machine listens; --host takes hosts that are started otherwise"
}

// A MissingImageError says that the engine does not have the image, which is never
// pulled behind the user's back.
type MissingImageError struct{ Image string }

func (e *MissingImageError) Error() string {
	return fmt.Sprintf("--image %s: the container engine has no such image", e.Image)
}

// Hint says what the user can do.
func (e *MissingImageError) Hint() string { return "docker pull " + e.Image }

// dial makes a client of the engine that the environment names (DOCKER_HOST and its
// like), by default of the engine at the usual socket. The engine must be on this
// machine, since files are mounted from the disk and ports published on the loopback.
func dial() (*client.Client, error) {
	c, err := client.New(client.FromEnv)
	if err != nil {
		return nil, fmt.Errorf("DOCKER_HOST and what goes with it: %w: mend it, or unset it for the engine at the usual socket", err)
	}
	if !isLocal(c.DaemonHost()) {
		_ = c.Close()
		return nil, fmt.Errorf("DOCKER_HOST %s is not on this machine, where the model is mounted from and ports are published: run batchmill there, or start the hosts there and name them with --host",
			c.DaemonHost())
	}
	return c, nil
}

func isLocal(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "unix", "npipe":
		return true
	case "tcp", "http", "https":
		ip := net.ParseIP(u.Hostname())
		return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	}
	return false
}

// imageFacts is what a fleet has to know about the image.
type imageFacts struct {
	digest  string
	volumes []string // the clean paths that the image declares as volumes
}

// askEngine asks the engine about the image and about the machine.
func askEngine(ctx context.Context, c *client.Client, image string) (facts imageFacts, info system.Info, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	told, err := c.Info(ctx, client.InfoOptions{})
	if err != nil {
		return facts, info, engineFault(ctx, c, err)
	}
	inspected, err := c.ImageInspect(ctx, image)
	switch {
	case errdefs.IsNotFound(err):
		return facts, info, &MissingImageError{Image: image}
	case errdefs.IsInvalidArgument(err):
		return facts, info, fmt.Errorf("--image %q: %w", image, err)
	case err != nil:
		return facts, info, engineFault(ctx, c, err)
	case !strings.HasPrefix(inspected.ID, "sha256:"):
		return facts, info, &EngineError{c.DaemonHost(), fmt.Errorf("it calls the image %q", inspected.ID)}
	}
	facts.digest = inspected.ID
	if inspected.Config != nil {
		for v := range inspected.Config.Volumes {
			facts.volumes = append(facts.volumes, path.Clean(v))
		}
	}
	return facts, told.Info, nil
}

// engineFault is err as an EngineError, or ctx's error if the caller has cancelled ctx.
func engineFault(ctx context.Context, c *client.Client, err error) error {
	if ctx.Err() == context.Canceled {
		return ctx.Err()
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("nothing in %v", askTime)
	}
	return &EngineError{c.DaemonHost(), err}
}

// finishing is a context for a request to the engine that should be finished: the
// context ends patience.linger after ctx, so that a container or network that is being
// made when the job ends becomes known, and can be removed.
func (f *Fleet) finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	c, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineTime)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(f.patience.linger, cancel) })
	return c, func() { stop(); cancel() }
}
