package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/batchmill/batchmill/benchmarks/peak"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

const (
	serverName = "versitygw"
	hostName   = "cheaphost"
	clientName = "s3client"
)

// An s3Usage is what one run took, and what others took for it meanwhile. They
// share the machine's cores: what the server takes, nobody else has.
type s3Usage struct {
	usage
	server, host time.Duration // CPU time
}

// s3Bench measures batchmill on S3 against itself on disk, and against AWS's
// own client, which says what the server allows.
type s3Bench struct {
	*bench
	mill   program
	client string
	server *s3test.Server
	bucket string // the folder that holds the server's bucket; objects are files there
}

// s3 measures the rows of S3. Without a server or a batchmill it says so, and
// leaves them out.
func (b *bench) s3(ctx context.Context) (all []verdict, err error) {
	mill := b.programs[len(b.programs)-1]
	if mill.name != batchmillName {
		fmt.Fprintf(b.out, "S3 is left out: there is no batchmill\n\n")
		return nil, nil
	}
	dir, err := os.MkdirTemp(b.dir, "s3-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	server, err := s3test.Run(dir)
	if errors.Is(err, s3test.ErrNoBinary) {
		fmt.Fprintf(b.out, "S3 is left out: %v\n\n", err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	client, err := compileClient(ctx, b.dir)
	if err != nil {
		return nil, err
	}
	s := s3Bench{b, mill, client, server, filepath.Join(dir, "root", server.Bucket)}
	if all, err = s.large(ctx); err != nil || b.objects == 0 {
		return all, err
	}
	more, err := s.small(ctx)
	return append(all, more...), err
}

// compileClient builds a module of its own, from its own folder.
func compileClient(ctx context.Context, dir string) (string, error) {
	binary, err := filepath.Abs(filepath.Join(dir, clientName))
	if err != nil {
		return "", err
	}
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("look for the module: %w", err)
	}
	folder := filepath.Join(filepath.Dir(strings.TrimSpace(string(mod))), "benchmarks", clientName)
	cmd := exec.CommandContext(ctx, "go", "build", "-C", folder, "-trimpath", "-o", binary, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	said, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w: %s", folder, err, firstLines(said))
	}
	return binary, nil
}

func (s *s3Bench) url(key string) string { return "s3://" + s.server.Bucket + "/" + key }

// remove takes away what stands below a prefix. The server keeps nothing but files.
func (s *s3Bench) remove(prefix string) error { return os.RemoveAll(filepath.Join(s.bucket, prefix)) }

// shared adds what the server and the host took while run ran.
func (s *s3Bench) shared(run func() (usage, error)) (s3Usage, error) {
	server, host := childCPU(serverName), childCPU(hostName)
	took, err := run()
	return s3Usage{took, childCPU(serverName) - server, childCPU(hostName) - host}, err
}

// onDisk runs batchmill from disk to disk, and returns the output's name.
func (s *s3Bench) onDisk(ctx context.Context, w workload, in string) (took s3Usage, output string, err error) {
	took, err = s.shared(func() (one usage, err error) {
		one, output, err = s.once(ctx, s.mill, w, in)
		return one, err
	})
	return took, output, err
}

// onS3 runs batchmill from one prefix or object to a prefix where nothing stands.
func (s *s3Bench) onS3(ctx context.Context, w workload, in, out string, concurrency int) (s3Usage, error) {
	if err := s.remove(out); err != nil {
		return s3Usage{}, err
	}
	args, _ := s.mill.arguments(job{workload: w, in: s.url(in), out: s.url(out), host: s.host, concurrency: concurrency})
	args = append(args, "--s3-endpoint", s.server.Endpoint)
	return s.shared(func() (usage, error) {
		took, _, err := s.command(ctx, s.mill.binary, args)
		return took, err
	})
}

// asks runs the client. Its wall time is its own, without the program's start.
func (s *s3Bench) asks(ctx context.Context, action string, args ...string) (s3Usage, moved, error) {
	var did moved
	args = append([]string{action, "--endpoint", s.server.Endpoint, "--bucket", s.server.Bucket}, args...)
	took, err := s.shared(func() (usage, error) {
		took, said, err := s.command(ctx, s.client, args)
		if err == nil {
			err = json.Unmarshal(said, &did)
		}
		took.wall = time.Duration(did.Seconds * float64(time.Second))
		return took, err
	})
	return took, did, err
}

// moved is what the client prints.
type moved struct {
	Seconds float64 `json:"seconds"`
	Bytes   int64   `json:"bytes"`
	Objects int64   `json:"objects"`
}

// command runs a program that speaks to the server, and returns what it printed.
func (s *s3Bench) command(ctx context.Context, binary string, args []string) (usage, []byte, error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = s.server.Env()
	var said, complained bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complained
	start := time.Now()
	err := cmd.Run()
	took := usage{wall: time.Since(start)}
	if err != nil {
		return usage{}, nil, fmt.Errorf("%s %s: %w: %s", filepath.Base(binary), args[0], err, firstLines(complained.Bytes()))
	}
	took.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	took.peak, err = peak.Of(cmd.ProcessState)
	return took, said.Bytes(), err
}
