package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The canaries: secrets that no output of a run may hold, and a record that may stand
// only where records do.
const (
	headerCanary = "canary-header-71c9"
	bearerCanary = "canary-bearer-05ab"
	basicCanary  = "canary-basic-e8d2"
	tokenCanary  = "canary-session-token-93f4"
	keyCanary    = "canary-secret-key-6b1e"
	recordCanary = "canary-record-2f7a"
)

var secretCanaries = []string{headerCanary, bearerCanary, basicCanary, tokenCanary, keyCanary}

// misdeeds are the ways of a host that repeats what it was sent. %s stands for the head
// and the body of the request, in one line; \n is a line end.
var misdeeds = map[string]string{
	"answers of the wrong count": "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nConnection: close\r\n\r\n%s\n%s\n%s\n",
	"400":                        "HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n%s",
	"401":                        "HTTP/1.1 401 Denied\r\nConnection: close\r\n\r\n%s",
	"404":                        "HTTP/1.1 404 None\r\nConnection: close\r\n\r\n%s",
	"413":                        "HTTP/1.1 413 Large\r\nConnection: close\r\n\r\n%s",
	"500":                        "HTTP/1.1 500 Failed\r\nConnection: close\r\n\r\n%s",
	"503":                        "HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nConnection: close\r\n\r\n%s",
	"redirect":                   "HTTP/1.1 302 Found\r\nLocation: http://elsewhere/?%s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	"status text":                "HTTP/1.1 400 %s\r\nConnection: close\r\n\r\n",
	"no HTTP":                    "%s\r\n\r\n",
	"bad version":                "HTTP/%s 200 OK\r\n\r\n",
	"bad status":                 "HTTP/1.1 %s\r\n\r\n",
	"bad header":                 "HTTP/1.1 200 OK\r\n%s\r\n\r\n",
	"bad length":                 "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
	"bad chunks":                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
	"bad encoding":               "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nConnection: close\r\n\r\nx",
	"bad transfer":               "HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\nx",
	"bad type":                   "HTTP/1.1 200 OK\r\nContent-Type: text/html; %s\r\nConnection: close\r\n\r\n%s",
	"cut off":                    "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n%s",
	"unsolicited":                "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nnoHTTP/1.1 200 OK\r\nX: %s\r\n\r\n%s",
	"twice":                      "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno%s%s%s",
	"early":                      "HTTP/1.1 103 Early\r\nLink: %s\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
	"nothing":                    "",
}

// parrot is a host that is ready, and answers an invocation with a misdeed, or always does.
func parrot(t *testing.T, misdeed string, always bool) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go parrotConn(c, misdeed, always)
		}
	}()
	return "http://" + l.Addr().String()
}

func parrotConn(c net.Conn, misdeed string, always bool) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if r.Method == http.MethodGet && !always {
			status := "200 OK"
			if r.URL.Path != "/ping" {
				status = "404 None"
			}
			fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", status)
			continue
		}
		var head bytes.Buffer
		_ = r.Header.Write(&head)
		said := strings.NewReplacer("\r", " ", "\n", " ").Replace(head.String() + string(body))
		_, _ = io.WriteString(c, strings.ReplaceAll(misdeed, "%s", said))
		if !strings.Contains(misdeed, "Content-Length: 2") && !strings.Contains(misdeed, "Content-Length: 0") {
			return
		}
	}
}

// TestCanaries: in no way in which a host, or a command line, goes wrong does an output of
// a run hold a secret, nor does a record stand on the screen, in the manifest or in the metrics.
func TestCanaries(t *testing.T) {
	dir := t.TempDir()
	in, bearer := filepath.Join(dir, "in.csv"), filepath.Join(dir, "bearer")
	for path, text := range map[string]string{in: "1," + recordCanary + "\n3,4\n", bearer: bearerCanary + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, misdeed := range misdeeds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			host := []string{"--host", parrot(t, misdeed, false), "--host-header", "X-Secret=$HEADER", "--host-bearer", "@" + bearer, "--progress", "json",
				"--host-wait", "300ms", "--ready-timeout", "1m", "--attempts", "2", "--timeout", "20s", "--metrics", "127.0.0.1:0"}
			run := append([]string{"run", "--input", in, "--output", out, "--header", "no", "--max-rejects", "10"}, host...)
			// Twice: the second run reads what the first left.
			for _, args := range [][]string{run, run, {"status", out}, {"status", out, "--json"}, {"verify", out}, append([]string{"retry-rejects", out}, host...), {"clean", out}} {
				wantNoCanary(t, args)
			}
			searchFiles(t, out)
		})
	}
}

