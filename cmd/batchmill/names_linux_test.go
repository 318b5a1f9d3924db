package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/workers/reference"
)

// TestNameThatIsNotUTF8: an object with such a name fails alone, however the input is
// named, and where its format is told by content too.
func TestNameThatIsNotUTF8(t *testing.T) {
	model, err := reference.New(reference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	host, err := startHost("127.0.0.1:0", model)
	if err != nil {
		t.Fatal(err)
	}
	defer host.close()
	in, bare := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		filepath.Join(in, "a\xe9.csv"): "1,2\n", filepath.Join(in, "b.csv"): "1,2\n3,4\n",
		filepath.Join(bare, "c\xff"): "{\"a\":1}\n", filepath.Join(bare, "d"): "{\"a\":1}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Skip("this disk takes no such names: ", err)
		}
	}
	for _, c := range []struct {
		input string
		good  []string
		bad   []string
		code  int
	}{
		{in, []string{"b.csv"}, []string{`a\xe9.csv`}, 3},
		{filepath.Join(in, "*.csv"), []string{"b.csv"}, []string{`a\xe9.csv`}, 3},
		{bare, []string{"d"}, []string{`c\xff`}, 3},
		{filepath.Join(in, "a\xe9.csv"), nil, []string{`a\xe9.csv`}, 65},
	} {
		out := filepath.Join(t.TempDir(), "out")
		con := newConsole()
		code := con.run(t.Context(), []string{"run", "--input", c.input, "--output", out, "--host", host.url, "--header", "no"})
		said := con.out.String() + con.err.String()
		if code != c.code {
			t.Errorf("%q: exit code %d, want %d: %s", c.input, code, c.code, said)
		}
		for _, name := range c.good {
			if _, err := os.Stat(filepath.Join(out, name)); err != nil {
				t.Errorf("%q: %v", c.input, err)
			}
		}
		for _, name := range c.bad {
			if !strings.Contains(said, name+": it is not read, for its name is not UTF-8: rename it") {
				t.Errorf("%q: %s is not named: %s", c.input, name, said)
			}
		}
	}
}
