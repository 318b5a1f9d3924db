//go:build unix

package main

import "syscall"

// The scripts write as users with the usual umask do: retry-rejects looks at who may
// write to a manifest.
var _ = syscall.Umask(0o022)
