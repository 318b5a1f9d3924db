package container

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxEnvFile is the most bytes that a file of variables may have.
const maxEnvFile = 1 << 20

// port is the port on which servers listen in their containers.
const port = "8080"

// A Contract is what SageMaker tells a container about a batch transform, by
// variables.
type Contract struct {
	MaxPayload    int64 // of a request, in bytes; 0 is 6 MiB
	SingleRecord  bool  // a request holds one record
	MaxConcurrent int   // requests at once; 0 sets no variable, so that the server decides
}

// Env is the contract as variables NAME=VALUE.
func (c Contract) Env() []string {
	payload := cmp.Or(c.MaxPayload, 6<<20)
	strategy := "MULTI_RECORD"
	if c.SingleRecord {
		strategy = "SINGLE_RECORD"
	}
	env := []string{
		"SAGEMAKER_BATCH=true",
		"SAGEMAKER_BATCH_STRATEGY=" + strategy,
		fmt.Sprintf("SAGEMAKER_MAX_PAYLOAD_IN_MB=%d", (payload+1<<20-1)>>20),
		"SAGEMAKER_BIND_TO_PORT=" + port,
		"SAGEMAKER_SAFE_PORT_RANGE=9000-9999",
	}
	if c.MaxConcurrent > 0 {
		env = append(env, fmt.Sprintf("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS=%d", c.MaxConcurrent))
	}
	return env
}

// checkVariable checks NAME=VALUE. No error shows the value.
func checkVariable(e string) error {
	name, value, ok := strings.Cut(e, "=")
	switch {
	case !ok || name == "":
		return errors.New("--env: write NAME=VALUE, or NAME for the value in batchmill's own environment")
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError }):
		return fmt.Errorf("--env: the name %q holds a character that names do not have", name)
	case strings.ContainsRune(value, 0) || !utf8.ValidString(value):
		return fmt.Errorf("--env %s: its value is no text", name)
	}
	return nil
}

// Variable reads the value of an --env: NAME=VALUE, or NAME, whose value lookup gives.
// A name that lookup does not know is an error.
func Variable(s string, lookup func(string) (string, bool)) (string, error) {
	if !strings.Contains(s, "=") && s != "" {
		value, ok := lookup(s)
		if !ok {
			return "", fmt.Errorf("--env %s: the environment has no such variable: export it, or write NAME=VALUE", s)
		}
		s += "=" + value
	}
	return s, checkVariable(s)
}

// EnvFile reads variables from a file in Docker's format. A line NAME=VALUE sets a
// variable to everything behind the first =, unchanged. A line NAME takes the value
// from lookup, and is left out if lookup does not know the name. Blank lines and lines
// that begin with # are ignored. Errors name the line, and show no value.
func EnvFile(path string, lookup func(string) (string, bool)) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--env-file: %w: name a file of lines NAME=VALUE", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxEnvFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("--env-file: %w", err)
	case len(text) > maxEnvFile:
		return nil, fmt.Errorf("--env-file %s is larger than %d bytes, and no file of variables", path, maxEnvFile)
	}
	env, line, err := parseEnv(text, lookup)
	if err != nil {
		return nil, fmt.Errorf("--env-file %s: line %d: %w", path, line, err)
	}
	return env, nil
}

func parseEnv(text []byte, lookup func(string) (string, bool)) (env []string, line int, err error) {
	scanner := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	scanner.Buffer(nil, maxEnvFile+2)
	for scanner.Scan() {
		line++
		if !utf8.Valid(scanner.Bytes()) {
			return nil, line, errors.New("not UTF-8")
		}
		e := strings.TrimLeftFunc(scanner.Text(), unicode.IsSpace)
		if e == "" || e[0] == '#' {
			continue
		}
		name, _, ok := strings.Cut(e, "=")
		if !ok {
			value, found := lookup(name)
			if !found {
				continue
			}
			e = name + "=" + value
		}
		if checkVariable(e) != nil { // an error of checkVariable is about --env
			return nil, line, errors.New("write NAME=VALUE, with no space in the name")
		}
		env = append(env, e)
	}
	return env, line, scanner.Err()
}
