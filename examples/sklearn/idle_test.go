package sklearn_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/batchmill/batchmill/workers"
)

// TestIdleConnections asks in bursts, with pauses around the time after which
// the host closes idle connections. A request that is sent on a connection
// just being closed is lost; batchmill must have let go of it before.
func TestIdleConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("waits until the host closes idle connections")
	}
	for _, c := range []struct {
		name   string
		pauses []time.Duration
	}{
		{"KEEPALIVE=5", []time.Duration{1400 * time.Millisecond, 1500 * time.Millisecond, 5 * time.Second, 6 * time.Second}},
		{"KEEPALIVE=2", []time.Duration{1900 * time.Millisecond, 2 * time.Second, 2500 * time.Millisecond, 3 * time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := needDataset(t)
			url := startHost(t, c.name)
			waitReady(t, url)
			host, err := workers.NewHTTPHost(workers.HTTPOptions{URL: url, MaxConns: 8})
			if err != nil {
				t.Fatal(err)
			}
			defer host.Close()
			burst(t, host, d)
			for _, pause := range c.pauses {
				time.Sleep(pause) // the host's clock is a real one
				burst(t, host, d)
			}
		})
	}
}

// burst sends eight requests at once; each must be answered at its first try.
func burst(t *testing.T, host *workers.HTTPHost, d *dataset) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			resp, err := host.Invoke(ctx, &workers.Request{
				Body: []byte(d.csv[i] + "\n"), ContentType: "text/csv", Accept: "text/csv",
				Key: fmt.Sprintf("idle/cancer.csv/%d/1", i+1), Object: "cancer.csv", First: int64(i + 1),
			})
			if err != nil {
				t.Errorf("row %d: %v", i+1, err)
				return
			}
			if got := string(resp.Body); resp.Status != 200 || got != d.wantCSV[i]+"\n" {
				t.Errorf("row %d: status %d, answer %q, want %q", i+1, resp.Status, got, d.wantCSV[i])
			}
		})
	}
	group.Wait()
}
