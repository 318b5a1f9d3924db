package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func walls(seconds ...int) []s3Usage {
	runs := make([]s3Usage, len(seconds))
	for i, n := range seconds {
		runs[i] = s3Usage{usage{time.Second, time.Duration(n) * time.Second, 64 << 20}, 2 * time.Second, time.Second}
	}
	return runs
}

// One of both ratios is enough for the large object.
func TestLargeTarget(t *testing.T) {
	tests := []struct {
		name           string
		ours, disk, by int
		met            bool
	}{
		{"as on disk", 10, 8, 1, true},
		{"as the client", 10, 1, 8, true},
		{"neither", 11, 8, 8, false},
	}
	for _, test := range tests {
		var out bytes.Buffer
		s := s3Bench{bench: &bench{out: &out}}
		all := s.judgeLarge(map[string][]s3Usage{s3Row: walls(test.ours), diskRow: walls(test.disk), bothRow: walls(test.by)})
		if len(all) != 2 || all[0].reached() != test.met || !all[1].reached() {
			t.Errorf("%s: %+v", test.name, all)
		}
	}
}

func TestSmallTarget(t *testing.T) {
	for ours, met := range map[int]bool{125: true, 126: false} {
		var out bytes.Buffer
		s := s3Bench{bench: &bench{out: &out}}
		all := s.judgeSmall(map[string][]s3Usage{s3Row: walls(ours, 1, ours), copyRow: walls(100, 100, 100)})
		if len(all) != 2 || all[0].reached() != met {
			t.Errorf("%d s: %+v", ours, all)
		}
	}
}

func TestS3Rows(t *testing.T) {
	var out bytes.Buffer
	s := s3Bench{bench: &bench{out: &out}}
	s.printRows([]string{s3Row, copyRow}, map[string][]s3Usage{s3Row: walls(2, 4), copyRow: {{usage: usage{wall: time.Second}}}}, 300)
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		s3Row + " 3.00 (2.00..4.00) 100 1.00 2.00 1.00 1.5 of ",
		copyRow + " 1.00 (1.00..1.00) 300 - - - 0.0 of ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestSameTrees(t *testing.T) {
	one, other := t.TempDir(), t.TempDir()
	write := func(dir, name, text string) {
		t.Helper()
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(one, "a/1.csv", "x")
	write(one, "_manifest.json", "only here")
	if err := sameTrees(one, other, 1); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a missing file gave %v", err)
	}
	write(other, "a/1.csv", "x")
	if err := sameTrees(one, other, 1); err != nil {
		t.Error(err)
	}
	if err := sameTrees(one, other, 2); err == nil {
		t.Error("one file passed for two")
	}
	write(other, "a/1.csv", "y")
	if err := sameTrees(one, other, 1); err == nil {
		t.Error("other bytes went unnoticed")
	}
}

// All of it, short: a real server, batchmill and the client.
func TestS3(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs four programs")
	}
	dir := t.TempDir()
	var out bytes.Buffer
	s := settings{dir: dir, records: 3000, repeats: 1, concurrency: 4, objects: 40, s3: true}
	if err := run(t.Context(), s, &out); err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	if strings.Contains(out.String(), "S3 is left out") {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI has to have the server")
		}
		t.Skip("there is no server")
	}
	for _, want := range []string{"one CSV of", "40 objects of", "large object: wall", "small objects: wall"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "s3-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
