package csv

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestFilter(t *testing.T) {
	names := []string{"id", "age", "2024", "a,b", `q"q`, "x:y", "twice", "twice"}
	for _, c := range []struct {
		text string
		want []int
		fail string // what the error must say
	}{
		{"id,age", []int{0, 1}, ""},
		{" age , id ", []int{1, 0}, ""},
		{"age,age", []int{1, 1}, ""},
		{`"2024"`, []int{2}, ""},
		{`"a,b","q""q" , x:y`, []int{3, 4, 5}, ""},
		{"0", []int{0}, ""},
		{"-1,-8", []int{7, 0}, ""},
		{"1:", []int{1, 2, 3, 4, 5, 6, 7}, ""},
		{":", []int{0, 1, 2, 3, 4, 5, 6, 7}, ""},
		{"2:5", []int{2, 3, 4}, ""},
		{":-5", []int{0, 1, 2}, ""},
		{"-3:", []int{5, 6, 7}, ""},
		{"-100:2,6:100", []int{0, 1, 6, 7}, ""},
		{"7:2,id", []int{0}, ""},
		{"7:2", nil, "picks no field"},
		{"8", nil, "0 to 7"},
		{"-9", nil, "-8 to -1"},
		{"Id", nil, `"age"`},
		{"twice", nil, "use the index"},
		{"", nil, "nothing between"},
		{"id,", nil, "nothing between"},
		{",id", nil, "nothing between"},
		{`"id`, nil, "no closing quote"},
		{`"id"x`, nil, "behind a closing quote"},
		{`"id",`, nil, "nothing between"},
		{"$.features", nil, "JSONPath"},
		{"99999999999999999999", nil, "too large"},
	} {
		f, err := ParseFilter(c.text)
		var got []int
		if err == nil {
			got, err = f.Resolve(names, len(names))
		}
		var want *OptionError
		if c.fail != "" && (!errors.As(err, &want) || !strings.Contains(err.Error(), c.fail)) {
			t.Errorf("%s: error %v does not say %q", c.text, err, c.fail)
		} else if c.fail == "" && (err != nil || !slices.Equal(got, c.want)) {
			t.Errorf("%s: got %v, error %v", c.text, got, err)
		}
	}
}

func TestFilterWithoutFixedWidth(t *testing.T) {
	for text, ok := range map[string]bool{"0,7": true, "-1": false, "1:": false, ":2": false, "id": false} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Resolve(nil, 0); (err == nil) != ok {
			t.Errorf("%s: error %v", text, err)
		}
	}
	if got, err := Filter(nil).Resolve(nil, 3); got != nil || err != nil {
		t.Errorf("nil filter: %v, %v", got, err)
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"id,age", "1:", ":-1", "-3:", `"a""b",0`, `"`, ",", ":", "-", "--1:", "1:2:3"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, text string, width int) {
		filter, err := ParseFilter(text)
		if err != nil {
			return
		}
		width %= 1000
		names := []string{"id", "age", "id"}
		for _, w := range []int{max(width, 0), 3} {
			picks, err := filter.Resolve(names, w)
			for _, p := range picks {
				if p < 0 || p >= max(w, len(names)) && w > 0 {
					t.Fatalf("%q picks %d of %d", text, p, w)
				}
			}
			if (err == nil) == (len(picks) == 0) {
				t.Fatalf("%q: picks %v, error %v", text, picks, err)
			}
		}
	})
}
