package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform/job"
)

// TestWithinGrace: whatever the job waits for, its end is the grace and a second away.
func TestWithinGrace(t *testing.T) {
	for _, started := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			spec := &job.Spec{Grace: job.Duration(3 * time.Second)}
			most := 4 * time.Second
			if started {
				spec.Command, most = "host", most+hostsEnd
			}
			forever := make(chan bool)
			defer close(forever)
			time.AfterFunc(time.Hour, cancel)
			began := time.Now()
			err := withinGrace(ctx, spec, func() error { <-forever; return nil })
			if took := time.Since(began) - time.Hour; took < 3*time.Second || took > most || !errors.Is(err, errHung) || !errors.Is(err, context.Canceled) {
				t.Errorf("ended %v after the signal: %v", took, err)
			}
		})
	}
}

// TestHangs: a job ends on SIGTERM, with 143 and the command that goes on, whatever
// hangs: a host, the disk of the input, the disk of the output, a bucket, the Docker engine.
func TestHangs(t *testing.T) {
	input := filepath.Join(t.TempDir(), "in.csv")
	if err := os.WriteFile(input, []byte("1,x\n2,y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(in, out string, more ...string) []string {
		return append([]string{"run", "--input", in, "--output", out, "--grace", "100ms"}, more...)
	}
	for name, hang := range map[string]func(t *testing.T) (args []string, reached <-chan bool){
		"host": func(t *testing.T) ([]string, <-chan bool) {
			address, reached := silent(t, "tcp", "127.0.0.1:0")
			return run(input, filepath.Join(t.TempDir(), "out"), "--host", "http://"+address+"/score"), reached
		},
		"bucket": func(t *testing.T) ([]string, <-chan bool) {
			address, reached := silent(t, "tcp", "127.0.0.1:0")
			return run("s3://bucket/in.csv", filepath.Join(t.TempDir(), "out"), "--s3-endpoint", "http://"+address, "--host", "http://127.0.0.1:1/score"), reached
		},
		"engine": func(t *testing.T) ([]string, <-chan bool) {
			folder, err := os.MkdirTemp("", "") // a socket's path is short
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(folder) })
			address, reached := silent(t, "unix", filepath.Join(folder, "s"))
			t.Setenv("DOCKER_HOST", "unix://"+address)
			return run(input, filepath.Join(t.TempDir(), "out"), "--image", "model:1"), reached
		},
		"input disk": func(t *testing.T) ([]string, <-chan bool) {
			folder, reached := hungDisk(t)
			return run(filepath.Join(folder, "in.csv"), filepath.Join(t.TempDir(), "out"), "--host", "http://127.0.0.1:1/score"), reached
		},
		"output disk": func(t *testing.T) ([]string, <-chan bool) {
			folder, reached := hungDisk(t)
			return run(input, filepath.Join(folder, "out"), "--host", "http://127.0.0.1:1/score"), reached
		},
	} {
		t.Run(name, func(t *testing.T) {
			args, reached := hang(t)
			program, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), program)
			cmd.Args = append([]string{"batchmill"}, args...) // the test binary is the program by that name
			cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_REGION=us-east-1")
			var said bytes.Buffer
			cmd.Stderr = &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case <-reached:
				_ = cmd.Process.Signal(syscall.SIGTERM)
				select {
				case err = <-ended:
				case <-time.After(time.Minute):
					kept := keptByKernel(cmd.Process.Pid)
					_ = cmd.Process.Signal(syscall.SIGQUIT) // tells where it is, unless the kernel keeps it
					select {
					case err = <-ended:
					case <-time.After(time.Minute):
					}
					if kept != "" { // no process can leave that: docs/resume.md
						t.Log("the kernel keeps the process until the disk answers: ", kept)
						return
					}
				}
			case err = <-ended:
			}
			if code := cmd.ProcessState.ExitCode(); code != 143 || !strings.Contains(said.String(), "to continue: batchmill run --input") {
				t.Errorf("exit code %d, %v:\n%s", code, err, said.String())
			}
		})
	}
}

// silent accepts connections, and says nothing on them.
func silent(t *testing.T, network, address string) (string, <-chan bool) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	reached := make(chan bool, 1000)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				buf := make([]byte, 4096)
				for {
					if _, err := c.Read(buf); err != nil {
						_ = c.Close()
						return
					}
					select {
					case reached <- true:
					default:
					}
				}
			}()
		}
	}()
	return l.Addr().String(), reached
}
