package main

import (
	"testing"
	"time"
)

func TestStatCPU(t *testing.T) {
	const rest = " 1 1 0 -1 4194560 9 0 0 0 150 25 7 7 20 0 1 0 100 1 1"
	tests := []struct {
		name, text string
		want       time.Duration
	}{
		{"ours", "12 (versitygw) S 7" + rest, 1750 * time.Millisecond},
		{"another's child", "12 (versitygw) S 8" + rest, 0},
		{"another name", "12 (versity) S 7" + rest, 0},
		{"a name with parentheses", "12 (versitygw) S) S 7" + rest, 0},
		{"cut short", "12 (versitygw) S 7 1 1", 0},
		{"no numbers", "12 (versitygw) S 7 1 1 0 -1 4194560 9 0 0 0 a b", 0},
		{"empty", "", 0},
	}
	for _, test := range tests {
		if got := statCPU([]byte(test.text), "versitygw", 7); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
