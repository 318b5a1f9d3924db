//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/batchmill/batchmill/workers/reference"
)

// TestOddFiles: a pipe or a socket among the files fails alone, and nobody waits for it; one
// that is named is refused before anything is sent.
func TestOddFiles(t *testing.T) {
	model, err := reference.New(reference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	host, err := startHost("127.0.0.1:0", model)
	if err != nil {
		t.Fatal(err)
	}
	defer host.close()
	t.Chdir(t.TempDir()) // a socket's path is at most 108 bytes long
	if err := os.Mkdir("in", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"in/a.csv", "in/z.csv"} {
		if err := os.WriteFile(name, []byte("1,2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo("in/p.csv", 0o600); err != nil {
		t.Skip("this disk has no pipes: ", err)
	}
	l, err := net.Listen("unix", "in/s.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		input string
		said  []string
		code  int
	}{
		{"in", []string{"in/p.csv: it is a named pipe, not a file", "in/s.csv: it is a socket, not a file"}, 3},
		{"in/*.csv", []string{"in/p.csv: it is a named pipe, not a file"}, 3},
		{"in/p.csv", []string{"--input in/p.csv: it is no file, but a pipe", "hint: write what comes out of it to a file first"}, 64},
	} {
		out := filepath.Join(t.TempDir(), "out")
		con := newConsole()
		code := con.run(t.Context(), []string{"run", "--input", c.input, "--output", out, "--host", host.url, "--header", "no"})
		said := con.out.String() + con.err.String()
		if code != c.code {
			t.Errorf("%q: exit code %d, want %d: %s", c.input, code, c.code, said)
		}
		for _, want := range c.said {
			if !strings.Contains(said, want) {
				t.Errorf("%q: %q is not said: %s", c.input, want, said)
			}
		}
		for _, name := range []string{"a.csv", "z.csv"} {
			if _, err := os.Stat(filepath.Join(out, name)); (err == nil) != (c.code == 3) {
				t.Errorf("%q: %s: %v", c.input, name, err)
			}
		}
	}
}
