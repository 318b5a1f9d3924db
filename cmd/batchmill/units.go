package main

import (
	"math"
	"strconv"
	"time"
)

// scaled writes v with three digits at most and a unit: 12.3k, 4.5 M, 870.
func scaled(v float64, units []string) string {
	if v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	i := 0
	for v >= 999.5 && i < len(units)-1 {
		v /= 1000
		i++
	}
	digits := 0
	if i > 0 && v < 99.95 {
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + units[i]
}

func count(v float64) string { return scaled(v, []string{"", "k", "M", "G"}) }

func size(v float64) string { return scaled(v, []string{" B", " kB", " MB", " GB", " TB"}) }

// rate writes a number per second: below 100 with a decimal, for slow hosts.
func rate(perSecond float64) string {
	if perSecond > 0 && perSecond < 99.95 {
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	}
	return count(perSecond)
}

// grouped writes n with commas: 1,234,567.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	from := 0
	if n < 0 {
		from = 1
	}
	for i := len(s) - 3; i > from; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a number with its noun.
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

// span writes a time as people say it: 850 ms, 4.2 s, 1m20s, 3h05m.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 59950*time.Millisecond:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Hour-500*time.Millisecond:
		return d.Round(time.Second).String()
	}
	d = d.Round(time.Minute)
	minutes := strconv.Itoa(int(d.Minutes()) % 60)
	if len(minutes) == 1 {
		minutes = "0" + minutes
	}
	return strconv.Itoa(int(d.Hours())) + "h" + minutes + "m"
}

// latency writes a request's time: 0.4 ms, 12 ms, 1.2 s; "-" where there was none.
func latency(d time.Duration) string {
	switch {
	case d <= 0:
		return "-"
	case d < 50*time.Microsecond:
		return "<0.1 ms"
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64) + " ms"
	}
	return span(d)
}

// left writes the time that is left, in whole seconds; "" while unknown.
func left(seconds float64) string {
	if seconds < 0 || math.IsNaN(seconds) || seconds > 1e8 {
		return ""
	}
	d := time.Duration(math.Ceil(seconds)) * time.Second
	if d >= time.Hour {
		return span(d)
	}
	return d.String()
}
