package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/batchmill/batchmill/transform/job"
)

const (
	metricsPath = "/metrics"
	// scrapeTime bounds reading a request for metrics, and writing the answer.
	scrapeTime = 10 * time.Second
	// lastScrape is how long the end of a job waits for a scrape that has begun.
	lastScrape = time.Second
	// scrapesAtOnce is how many scrapes are answered at the same time.
	scrapesAtOnce = 4
)

// loopbackAddress binds a flag to an address that only this machine reaches; ""
// is none.
type loopbackAddress struct{ target *string }

// Set takes a loopback address and a port, and says of others what to write.
func (a *loopbackAddress) Set(s string) error {
	address, err := parseLoopback(s)
	if err != nil {
		return err
	}
	*a.target = address
	return nil
}

func (a *loopbackAddress) String() string {
	if a.target == nil {
		return ""
	}
	return *a.target
}

// Type names the value in help, where the flag's text does not.
func (*loopbackAddress) Type() string { return "ADDRESS" }

// parseLoopback reads an address and a port. A name is not looked up: what it
// means to this machine may not be what its user thinks. localhost is 127.0.0.1.
func parseLoopback(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%q is not an address and a port; write 127.0.0.1:9090", s)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", fmt.Errorf("%q is not a port, which is a number from 0 (a free one) to 65535; write 127.0.0.1:9090", port)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Unmap().IsLoopback() {
		return "", fmt.Errorf("%q is not a loopback address, and metrics are for this machine only; write 127.0.0.1:%d", s, number)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)).String(), nil
}

// serveMetrics lets address answer with what p tells, until the function that
// it returns is called; when that returns, nothing listens any more. Without an
// address it does nothing.
func (a *app) serveMetrics(address string, p jobProgress) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	s, err := startServer(address, &http.Server{
		Handler:     metricsHandler(p),
		ReadTimeout: scrapeTime, WriteTimeout: scrapeTime, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
	})
	if err != nil {
		return nil, usageError("choose another port for --metrics (0 takes a free one), or stop what listens there", "--metrics: %w", err)
	}
	a.notice(fmt.Sprintf("metrics at %s%s", s.url, metricsPath))
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastScrape)
		defer cancel()
		_ = s.server.Shutdown(ctx) // what takes longer is cut off
		s.close()
	}, nil
}

// metricsHandler answers GET /metrics and nothing else. What cannot be
// collected is left out and counted in promhttp_metric_handler_errors_total.
func metricsHandler(p jobProgress) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		&jobCollector{progress: p},
		buildInfo(),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.Handle("GET "+metricsPath, promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            registry,
		MaxRequestsInFlight: scrapesAtOnce,
	}))
	return mux
}

func buildInfo() prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "batchmill_build_info",
		Help:        "Always 1; the label tells the version of batchmill.",
		ConstLabels: prometheus.Labels{"version": job.Version},
	})
	info.Set(1)
	return info
}
