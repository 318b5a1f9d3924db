//go:build !unix

package peak

import (
	"errors"
	"os"
)

// Of is not to be had here.
func Of(*os.ProcessState) (int64, error) {
	return 0, errors.New("peak memory can be measured on Unix only")
}
