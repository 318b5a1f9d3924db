//go:build unix && !linux

package process

import (
	"os"
	"syscall"
)

func dieWithParent() *syscall.SysProcAttr { return nil }

func adoptOrphans() {}

func killChildren() {}

func self() (string, error) { return os.Executable() }
