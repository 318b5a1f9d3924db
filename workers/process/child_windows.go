package process

import (
	"context"
	"errors"
	"io"
)

var errWindows = errors.New("processes are not started on Windows: start the hosts and name them with --host")

func supported() error { return errWindows }

func runChild(context.Context, string, []string, int, io.Writer) error { return errWindows }

// Guard is the guard of a process; Windows has no guards.
func Guard([]string) int { return 64 }
