package main

import (
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/workers"
)

// told is progress as a test has it.
type told struct {
	snapshot transform.Snapshot
	hosts    []workers.HostStats
}

func (p *told) Snapshot() transform.Snapshot { return p.snapshot }
func (p *told) Hosts() []workers.HostStats   { return p.hosts }

// gather collects what c tells, and holds it to be consistent with what it describes.
func gather(t *testing.T, c prometheus.Collector) families {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	list, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	f := families{}
	for _, one := range list {
		f[one.GetName()] = one
	}
	return f
}

// families are metrics by their names.
type families map[string]*dto.MetricFamily

// value is what the counter or gauge holds whose labels have these values, in
// the order of their names; -1 when there is none.
func (f families) value(name string, labels ...string) float64 {
	for _, m := range f[name].GetMetric() {
		var have []string
		for _, l := range m.GetLabel() {
			have = append(have, l.GetValue())
		}
		if slices.Equal(have, labels) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return -1
}

// quantile is one of a summary's; -1 when there is none.
func (f families) quantile(name, host string, q float64) float64 {
	for _, m := range f[name].GetMetric() {
		for _, have := range m.GetSummary().GetQuantile() {
			if m.GetLabel()[0].GetValue() == host && have.GetQuantile() == q {
				return have.GetValue()
			}
		}
	}
	return -1
}

func TestMetricsOfAJob(t *testing.T) {
	p := &told{transform.Snapshot{Records: 7, Rejects: 2, Retries: 3, Bytes: 40, TotalBytes: 100, Listed: 5, InFlight: 4},
		[]workers.HostStats{
			{Name: "http://a:1", Ready: true, Up: true, Requests: 11, Records: 10, Retries: 1, Ejections: 2, Hedges: 3, Limit: 8, InFlight: 4,
				P50: 20 * time.Millisecond, P95: time.Second, P99: 2 * time.Second},
			{Name: "http://b:1"},
			{Name: "http://c:1", Ready: true, Dropped: "status 404"},
			{Name: "http://d:1", Ready: true},
		}}
	f := gather(t, &jobCollector{progress: p})
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"batchmill_records_total", nil, 7}, {"batchmill_rejects_total", nil, 2}, {"batchmill_retries_total", nil, 3},
		{"batchmill_input_bytes_total", nil, 40}, {"batchmill_input_size_bytes", nil, 100}, {"batchmill_objects", nil, 5},
		{"batchmill_requests_in_flight", nil, 4},
		{"batchmill_hosts", []string{"up"}, 1}, {"batchmill_hosts", []string{"down"}, 2}, {"batchmill_hosts", []string{"dropped"}, 1},
		{"batchmill_host_requests_total", []string{"http://a:1"}, 11}, {"batchmill_host_records_total", []string{"http://a:1"}, 10},
		{"batchmill_host_retries_total", []string{"http://a:1"}, 1}, {"batchmill_host_ejections_total", []string{"http://a:1"}, 2},
		{"batchmill_host_hedges_total", []string{"http://a:1"}, 3}, {"batchmill_host_up", []string{"http://a:1"}, 1},
		{"batchmill_host_up", []string{"http://b:1"}, 0}, {"batchmill_host_up", []string{"http://c:1"}, 0},
		{"batchmill_host_concurrency_limit", []string{"http://a:1"}, 8}, {"batchmill_host_requests_in_flight", []string{"http://a:1"}, 4},
	} {
		if got := f.value(c.name, c.labels...); got != c.want {
			t.Errorf("%s%q = %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	for q, want := range map[float64]float64{0.5: 0.02, 0.95: 1, 0.99: 2} {
		if got := f.quantile("batchmill_host_request_duration_seconds", "http://a:1", q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := f.quantile("batchmill_host_request_duration_seconds", "http://b:1", 0.5); !math.IsNaN(got) {
		t.Errorf("a host without an answer has the median %v", got)
	}
}

// What a counter told once stays the least that it tells; hosts that have left
// are not told any more.
func TestCountersNeverGoBack(t *testing.T) {
	p := &told{hosts: []workers.HostStats{{Name: "a", Requests: 5, Records: 50}, {Name: "b", Requests: 1}}}
	p.snapshot.Bytes = 100
	c := &jobCollector{progress: p}
	gather(t, c)
	p.snapshot.Bytes, p.hosts = 90, []workers.HostStats{{Name: "a", Requests: 4, Records: 51}}
	f := gather(t, c)
	for name, want := range map[string]float64{"batchmill_host_requests_total": 5, "batchmill_host_records_total": 51} {
		if got := f.value(name, "a"); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := f.value("batchmill_input_bytes_total"); got != 100 {
		t.Errorf("batchmill_input_bytes_total went from 100 to %v", got)
	}
	if got := f.value("batchmill_host_requests_total", "b"); got != -1 || len(c.hosts) != 1 {
		t.Errorf("a host that has left is told still, or kept: %v, %v", got, slices.Collect(maps.Keys(c.hosts)))
	}
}

// Names that look alike are one series, not an error that hides all metrics, and
// no name breaks the exposition.
func TestHostNamesInMetrics(t *testing.T) {
	const shown = "http://h/p?[redacted]"
	p := &told{hosts: []workers.HostStats{
		{Name: shown, Requests: 2, Limit: 4, P50: time.Second},
		{Name: shown, Requests: 3, Limit: 1, Up: true, P50: 2 * time.Second},
		{Name: "bad\xff\xfe\"\n\\{}", Requests: 1},
		{Name: "", Requests: 9},
	}}
	f := gather(t, &jobCollector{progress: p})
	for name, want := range map[string]float64{"batchmill_host_requests_total": 5, "batchmill_host_concurrency_limit": 5, "batchmill_host_up": 1} {
		if got := f.value(name, shown); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := f.quantile("batchmill_host_request_duration_seconds", shown, 0.5); got != 2 {
		t.Errorf("the median is %v, want that of the slower host", got)
	}
	server := httptest.NewServer(metricsHandler(p))
	defer server.Close()
	f = scrape(t, server.URL+metricsPath)
	if got := f.value("batchmill_host_requests_total", `bad\xff\xfe"\n\{}`); got != 1 {
		t.Errorf("a name of odd bytes: %v in %v", got, f["batchmill_host_requests_total"])
	}
	http.DefaultClient.CloseIdleConnections()
}
