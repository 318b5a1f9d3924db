package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// A host answers each line of a request with one line.
type host struct {
	answer  int           // bytes of each answer
	gzip    bool          // compress responses
	stall   time.Duration // how long the first request takes
	refuses bool          // refuse one record of a hundred
	first   sync.Once
}

var hosts = map[string]*host{
	"small":      {answer: 8},
	"large":      {answer: 15 << 20},
	"gzip":       {answer: 15 << 20, gzip: true},
	"slow":       {answer: 64 << 10, stall: 10 * time.Second},
	"picky":      {answer: 8, refuses: true},
	"slow large": {answer: 15 << 20, stall: 10 * time.Second},
}

// serve is the host's process: it prints its URL, and ends with its standard input.
func serve(h *host) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(l, h)
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		if r.URL.Path != "/ping" {
			w.WriteHeader(http.StatusNotFound)
		}
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.first.Do(func() { time.Sleep(h.stall) })
	records := bytes.Count(body, []byte("\n"))
	if len(body) > 0 && body[len(body)-1] != '\n' {
		records++
	}
	if h.refuses && bytes.Contains(body, []byte(`00",`)) {
		http.Error(w, "a record that this host does not like", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", r.Header.Get("Accept"))
	var out io.Writer = w
	if h.gzip {
		w.Header().Set("Content-Encoding", "gzip")
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		defer z.Close()
		out = z
	}
	line := []byte(`"` + strings.Repeat("a", max(h.answer-3, 1)) + "\"\n")
	if strings.Contains(r.Header.Get("Accept"), "csv") {
		line = []byte(strings.Repeat("1", max(h.answer-1, 1)) + "\n")
	}
	for range records {
		if _, err := out.Write(line); err != nil {
			return
		}
	}
}
