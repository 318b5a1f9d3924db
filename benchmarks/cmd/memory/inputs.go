package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"

	pq "github.com/parquet-go/parquet-go"
)

// inputs write what cases read. A process of its own makes each: what the driver holds
// counts as its children's peak.
var inputs = map[string]func(w io.Writer) error{
	"few.jsonl":  func(w io.Writer) error { return lines(w, 60, 20) },
	"some.jsonl": func(w io.Writer) error { return lines(w, 12_000, 100) },
	"many.jsonl": func(w io.Writer) error { return lines(w, 400_000, 1000) },
	"bulk.jsonl": func(w io.Writer) error { return lines(w, 10_000, 10_000) },
	"vast.jsonl": func(w io.Writer) error { return lines(w, 60, 15<<20) },
	"broken.jsonl": func(w io.Writer) error {
		if _, err := io.WriteString(w, "{}\n"); err != nil { // a job without any answer fails
			return err
		}
		text := "{" + strings.Repeat("x", 100_000) + "\n"
		return repeat(w, 5000, func(int) string { return text })
	},
	"wide.csv": func(w io.Writer) error {
		names := make([]string, 20_000)
		for i := range names {
			names[i] = fmt.Sprintf("column%d", i)
		}
		if _, err := io.WriteString(w, strings.Join(names, ",")+"\n"); err != nil {
			return err
		}
		text := strings.Repeat("12345,", len(names)-1) + "12345\n"
		return repeat(w, 3000, func(int) string { return text })
	},
	"pages12.parquet": func(w io.Writer) error { return parquet(w, 12<<20) },
	"pages48.parquet": func(w io.Writer) error { return parquet(w, 48<<20) },
}

func repeat(w io.Writer, n int, line func(i int) string) error {
	for i := range n {
		if _, err := io.WriteString(w, line(i)); err != nil {
			return err
		}
	}
	return nil
}

// lines are n records whose texts have so many bytes.
func lines(w io.Writer, n, bytes int) error {
	text := strings.Repeat("t", bytes)
	return repeat(w, n, func(i int) string { return fmt.Sprintf(`{"id":"%d","text":"%s"}`+"\n", i, text) })
}

// parquet is a file of three row groups with two columns, whose pages have about so many
// bytes and do not get smaller by compression.
func parquet(w io.Writer, page int) error {
	type row struct {
		ID   int64  `parquet:"id"`
		Text string `parquet:"text"`
	}
	out := pq.NewGenericWriter[row](w, pq.PageBufferSize(page), pq.Compression(&pq.Snappy))
	rnd := rand.New(rand.NewPCG(1, 1))
	text := make([]byte, 1000)
	for group := range 3 {
		for sum := 0; sum < 2*page; sum += len(text) {
			for i := range text {
				text[i] = byte(' ' + rnd.IntN(90))
			}
			if _, err := out.Write([]row{{int64(group), string(text)}}); err != nil {
				return err
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return out.Close()
}

// makeInput writes an input to a file.
func makeInput(name, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := inputs[name](w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
