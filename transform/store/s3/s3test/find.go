package s3test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// BinaryEnv is the environment variable that names the server's binary. Where
// it is not set, the binary is bin/versitygw beside the nearest go.mod above
// the working directory that has it there.
const BinaryEnv = "BATCHMILL_VERSITYGW"

// ErrNoBinary says that the server was not built.
var ErrNoBinary = errors.New("there is no versitygw (the S3 server for tests): run make versitygw, or name it in " + BinaryEnv)

// binary finds the server's binary.
func binary() (string, error) {
	if named := os.Getenv(BinaryEnv); named != "" {
		if !isFile(named) {
			return "", fmt.Errorf("%s names %s, which is no file", BinaryEnv, named)
		}
		return filepath.Abs(named)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		// Only beside a go.mod, or a server of any version that is installed
		// in the system's /bin would do.
		built := filepath.Join(dir, "bin", "versitygw")
		if isFile(built) && isFile(filepath.Join(dir, "go.mod")) {
			return built, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", ErrNoBinary
		}
		dir = parent
	}
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
