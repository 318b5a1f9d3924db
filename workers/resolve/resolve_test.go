package resolve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/batchmill/batchmill/workers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A script is a resolver that gives one answer after the other, and the last for ever.
type script struct {
	answers []string // addresses with blanks between; "" none, "nx", "fail", "slow"
	asked   []time.Time
}

func (s *script) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if network != "ip" || host != "models.default.svc" {
		panic(network + " " + host)
	}
	answer := s.answers[min(len(s.asked), len(s.answers)-1)]
	s.asked = append(s.asked, time.Now())
	switch answer {
	case "nx":
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	case "fail":
		return nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
	case "slow":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var found []netip.Addr
	for _, f := range strings.Fields(answer) {
		found = append(found, netip.MustParseAddr(f))
	}
	return found, nil
}

func source(t *testing.T, r Resolver, url string) *Source {
	t.Helper()
	a, err := workers.ParseAddress(url)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Address: a, Resolver: r})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// watched runs Watch over the script for a time, and returns what it told.
func watched(t *testing.T, s *Source, d time.Duration) (told []string, hosts [][]workers.Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	err := s.Watch(ctx, func(h []workers.Host) {
		names := "found"
		for _, h := range h {
			names += " " + h.Name()
		}
		told, hosts = append(told, names), append(hosts, h)
	}, func(err error) { told = append(told, "trouble "+err.Error()) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	return told, hosts
}

func TestWatch(t *testing.T) {
	const none = "trouble dns+http://models.default.svc:8080: the name has no address: look at it, or at the service behind it"
	const failed = "trouble dns+http://models.default.svc:8080: the name cannot be looked up: lookup models.default.svc: server misbehaving"
	repeat := func(s string, n int) (list []string) {
		for range n {
			list = append(list, s)
		}
		return list
	}
	for _, c := range []struct {
		name    string
		answers []string
		want    []string
	}{
		{"steady", []string{"10.0.0.7"}, []string{"found http://10.0.0.7:8080"}},
		{"both families, sorted, once each", []string{"fd00::7 10.0.0.9 ::ffff:10.0.0.7 10.0.0.7"}, []string{"found http://10.0.0.7:8080 http://10.0.0.9:8080 http://[fd00::7]:8080"}},
		{"another order is no change", []string{"10.0.0.7 10.0.0.8", "10.0.0.8 10.0.0.7"}, []string{"found http://10.0.0.7:8080 http://10.0.0.8:8080"}},
		{"one comes, one goes", []string{"10.0.0.7", "10.0.0.7 10.0.0.8", "10.0.0.8"},
			[]string{"found http://10.0.0.7:8080", "found http://10.0.0.7:8080 http://10.0.0.8:8080", "found http://10.0.0.8:8080"}},
		{"late", []string{"nx", "nx", "", "10.0.0.7"}, []string{none, "found http://10.0.0.7:8080"}},
		{"failures change nothing", append(append([]string{"10.0.0.7"}, repeat("fail", 50)...), "10.0.0.7"), []string{"found http://10.0.0.7:8080", failed, "found http://10.0.0.7:8080"}},
		{"a slow server", []string{"10.0.0.7", "slow", "10.0.0.7"},
			[]string{"found http://10.0.0.7:8080", "trouble dns+http://models.default.svc:8080: the name cannot be looked up: context deadline exceeded", "found http://10.0.0.7:8080"}},
		{"empty for a moment", []string{"10.0.0.7", "nx", "", "nx", "10.0.0.7"}, []string{"found http://10.0.0.7:8080", none, "found http://10.0.0.7:8080"}},
		{"gone", []string{"10.0.0.7", "nx"}, []string{"found http://10.0.0.7:8080", none, "found"}},
		{"gone and back", append(append([]string{"10.0.0.7"}, repeat("", 20)...), "10.0.0.7"), []string{"found http://10.0.0.7:8080", none, "found", "found http://10.0.0.7:8080"}},
		{"a failure is no empty answer", append(append([]string{"10.0.0.7"}, "nx", "nx", "nx", "fail", "nx", "nx", "nx"), "10.0.0.7"),
			[]string{"found http://10.0.0.7:8080", none, failed, none, "found http://10.0.0.7:8080"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &script{answers: c.answers}
			told, _ := watched(t, source(t, r, "dns+http://models.default.svc:8080"), 10*time.Minute)
			if got, want := strings.Join(told, "\n"), strings.Join(c.want, "\n"); got != want {
				t.Errorf("%s:\n got %s\nwant %s", c.name, got, want)
			}
			for i := 1; i < len(r.asked); i++ {
				if d := r.asked[i].Sub(r.asked[i-1]); d < 4*time.Second || d > 11*time.Second {
					t.Errorf("%s: asked again after %v", c.name, d)
				}
			}
		})
	}
}

func TestHostsThatStayAreTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hosts := watched(t, source(t, &script{answers: []string{"10.0.0.7", "10.0.0.6 10.0.0.7", "10.0.0.6"}}, "dns+http://models.default.svc"), time.Minute)
		if len(hosts) != 3 || hosts[0][0] != hosts[1][1] || hosts[1][0] != hosts[2][0] || hosts[0][0].Name() != "http://10.0.0.7:80" {
			t.Errorf("%v", hosts)
		}
	})
}

