package container

import (
	"context"
	"io"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/batchmill/batchmill/workers"
)

// follow copies what the container prints to log, until the end of the output once the
// container has ended, or until reading has ended. Where the engine breaks off earlier,
// follow goes on from there.
func (f *Fleet) follow(reading, living context.Context, id string, log io.Writer) {
	for since := ""; ; {
		r, err := f.engine.ContainerLogs(reading, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true, Since: since})
		if err == nil {
			_, _ = stdcopy.StdCopy(log, log, r) // whatever ended the copy, the engine is asked again
			_ = r.Close()
			since = time.Now().UTC().Format(time.RFC3339Nano)
		}
		if reading.Err() != nil || workers.Sleep(living, enginePause) != nil {
			return
		}
	}
}
