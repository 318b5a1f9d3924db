// Command testhost is the server in the image that tests of containers run. It
// is the reference host, and tells at /probe what it can do from where it is.
// Variables make it misbehave.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/batchmill/batchmill/workers/container/containertest"
	"github.com/batchmill/batchmill/workers/reference"
)

func main() {
	fmt.Println("testhost: arguments", os.Args[1:])
	if code, err := strconv.Atoi(os.Getenv("TEST_EXIT")); err == nil {
		fmt.Fprintln(os.Stderr, "testhost: cannot go on: no model")
		os.Exit(code)
	}
	if os.Getenv("TEST_EAT") != "" {
		eat()
	}
	if name := os.Getenv("TEST_EXIT_WITHOUT"); name != "" {
		if _, err := os.Stat(name); err != nil {
			fmt.Fprintln(os.Stderr, "testhost:", err)
			os.Exit(3)
		}
	}
	model, err := reference.New(reference.Options{})
	if err != nil {
		panic(err)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		fmt.Println("testhost: told to end")
		os.Exit(0)
	}()
	mux := http.NewServeMux()
	mux.Handle("/", model)
	mux.HandleFunc("/probe", probe)
	if text := os.Getenv("TEST_DIE_OF"); text != "" {
		mux.Handle("/invocations", dieOf(text, model))
	}
	if os.Getenv("TEST_NEVER_READY") != "" {
		mux.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "loading", http.StatusServiceUnavailable)
		})
	}
	panic(http.ListenAndServe(":"+os.Getenv("SAGEMAKER_BIND_TO_PORT"), mux))
}

// dieOf ends the server when a payload holds text.
func dieOf(text string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		if err == nil && bytes.Contains(payload, []byte(text)) {
			fmt.Println("testhost: dying of", text)
			os.Exit(9)
		}
		r.Body = io.NopCloser(bytes.NewReader(payload))
		next.ServeHTTP(w, r)
	})
}

// eat takes memory until there is none.
func eat() {
	fmt.Println("testhost: eating")
	for {
		b := make([]byte, 16<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		eaten = append(eaten, b)
	}
}

var eaten [][]byte

// probe tries what a hardened container must not be able to do.
func probe(w http.ResponseWriter, r *http.Request) {
	found := containertest.Probe{
		Args: os.Args[1:], Env: os.Environ(), UID: os.Getuid(), PID: os.Getpid(),
		WriteRoot: try("/written"), WriteTmp: try("/tmp/written"), WriteRun: try("/run/written"), WriteModel: try("/opt/ml/model/written"),
		Status: map[string]string{},
	}
	if text, err := os.ReadFile("/opt/ml/model/weights"); err == nil {
		found.Model = string(text)
	}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			found.Status[name] = strings.TrimSpace(value)
		}
	}
	if address := r.URL.Query().Get("dial"); address != "" {
		found.Dial = "connected"
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			found.Dial = err.Error()
		} else {
			_ = conn.Close()
		}
	}
	_ = json.NewEncoder(w).Encode(found)
}

func try(name string) string {
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
		return err.Error()
	}
	return "written"
}
