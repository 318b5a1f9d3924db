package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestFill(t *testing.T) {
	const corpus = "id,note\n1,\"a\nb\"\n2,c\n3,d"
	tests := []struct {
		name  string
		size  int
		want  []string
		after error
	}{
		{"whole records only", 9, []string{"id,note\n1,\"a\nb\"\n", "id,note\n2,c\n"}, io.ErrUnexpectedEOF},
		{"several records", 17, []string{"id,note\n1,\"a\nb\"\n2,c\n"}, io.ErrUnexpectedEOF},
		{"the header alone", 1, []string{"id,note\n", "id,note\n"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := bufio.NewReaderSize(strings.NewReader(corpus), 16)
			header, err := record(text, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				got, err := fill(text, header, test.size)
				if string(got) != want || err != nil {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			}
			if _, err := fill(text, header, test.size); !errors.Is(err, test.after) {
				t.Errorf("then %v, want %v", err, test.after)
			}
		})
	}
}

func TestPattern(t *testing.T) {
	for _, size := range []int64{0, 1, 1 << 20, 1<<20 + 7} {
		n, err := io.Copy(io.Discard, &pattern{left: size})
		if n != size || err != nil {
			t.Errorf("got %d bytes of %d, %v", n, size, err)
		}
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{{}, {"eat"}, {"small"}, {"small", "--bucket", "b", "x"}, {"small", "--bucket", "b", "--concurrency", "0"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
