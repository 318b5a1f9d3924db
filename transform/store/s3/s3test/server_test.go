package s3test

import (
	"bufio"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(Shared(m)) }

// awkward are keys that a signature or a listing gets wrong when it escapes them otherwise
// than the server does.
var awkward = []string{"a b", "a+b", "ü/文件", "%2e%2e/x", "q?a=b&c", "*'()!~", "new\nline", `back\slash`, "a:b@c,d;e=f$g", "#"}

func TestServerKeepsWhatIsPut(t *testing.T) {
	s := Start(t)
	for _, key := range awkward {
		if _, err := s.Put(key, []byte("in "+key)); err != nil {
			t.Errorf("put %q: %v", key, err)
			continue
		}
		data, _, err := s.Get(key)
		if err != nil || string(data) != "in "+key {
			t.Errorf("%q holds %q, %v", key, data, err)
		}
	}
	objects, err := s.Objects("")
	var keys []string
	for _, o := range objects {
		keys = append(keys, o.Key)
	}
	if want := slices.Sorted(slices.Values(awkward)); err != nil || !slices.Equal(keys, want) {
		t.Errorf("listed %q, %v; want %q", keys, err, want)
	}
	for _, key := range awkward {
		if err := s.Delete(key); err != nil {
			t.Errorf("delete %q: %v", key, err)
		}
	}
	if err := s.Delete("none"); err != nil {
		t.Errorf("delete what is not there: %v", err)
	}
	if objects, err := s.Objects(""); err != nil || len(objects) != 0 {
		t.Errorf("left: %v, %v", objects, err)
	}
}

// gone tells whether nobody listens at endpoint any more, and gives it some time.
func gone(endpoint string) bool {
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://"))
		if err != nil {
			return true
		}
		conn.Close()
	}
	return false
}

func TestStopEndsTheServerAndKeepsWhatItStored(t *testing.T) {
	Start(t) // skips where there is none
	dir := t.TempDir()
	s, err := Run(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put("o", []byte("kept")); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
	if !gone(s.Endpoint) {
		t.Error("it still listens")
	}
	again, err := Run(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Stop()
	again.Bucket = s.Bucket
	wantThere(t, again, "o", "kept")
}

// TestServerEndsWithTheProcess starts a server in another process and kills that.
func TestServerEndsWithTheProcess(t *testing.T) {
	if dir := os.Getenv("S3TEST_HOLD"); dir != "" {
		s, err := Run(dir)
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString(s.Endpoint + "\n")
		select {}
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux kills a process with its parent")
	}
	Start(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerEndsWithTheProcess$")
	cmd.Env = append(os.Environ(), "S3TEST_HOLD="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	if endpoint := strings.TrimSpace(line); err != nil || !strings.HasPrefix(endpoint, "http://") || !gone(endpoint) {
		t.Errorf("the other process said %q, %v; its server outlives it", line, err)
	}
}

func TestBinaryIsLookedForAboveTheWorkingDirectory(t *testing.T) {
	t.Setenv(BinaryEnv, "")
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	for _, dir := range []string{deep, filepath.Join(root, "bin"), filepath.Join(root, "a", "bin")} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(deep)
	if found, err := binary(); !errors.Is(err, ErrNoBinary) {
		t.Errorf("found %q, %v where there is none", found, err)
	}
	for _, name := range []string{"go.mod", "bin/versitygw", "a/bin/versitygw"} { // no go.mod in a
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := binary(); err != nil || !strings.HasSuffix(filepath.Dir(filepath.Dir(found)), filepath.Base(root)) {
		t.Errorf("found %q, %v; want the one below %s", found, err, root)
	}
	t.Setenv(BinaryEnv, "go.mod-is-not-here")
	if found, err := binary(); err == nil {
		t.Errorf("found %q, though a file is named that is not there", found)
	}
}

func TestEnvironmentOfClientsNamesNoProfile(t *testing.T) {
	t.Setenv("AWS_PROFILE", "somebody")
	t.Setenv("AWS_SESSION_TOKEN", "theirs")
	s := Start(t)
	for _, env := range [][]string{s.Env(), os.Environ()} {
		joined := "\n" + strings.Join(env, "\n") + "\n"
		if strings.Contains(joined, "somebody") || strings.Contains(joined, "theirs") ||
			!strings.Contains(joined, "\nAWS_ACCESS_KEY_ID="+s.Access+"\n") {
			t.Error("the environment holds more than the server's keys, or not them")
		}
	}
}

func TestUploadsAreSeenAndAborted(t *testing.T) {
	s := Start(t)
	for _, key := range []string{"a/1", "a/1", "a/2", "b"} {
		if err := s.BeginUpload(key); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		prefix string
		want   int
	}{{"", 4}, {"a/1", 2}, {"a/", 1}, {"", 1}} {
		uploads, err := s.Uploads(step.prefix)
		if err != nil || len(uploads) != step.want {
			t.Errorf("below %q: %v, %v; want %d", step.prefix, uploads, err, step.want)
		}
		if step.prefix == "" {
			continue
		}
		if err := s.AbortUploads(step.prefix); err != nil {
			t.Error(err)
		}
	}
}