// TestCanariesOfS3: a service that repeats credentials has them repeated by nobody.
func TestCanariesOfS3(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.csv")
	if err := os.WriteFile(in, []byte("1,"+recordCanary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"400", "401", "404", "redirect", "status text", "no HTTP", "bad header", "bad length", "twice"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint := []string{"--s3-endpoint", parrot(t, misdeeds[name], true), "--progress", "json"}
			for _, args := range [][]string{
				append([]string{"run", "--input", "s3://bucket/in", "--output", filepath.Join(dir, name), "--host", "http://127.0.0.1:9"}, endpoint...),
				append([]string{"run", "--input", in, "--output", "s3://bucket/out", "--header", "no", "--host", "http://127.0.0.1:9"}, endpoint...),
				append([]string{"status", "s3://bucket/out"}, endpoint[:2]...),
			} {
				wantNoCanary(t, args)
			}
		})
	}
}

// TestCanariesOnTheCommandLine: a secret that stands where it must not is refused, or left
// out, and never repeated.
func TestCanariesOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.csv")
	if err := os.WriteFile(in, []byte("1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const c = headerCanary
	for _, flags := range [][]string{
		{"--host", "http://user:" + c + "@127.0.0.1:9"}, {"--host", "http://" + c + "@127.0.0.1:9/score"}, {"--host", "http://127.0.0.1:9/score?key=" + c},
		{"--host", "http://127.0.0.1:9/?key=" + c}, {"--host", "dns+http://u:" + c + "@h:9"}, {"--host", "unix://u:" + c + "@/run/x"}, {"--host", "http://u:" + c + "@%zz"},
		{"--host", "http://127.0.0.1:9/score?key=" + c + "#f"}, {"--host", "http://127.0.0.1:70000/score?key=" + c},
		{"--s3-endpoint", "http://user:" + c + "@127.0.0.1:9"}, {"--s3-endpoint", "http://127.0.0.1:9/?key=" + c}, {"--s3-endpoint", "http://u:" + c + "@%zz"},
		{"--host-bearer", c}, {"--host-basic", "user:" + c}, {"--host-header", "X=" + c}, {"--host-header", c},
	} {
		args := append([]string{"run", "--input", in, "--output", filepath.Join(dir, "out"), "--header", "no", "--ready-timeout", "10ms", "--host-wait", "10ms", "--progress", "json"}, flags...)
		if flags[0] != "--host" {
			args = append(args, "--host", "http://127.0.0.1:9")
		}
		wantNoCanary(t, args)
	}
	searchFiles(t, filepath.Join(dir, "out"))
}

// hostWords are what a host says about a request that it refuses. They are shown, for they
// say what is wrong, and may repeat records.
var hostWords = regexp.MustCompile(`status \d+[:,] .*`)

// wantNoCanary runs the program with canaries in its environment, and searches what it says.
func wantNoCanary(t *testing.T, args []string) {
	t.Helper()
	cmd := exec.Command("batchmill", args...) // testscript has it in the path
	cmd.Env = append(os.Environ(), "HEADER="+headerCanary, "PAIR=me:"+basicCanary, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY="+keyCanary, "AWS_SESSION_TOKEN="+tokenCanary, "AWS_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	hung := time.AfterFunc(hang, func() { _ = cmd.Process.Kill() })
	defer hung.Stop()
	_ = cmd.Run()
	code := cmd.ProcessState.ExitCode()
	if !strings.Contains(exitHelp, fmt.Sprintf("  %d  ", code)) || code == exitInternal {
		t.Errorf("%s: exit code %d: %s", args[0], code, stderr.String())
	}
	for place, text := range map[string]string{"stdout": stdout.String(), "stderr": stderr.String()} {
		for _, canary := range secretCanaries {
			if strings.Contains(text, canary) {
				t.Errorf("%s: %s is in %s: %s", args[0], canary, place, text)
			}
		}
		if strings.Contains(hostWords.ReplaceAllString(text, ""), recordCanary) {
			t.Errorf("%s: a record is in %s: %s", args[0], place, text)
		}
	}
	if strings.Contains(strings.Join(args, " "), "--progress json") {
		for line := range strings.Lines(stderr.String()) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: no JSON on stderr: %q", args[0], line)
			}
		}
	}
}

// searchFiles searches what a run left, its rejects and its log among it.
func searchFiles(t *testing.T, out string) {
	t.Helper()
	err := filepath.WalkDir(out, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, canary := range secretCanaries {
			if bytes.Contains(text, []byte(canary)) {
				t.Errorf("%s is in %s: %q", canary, path, text)
			}
		}
		if e.Name() == "_manifest.json" && bytes.Contains(text, []byte(recordCanary)) {
			t.Errorf("a record is in the manifest: %s", text)
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
}
