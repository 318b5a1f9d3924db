package container

import (
	"context"
	"io"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// follow copies what the container prints until that is all and the container no
// longer lives, or reading has ended. When the engine breaks off before, it goes on from there.
func (f *Fleet) follow(reading, living context.Context, id string, log io.Writer) {
	for since := ""; ; {
		r, err := f.engine.ContainerLogs(reading, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true, Since: since})
		if err == nil {
			_, _ = stdcopy.StdCopy(log, log, r) // whatever ended it, it is asked again
			_ = r.Close()
			since = time.Now().UTC().Format(time.RFC3339Nano)
		}
		if reading.Err() != nil || sleep(living, retryAway) != nil {
			return
		}
	}
}
