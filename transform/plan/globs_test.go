package plan

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

func TestHidden(t *testing.T) {
	for rel, want := range map[string]bool{
		"a.csv": false, "_a.csv": true, ".a.csv": true, "a/_b/c.csv": true, "a/.b/c.csv": true, "_SUCCESS": true, "_metadata": true,
		"_year=2024/a.csv": false, "_year=/a.csv": false, "k=_v/a.csv": false, "._year=2024/a.csv": true, "_year=2024/_a.csv": true, "_year=2024/_m=1/a.csv": false,
	} {
		if hidden(rel) != want {
			t.Errorf("%s: %t, want %t", rel, !want, want)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"**/*.csv", "a.csv", true}, {"**/*.csv", "a/b/c.csv", true}, {"**/*.csv", "a/b/c.txt", false},
		{"*.csv", "a/b.csv", false}, {"*", "a/b/c.csv", true}, {"a/**/z", "a/z", true}, {"a/**/z", "a/b/c/z/x.csv", true}, {"a/**", "b/a/x", false},
		{"a**b", "a/b", false}, {"a**b", "axxb", true}, {"[ab].csv", "b.csv", true}, {"?", "ab", false}, {`\{a,b\}*`, "{a,b}1", true}, {`\{a,b\}*`, "a1", false},
	} {
		if covers(c.pattern, c.name) != c.want {
			t.Errorf("%q, %q: %t", c.pattern, c.name, !c.want)
		}
	}
}

// bucketInput is an input of a store, as one on S3 is found.
func bucketInput(t *testing.T, s store.Store, key string) (Source, error) {
	t.Helper()
	src := Source{Store: s, Prefix: key, uri: "s3://bucket/" + key}
	return src, src.asPattern(t.Context())
}

// TestPatternsAgree: a pattern names the same files on disk and on S3, in one order, and what
// is skipped too.
func TestPatternsAgree(t *testing.T) {
	elements := []string{"a", "b", "_c", "_k=v", ".d", "{a}", "a.csv", "b.csv", "*"}
	patterns := []string{"*", "**", "?", "[ab]", "*.csv", "a", "_*", "{a}*", "**", "?.csv", `\*`}
	pick := func(rnd *rand.Rand, from []string) string {
		var parts []string
		for range 1 + rnd.IntN(4) {
			parts = append(parts, from[rnd.IntN(len(from))])
		}
		return strings.Join(parts, "/")
	}
	compared := 0
	for seed := range uint64(120) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		dir, bucket := t.TempDir(), store.NewMemory()
		for range 12 {
			name := "in/" + pick(rnd, elements)
			file := filepath.Join(dir, filepath.FromSlash(name))
			if os.MkdirAll(filepath.Dir(file), 0o700) != nil || os.WriteFile(file, nil, 0o600) != nil {
				continue // a folder and a file of one name
			}
			if err := bucket.Put(name, nil); err != nil {
				t.Fatal(err)
			}
		}
		pattern := "in/" + pick(rnd, patterns)
		if !strings.ContainsAny(pattern, wildcards) {
			continue
		}
		b := &buckets{spec: new(job.Spec)}
		disk, err := b.openInput(t.Context(), filepath.Join(dir, filepath.FromSlash(pattern)))
		want := found(t, disk, err)
		remote, err := bucketInput(t, bucket, pattern)
		got := found(t, remote, err)
		if disk.single || remote.pattern == "" {
			continue // something bears the pattern as its name
		}
		compared++
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, %s: on disk %q, on S3 %q", seed, pattern, want, got)
		}
	}
	t.Attr("patterns", strconv.Itoa(compared))
	if compared < 30 {
		t.Errorf("compared %d patterns", compared)
	}
}

// TestGlobOrder: what is below a folder that matches comes where its own name belongs.
func TestGlobOrder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b/x", "b.csv/y", "b-1"} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := (&buckets{spec: new(job.Spec)}).openInput(t.Context(), filepath.Join(dir, "b*"))
	if got := found(t, s, err); !slices.Equal(got, []string{"b-1", "b.csv/y", "b/x"}) {
		t.Errorf("%q", got)
	}
}

// found are the paths below a source, those that are skipped behind a "!"; or one word where nothing matches.
func found(t *testing.T, s Source, err error) []string {
	t.Helper()
	var names, skipped []string
	if err == nil {
		skip := func(info store.Info) { skipped = append(skipped, "!"+s.relative(info.Name)) }
		for info, failed := range s.objects(t.Context(), skip) {
			if failed != nil {
				err = failed
				break
			}
			names = append(names, s.relative(info.Name))
		}
	}
	if err != nil && strings.Contains(err.Error(), "matches nothing") {
		return []string{"nothing"}
	}
	if err != nil {
		t.Fatal(err)
	}
	return append(names, skipped...)
}

// TestSkippedAreBounded: all skipped files are counted, and the first ones are named.
func TestSkippedAreBounded(t *testing.T) {
	in := store.NewMemory()
	for i := range 50 {
		for _, name := range []string{"_h/%02d.jsonl", "k/%02d.jsonl"} {
			if err := in.Put(fmt.Sprintf(name, i), []byte("{}\n")); err != nil {
				t.Fatal(err)
			}
		}
	}
	p, err := New(t.Context(), jsonSpec(t), []Source{{Store: in}}, store.NewMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	closePlan(t, p)
	if len(p.Skipped) != 1 || p.Count() != 50 {
		t.Fatalf("%d objects, skipped %+v", p.Count(), p.Skipped)
	}
	s := p.Skipped[0]
	if s.Reason != manifest.HiddenName || s.Count != 50 || len(s.Sample) != manifest.MaxSample || s.Sample[0] != in.URI("_h/00.jsonl") {
		t.Errorf("%+v", s)
	}
}
