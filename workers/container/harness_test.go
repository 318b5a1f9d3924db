package container

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/container/containertest"
	"github.com/batchmill/batchmill/workers/hostlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kept is a fleet whose hosts are kept.
type kept struct {
	*Fleet
	t      *testing.T
	logs   string
	stop   context.CancelFunc
	ended  sync.WaitGroup
	mu     sync.Mutex
	errs   []error
	said   []string
	closed sync.Once
}

// keepAll opens a fleet on the real engine and keeps its hosts until the test ends, or stopped is called.
func keepAll(t *testing.T, o Options) *kept {
	t.Helper()
	k := &kept{t: t}
	o.Owner = t.Name() + "/" + newToken() // two of one test are told apart
	o.Notice = func(s string) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.said = append(k.said, s)
		t.Log(s)
	}
	k.logs = t.TempDir()
	o.Logs = hostlog.At(k.logs)
	var err error
	if k.Fleet, err = Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	k.errs = make([]error, len(k.Hosts()))
	for i, h := range k.Hosts() {
		k.ended.Go(func() { k.errs[i] = h.Keep(ctx) })
	}
	t.Cleanup(func() { k.stopped() })
	return k
}

// stopped ends the fleet, and checks that nothing is left of it.
func (k *kept) stopped() []error {
	k.closed.Do(func() {
		k.stop()
		k.ended.Wait()
		if err := k.Close(); err != nil {
			k.t.Error(err)
		}
		c, err := client.New(client.FromEnv)
		if err != nil {
			k.t.Fatal(err)
		}
		defer c.Close()
		ctx := context.Background()
		mine := make(client.Filters).Add("label", labelFor+"="+k.options.Owner)
		list, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: mine})
		if err != nil || len(list.Items) > 0 {
			k.t.Errorf("left: %v, %v", list.Items, err)
		}
		networks, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: mine})
		if err != nil || len(networks.Items) > 0 {
			k.t.Errorf("left: %v, %v", networks.Items, err)
		}
	})
	return k.errs
}

// until polls for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within minutes: %s", what)
		}
	}
}

// isReady tells whether the host's container would get invocations.
func (h *Host) isReady() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.absence == nil && !h.readySince.IsZero()
}

// allReady waits until every host is ready.
func (k *kept) allReady() {
	k.t.Helper()
	for _, h := range k.Hosts() {
		until(k.t, h.Name()+" is ready", func() bool { return h.isReady() })
	}
}

func invoke(t *testing.T, h *Host, body string) (string, error) {
	t.Helper()
	r, err := h.Invoke(t.Context(), &workers.Request{Body: []byte(body), ContentType: "text/csv", Accept: "text/csv"})
	return string(r.Body), err
}

// probe asks what the server found that it can do.
func probe(t *testing.T, h *Host, query string) containertest.Probe {
	t.Helper()
	h.mu.Lock()
	address := h.address
	h.mu.Unlock()
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr}).Get("http://" + address + "/probe" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var p containertest.Probe
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	return p
}
