package interop

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// poison is a text that the host fails on.
const poison = "POISON"

// What TestMain made for all tests.
var (
	binary string // batchmill, built from this checkout; or what the environment names as BATCHMILL
	host   string // the address of `batchmill host`
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	folder, err := os.MkdirTemp("", "interop")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	if binary = os.Getenv("BATCHMILL"); binary == "" {
		binary = filepath.Join(folder, "batchmill")
		if err := buildMill(binary); err != nil {
			fmt.Fprintln(os.Stderr, "batchmill does not build:", err)
			return 1
		}
	}
	stop, err := startHost()
	if err != nil {
		fmt.Fprintln(os.Stderr, "batchmill host does not start:", err)
		return 1
	}
	defer stop()
	return m.Run()
}

func buildMill(path string) error {
	build := exec.Command("go", "build", "-trimpath", "-o", path, "./cmd/batchmill")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// startHost starts a host on a free port, and reads its address from its first line.
func startHost() (stop func(), err error) {
	cmd := exec.Command(binary, "host", "--listen", "127.0.0.1:0", "--bad-value", poison)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // which ends with the signal's code
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		stop()
		return nil, fmt.Errorf("%q, %w", line, err)
	}
	host = address
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return stop, nil
}

// join runs batchmill on one file, to Parquet with the answers beside the
// records, and returns the output's path. code is the exit code it must have.
func join(t *testing.T, in string, code int, flags ...string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "out")
	args := append([]string{"run", "--input", in, "--output", folder, "--host", host, "--output-format", "parquet",
		"--join", "input", "--answer-name", "prediction", "--batch-records", "97", "--progress", "none"}, flags...)
	cmd := exec.Command(binary, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("batchmill %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, said.Bytes())
	}
	name := strings.TrimSuffix(filepath.Base(in), filepath.Ext(in)) + ".parquet"
	return filepath.Join(folder, name)
}

// score is the host's model, as its help gives it, of a record's scalars.
func score(scalars ...string) float64 {
	sum := 0.5
	for i, s := range scalars {
		v, err := strconv.ParseFloat(s, 64)
		if err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) {
			sum += float64(float64(i+1) * v)
		}
	}
	return sum
}

// An answer is a value of the prediction column.
type answer struct {
	value float64
	null  bool
}

// A joined is an input, its output, and what must be in it.
type joined struct {
	in, out string
	rows    []int    // the input's rows that the output has; nil for all
	want    []answer // one for each row of the output
	spliced bool     // column chunks are copied as they are
}

// check holds the output against the input by all three readers.
func (j joined) check(t *testing.T) {
	t.Helper()
	t.Run("duckdb", func(t *testing.T) { checkDuckDB(t, j) })
	t.Run("arrow", func(t *testing.T) { checkArrow(t, j) })
	t.Run("parquet-go", func(t *testing.T) { checkParquetGo(t, j) })
}

// same compares predictions, bit for bit.
func same(t *testing.T, got, want []answer) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d predictions, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].null != want[i].null || math.Float64bits(got[i].value) != math.Float64bits(want[i].value) {
			t.Fatalf("prediction %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

// write makes a file in a folder of its own.
func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
