//go:build !unix

package main

import (
	"errors"
	"os"
)

func peakOf(*os.ProcessState) (int64, error) {
	return 0, errors.New("peak memory can be measured on Unix only")
}
