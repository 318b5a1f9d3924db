//go:build !unix

package store

import (
	"context"
	"errors"
)

// SoleWriter always fails: whether others may write to a file is not looked up on this system.
func (d *Disk) SoleWriter(context.Context, string) error {
	return wrap("look at", d.dir, errors.New("who may write to it is not known on this system"))
}
