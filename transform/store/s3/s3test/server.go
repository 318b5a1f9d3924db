package s3test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Server is a running S3 server, and a bucket of it.
type Server struct {
	Endpoint string // http://127.0.0.1:PORT; buckets are the first element of the path
	Bucket   string // exists, and was empty at first
	Keys

	dir string // the caller's
	run *process
}

// noProfile is an empty file that stands for the profiles of whoever runs the tests.
const noProfile = "no-profile"

// process is the server's process.
type process struct {
	cmd    *exec.Cmd
	client *http.Client
	ended  chan struct{} // closed once it was waited for
	stop   sync.Once
}

// Run starts a server that keeps everything below dir, which has to exist, and
// makes a bucket. It is for whoever has no testing.TB; tests call [Start].
// The error is [ErrNoBinary] where the server was not built.
func Run(dir string) (*Server, error) {
	program, err := binary()
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(root, 0o777); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, noProfile), nil, 0o666); err != nil {
		return nil, err
	}
	s := &Server{dir: dir, Keys: Keys{Access: rand.Text(), Secret: rand.Text(), Region: "us-east-1"}}
	// Between finding a free port and taking it, another process may take it.
	for try := 1; ; try++ {
		err = s.start(program, root)
		if err == nil {
			break
		}
		if try == 5 {
			return nil, fmt.Errorf("start versitygw: %w", err)
		}
	}
	made, err := s.NewBucket()
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return made, nil
}

// start starts the process, and returns when it answers to our credentials.
func (s *Server) start(program, root string) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, "--port", address, "--region", s.Region, "--quiet", "--keep-alive", "posix", root)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.Access, "ROOT_SECRET_KEY="+s.Secret)
	cmd.Stdout, cmd.Stderr = log, log
	endWithUs(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	s.Endpoint = "http://" + address
	s.run = &process{cmd: cmd, ended: make(chan struct{}), client: &http.Client{
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	go func() { // ends with the process, which Stop kills
		cmd.Wait()
		close(s.run.ended)
	}()
	if err := s.untilReady(); err != nil {
		said, _ := os.ReadFile(log.Name())
		return errors.Join(fmt.Errorf("%w; it said: %.2000s", err, said), s.Stop())
	}
	return nil
}

// untilReady waits until the server lists its buckets. It knows our credentials
// by then, so it is not another one that took the port.
func (s *Server) untilReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		reply, err := s.do(ctx, call{method: http.MethodGet})
		if err == nil && reply.Status == http.StatusOK {
			return nil
		}
		select {
		case <-s.run.ended:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("it does not answer on %s: %w", s.Endpoint, err)
		case <-tick.C:
		}
	}
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Stop kills the server and waits for its end. What it stored stays in its
// folder. It may be called again.
func (s *Server) Stop() (err error) {
	s.run.stop.Do(func() {
		if killed := kill(s.run.cmd); killed != nil && !errors.Is(killed, os.ErrProcessDone) {
			select {
			case <-s.run.ended: // by itself, before
			default:
				err = killed
			}
		}
		<-s.run.ended
		s.run.client.CloseIdleConnections()
	})
	return err
}

// NewBucket makes a bucket of its own. The result is the same server, and
// ends with it.
func (s *Server) NewBucket() (*Server, error) {
	with := *s
	with.Bucket = "b" + bucketName()
	reply, err := with.do(context.Background(), call{method: http.MethodPut, bucket: with.Bucket})
	if err == nil {
		err = reply.fault()
	}
	if err != nil {
		return nil, fmt.Errorf("make bucket %s: %w", with.Bucket, err)
	}
	return &with, nil
}

// bucketName is random, of lower case letters and digits.
func bucketName() string {
	text := []byte(rand.Text())
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			text[i] = c + 'a' - 'A'
		}
	}
	return string(text)
}

// Env is this process's environment, changed so that AWS clients sign with the
// server's keys, and find nobody's profile. It does not name the endpoint.
func (s *Server) Env() []string {
	env := slices.DeleteFunc(os.Environ(), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return strings.HasPrefix(name, "AWS_")
	})
	for name, value := range s.settings() {
		env = append(env, name+"="+value)
	}
	return env
}

// settings are the variables that AWS clients look at.
func (s *Server) settings() map[string]string {
	nothing := filepath.Join(s.dir, noProfile)
	return map[string]string{
		"AWS_ACCESS_KEY_ID":           s.Access,
		"AWS_SECRET_ACCESS_KEY":       s.Secret,
		"AWS_REGION":                  s.Region,
		"AWS_EC2_METADATA_DISABLED":   "true",
		"AWS_CONFIG_FILE":             nothing,
		"AWS_SHARED_CREDENTIALS_FILE": nothing,
	}
}