// TestTooManyAddresses: of a name with very many addresses a bounded number are
// hosts. They stay the same while the name has them, and the rest is told.
func TestTooManyAddresses(t *testing.T) {
	many := func(from int) string {
		var b strings.Builder
		for i := range 1500 {
			fmt.Fprintf(&b, "10.%d.%d.1 ", (from+i)/250, (from+i)%250)
		}
		return b.String()
	}
	synctest.Test(t, func(t *testing.T) {
		told, hosts := watched(t, source(t, &script{answers: []string{many(500), many(500), many(0), "10.0.0.7"}}, "dns+http://models.default.svc"), time.Minute)
		const trouble = "trouble dns+http://models.default.svc: the name has 1500 addresses, and 1000 are used: divide them among several names"
		if len(hosts) != 2 || len(hosts[0]) != 1000 || len(told) != 3 || told[1] != trouble || told[2] != "found http://10.0.0.7:80" {
			t.Errorf("%d sets of hosts, %d told: %.300q", len(hosts), len(told), told)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	plain, err := workers.ParseAddress("http://h:1")
	if err != nil {
		t.Fatal(err)
	}
	named, err := workers.ParseAddress("dns+https://h/score")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{Address: plain}, {Address: named, Every: -1}, {Address: named, HTTP: workers.HTTPOptions{Timeout: -1}}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	s, err := New(Options{Address: named})
	if err != nil || s.Name() != "dns+https://h/score" || s.port != "443" {
		t.Errorf("%+v, %v", s, err)
	}
}

// The requests of all addresses carry the name.
func TestHeaderIsTheName(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host+r.URL.Path) }))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	s := source(t, &script{answers: []string{"127.0.0.1"}}, "dns+http://models.default.svc:"+port+"/score")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said, name := "", ""
	_ = s.Watch(ctx, func(hosts []workers.Host) { // ends with ctx
		resp, err := hosts[0].Invoke(ctx, &workers.Request{})
		if err != nil {
			t.Error(err)
		}
		said, name = string(resp.Body), hosts[0].Name()
		cancel()
	}, func(err error) { t.Error(err) })
	if said != "models.default.svc:"+port+"/score" || name != server.URL+"/score" {
		t.Errorf("the host got %q, and is called %q", said, name)
	}
}

// A real resolver against a real server on loopback.
func TestNameServer(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); nameserver(conn) }()
	defer func() { _ = conn.Close(); <-done }()
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	for name, want := range map[string]string{
		"models.test.": "[http://10.0.0.1:8080 http://10.0.0.2:8080 http://[fd00::1]:8080] <nil>",
		"broken.test.": "[] dns+http://broken.test.:8080: the name cannot be looked up",
		"none.test.":   "[] dns+http://none.test.:8080: the name has no address",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var names []string
		var wrong error
		_ = source(t, r, "dns+http://"+name+":8080").Watch(ctx, func(hosts []workers.Host) { // ends with ctx
			for _, h := range hosts {
				names = append(names, h.Name())
			}
			cancel()
		}, func(err error) { wrong = err; cancel() })
		cancel()
		if got := fmt.Sprint(names, " ", wrong); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// nameserver answers for models.test with two addresses and one, for broken.test with
// SERVFAIL, and for the rest with NXDOMAIN (RFC 1035, section 4).
func nameserver(conn net.PacketConn) {
	const typeA, typeAAAA = 1, 28
	buf := make([]byte, 512)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		end := 12
		for buf[end] != 0 {
			end += 1 + int(buf[end])
		}
		question := buf[12 : end+5]
		code, answers := byte(3), []byte(nil)
		var list []string
		switch {
		case strings.HasPrefix(string(question), "\x06broken"):
			code = 2
		case strings.HasPrefix(string(question), "\x06models"):
			code = 0
			list = map[byte][]string{typeA: {"10.0.0.2", "10.0.0.1"}, typeAAAA: {"fd00::1"}}[buf[end+2]]
		}
		for _, a := range list {
			ip := netip.MustParseAddr(a).AsSlice()
			answers = append(answers, 0xc0, 12, 0, buf[end+2], 0, 1, 0, 0, 0, 5, 0, byte(len(ip)))
			answers = append(answers, ip...)
		}
		reply := append([]byte{buf[0], buf[1], 0x84, 0x80 | code, 0, 1, 0, byte(len(list)), 0, 0, 0, 0}, question...)
		_, _ = conn.WriteTo(append(reply, answers...), from)
		_ = n
	}
}
