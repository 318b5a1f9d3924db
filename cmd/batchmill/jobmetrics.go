package main

import (
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/workers"
)

// jobProgress is what the metrics of a job are read from, from any goroutine, at any
// time: a [transform.Progress].
type jobProgress interface {
	Snapshot() transform.Snapshot
	Hosts() []workers.HostStats
}

// jobMetric describes one metric of the whole job.
func jobMetric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("batchmill_"+name, help, labels, nil)
}

// hostMetric describes one metric of each host.
func hostMetric(name, help string) *prometheus.Desc { return jobMetric("host_"+name, help, "host") }

var (
	jobCounters = [...]*prometheus.Desc{
		jobMetric("records_total", "Records settled in this run: answered or rejected, by hosts or from the log of an earlier run."),
		jobMetric("rejects_total", "Records set aside without an answer, in this run."),
		jobMetric("retries_total", "Requests that had to be retried, including those that a host was too busy for."),
		jobMetric("records_resumed_total", "Of the records settled, those that the log of an earlier run answered."),
		jobMetric("input_bytes_total", "Bytes of input read, or passed over because an earlier run had settled them."),
	}
	inputSize        = jobMetric("input_size_bytes", "Size of all input objects as they are stored; 0 until all are found.")
	objectsFound     = jobMetric("objects", "Input objects found; it grows while the inputs are listed.")
	requestsInFlight = jobMetric("requests_in_flight", "Requests that wait for their answer now.")
	hostsByState     = jobMetric("hosts", "Hosts by state: up (ready and in use), down (not ready yet, or ejected until it answers well), dropped (for good).", "state")

	hostCounters = [...]*prometheus.Desc{
		hostMetric("requests_total", "Requests that came to an end, whatever that was."),
		hostMetric("records_total", "Records that the host answered well."),
		hostMetric("retries_total", "Requests to the host that had to be retried, there or elsewhere."),
		hostMetric("ejections_total", "How often the host was ejected, until it answered well again."),
		hostMetric("hedges_total", "Requests that the host got as a second host, because another host was slow."),
	}
	hostUp       = hostMetric("up", "1 if the host is ready and in use, 0 if it is not.")
	hostLimit    = hostMetric("concurrency_limit", "Requests that the host may have in flight at once, now.")
	hostInFlight = hostMetric("requests_in_flight", "Requests that wait for the host's answer now.")
	hostDuration = hostMetric("request_duration_seconds", "Time from a request's start to its whole answer: all good answers of this run.")
	hostFailures = jobMetric("host_failures_total", "Requests without a good answer, by what the end was.", "host", "cause")
)

// jobCollector reads a job's metrics from its progress whenever they are asked
// for; in between it costs nothing.
//
// A counter that it has told once never becomes less, whatever the progress
// says: that would be taken for a new process, and the count for its work.
type jobCollector struct {
	progress jobProgress

	mu    sync.Mutex // held over a whole collection, so that the newer one is the later one
	job   [len(jobCounters)]int64
	hosts map[string]*hostMetrics // as they were told last, and no host that has left
}

// Describe sends every metric there can be.
func (c *jobCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range jobCounters {
		ch <- d
	}
	for _, d := range hostCounters {
		ch <- d
	}
	for _, d := range []*prometheus.Desc{inputSize, objectsFound, requestsInFlight, hostsByState, hostUp, hostLimit, hostInFlight, hostDuration, hostFailures} {
		ch <- d
	}
}

// Collect reads the progress once, and sends what it holds.
func (c *jobCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, stats := c.progress.Snapshot(), c.progress.Hosts()
	for i, v := range [len(jobCounters)]int64{s.Records, s.Rejects, s.Retries, s.Resumed, s.Bytes} {
		c.job[i] = max(c.job[i], v)
		ch <- counter(jobCounters[i], c.job[i])
	}
	ch <- gauge(inputSize, s.TotalBytes)
	ch <- gauge(objectsFound, s.Listed)
	ch <- gauge(requestsInFlight, int64(s.InFlight))
	for state, n := range countStates(stats) {
		ch <- gauge(hostsByState, n, state)
	}
	c.hosts = mergeHosts(stats, c.hosts)
	for name, h := range c.hosts {
		h.send(ch, name)
	}
}

func counter(d *prometheus.Desc, v int64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func gauge(d *prometheus.Desc, v int64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
}

// countStates counts the hosts in each state, also where there is none.
func countStates(stats []workers.HostStats) map[string]int64 {
	n := map[string]int64{"up": 0, "down": 0, "dropped": 0}
	for _, h := range stats {
		switch {
		case h.Dropped != "":
			n["dropped"]++
		case h.Up:
			n["up"]++
		default:
			n["down"]++
		}
	}
	return n
}

// hostMetrics is what all hosts of one name have done together: two URLs that
// differ in their queries, which are not shown, have the same name.
type hostMetrics struct {
	counters      [len(hostCounters)]int64
	up            int64
	limit         int64
	inFlight      int64
	answers       int64
	answerTime    time.Duration
	failures      map[string]int64 // by cause
	p50, p95, p99 time.Duration    // of the slowest; 0 without a good answer
}

// mergeHosts adds up the hosts of each name, which is made safe to be shown. No
// counter is less than it was before.
func mergeHosts(stats []workers.HostStats, before map[string]*hostMetrics) map[string]*hostMetrics {
	now := make(map[string]*hostMetrics, len(stats))
	for _, s := range stats {
		name := escape(s.Name)
		if now[name] == nil {
			now[name] = &hostMetrics{failures: map[string]int64{}}
		}
		now[name].add(s)
	}
	for name, h := range now {
		if was := before[name]; was != nil {
			for i := range h.counters {
				h.counters[i] = max(h.counters[i], was.counters[i])
			}
			h.answers, h.answerTime = max(h.answers, was.answers), max(h.answerTime, was.answerTime)
			for cause, n := range was.failures {
				h.failures[cause] = max(h.failures[cause], n)
			}
		}
	}
	return now
}

func (h *hostMetrics) add(s workers.HostStats) {
	for i, v := range [len(hostCounters)]int64{s.Requests, s.Records, s.Retries, s.Ejections, s.Hedges} {
		h.counters[i] += v
	}
	if s.Up {
		h.up = 1
	}
	h.answers += s.Answers
	h.answerTime += s.AnswerTime
	for cause, n := range s.Failures {
		h.failures[cause.String()] += n
	}
	h.limit += int64(s.Limit)
	h.inFlight += int64(s.InFlight)
	h.p50, h.p95, h.p99 = max(h.p50, s.P50), max(h.p95, s.P95), max(h.p99, s.P99)
}

func (h *hostMetrics) send(ch chan<- prometheus.Metric, name string) {
	for i, v := range h.counters {
		ch <- counter(hostCounters[i], v, name)
	}
	ch <- gauge(hostUp, h.up, name)
	ch <- gauge(hostLimit, h.limit, name)
	ch <- gauge(hostInFlight, h.inFlight, name)
	quantiles := map[float64]float64{0.5: seconds(h.p50), 0.95: seconds(h.p95), 0.99: seconds(h.p99)}
	ch <- prometheus.MustNewConstSummary(hostDuration, uint64(h.answers), h.answerTime.Seconds(), quantiles, name)
	for cause, n := range h.failures {
		ch <- counter(hostFailures, n, name, cause)
	}
}

// seconds is NaN, as is usual where nothing was measured, for 0.
func seconds(t time.Duration) float64 {
	if t == 0 {
		return math.NaN()
	}
	return t.Seconds()
}
