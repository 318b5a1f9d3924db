// Package resolve finds the hosts behind a name, such as a headless service of
// Kubernetes: every address of the name is a host, and the name is looked up every
// few seconds.
//
// A [Source] is the [workers.Source] of one name: [New] makes a source of [Options].
package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/batchmill/batchmill/workers"
)

const (
	defaultEvery = 5 * time.Second
	defaultGrace = 30 * time.Second
	// lookupTime bounds one look-up.
	lookupTime = 5 * time.Second
	// mostAddresses is the most addresses of a name that are hosts. An address costs
	// connections and memory, and a DNS server may send any number of addresses.
	mostAddresses = 1000
)

// A Resolver looks names up, like a *[net.Resolver].
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options describe a name and the hosts behind the name. Address is needed.
type Options struct {
	// Address is a name and a port: dns+http://name:port.
	Address workers.Address
	// HTTP describes the hosts. HTTP.URL, HTTP.Dial and HTTP.Name are ignored.
	HTTP workers.HTTPOptions
	// Every is the time between look-ups, at random up to a fifth more or less; 0 is
	// 5 seconds. The system's resolver does not tell for how long records are valid.
	Every time.Duration
	// Grace is for how long a name may have no address before its hosts are given
	// up; 0 is 30 seconds.
	Grace time.Duration
	// Resolver looks the name up; nil is the system's resolver.
	Resolver Resolver
}

// Validate says which option is wrong.
func (o Options) Validate() error {
	if !o.Address.Named() {
		return errors.New("there is no name to look up: write it like dns+http://name:8080")
	}
	if o.Every < 0 || o.Grace < 0 {
		return fmt.Errorf("a time of %v or %v is negative", o.Every, o.Grace)
	}
	_, err := o.Address.NewHostAt("127.0.0.1:1", o.HTTP) // an error says what is wrong with HTTP
	return err
}

// A Source is the [workers.Source] of the hosts behind one name.
type Source struct {
	options Options
	name    string
	port    string

	mu    sync.Mutex
	hosts map[netip.Addr]*workers.HTTPHost
}

var _ workers.Source = (*Source)(nil)

// New makes a source; nothing is looked up yet. The caller closes the source when its
// hosts are not needed any more.
func New(o Options) (*Source, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.Every = cmp.Or(o.Every, defaultEvery)
	o.Grace = cmp.Or(o.Grace, defaultGrace)
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	s := &Source{options: o, hosts: map[netip.Addr]*workers.HTTPHost{}}
	s.name, s.port = o.Address.Host()
	return s, nil
}

// Name is the address that was given.
func (s *Source) Name() string { return s.options.Address.String() }

// Close closes the hosts' idle connections.
func (s *Source) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hosts {
		h.Close()
	}
}

// Watch looks the name up until ctx ends. A look-up that fails changes no hosts: trouble
// is called when look-ups begin to fail and when the reason changes, and found is
// called, even with the same hosts, when look-ups succeed again. At most 1,000
// addresses of a name are hosts; more addresses are trouble. An answer without an
// address counts only after Options.Grace without an address: until then a service
// is more likely being replaced than gone.
func (s *Source) Watch(ctx context.Context, found func([]workers.Host), trouble func(error)) error {
	w := watch{Source: s, found: found, trouble: trouble}
	for {
		w.lookUp(ctx)
		if err := workers.Sleep(ctx, s.options.Every*4/5+rand.N(s.options.Every*2/5+1)); err != nil {
			return err
		}
	}
}

// watch is the state of one call of Watch.
type watch struct {
	*Source
	found       func([]workers.Host)
	trouble     func(error)
	addresses   []netip.Addr // sorted
	emptySince  time.Time    // since when the name has no address; zero while the name has one
	lastTrouble string       // the last text given to trouble; "" after a look-up that succeeded
}

func (w *watch) lookUp(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	found, err := w.options.Resolver.LookupNetIP(within, "ip", w.name)
	missing, ok := errors.AsType[*net.DNSError](err)
	switch {
	case ctx.Err() != nil:
	case err == nil && len(found) > 0:
		w.emptySince = time.Time{}
		w.handleAddresses(found)
	case err == nil, ok && missing.IsNotFound:
		w.report(fmt.Errorf("%s: the name has no address: look at it, or at the service behind it", w.Name()))
		w.handleNone(time.Now())
	default:
		w.emptySince = time.Time{} // a failed look-up does not say that the name has no address
		w.report(fmt.Errorf("%s: the name cannot be looked up: %w", w.Name(), err))
	}
}

func (w *watch) report(err error) {
	if text := err.Error(); text != w.lastTrouble {
		w.lastTrouble = text
		w.trouble(err)
	}
}

// handleNone takes an answer without addresses.
func (w *watch) handleNone(now time.Time) {
	if w.emptySince.IsZero() {
		w.emptySince = now
	}
	if len(w.addresses) > 0 && now.Sub(w.emptySince) >= w.options.Grace {
		w.setAddresses(nil)
	}
}

// handleAddresses takes an answer with addresses. Of more than mostAddresses, the
// addresses that are hosts already stay, and the lowest others join, so that hosts do
// not change with each answer.
func (w *watch) handleAddresses(addresses []netip.Addr) {
	now := w.distinct(addresses)
	if len(now) <= mostAddresses {
		over := w.lastTrouble != "" && slices.Equal(now, w.addresses)
		w.lastTrouble = ""
		w.setAddresses(now)
		if over { // found says that the trouble is over
			w.found(w.current())
		}
		return
	}
	excess := fmt.Errorf("%s: the name has %d addresses, and %d are used: divide them among several names", w.Name(), len(now), mostAddresses)
	slices.SortStableFunc(now, func(a, b netip.Addr) int { return w.rank(a) - w.rank(b) })
	now = now[:mostAddresses]
	slices.SortFunc(now, netip.Addr.Compare)
	if !slices.Equal(now, w.addresses) {
		w.lastTrouble = "" // setAddresses calls found, which ends the last trouble
	}
	w.setAddresses(now)
	w.report(excess)
}

// rank is 0 for an address that is a host already, else 1.
func (w *watch) rank(a netip.Addr) int {
	if _, known := slices.BinarySearchFunc(w.addresses, a, netip.Addr.Compare); known {
		return 0
	}
	return 1
}

// distinct is the addresses, sorted and without repeats.
func (w *watch) distinct(addresses []netip.Addr) []netip.Addr {
	now := make([]netip.Addr, len(addresses))
	for i, a := range addresses {
		now[i] = a.Unmap()
	}
	slices.SortFunc(now, netip.Addr.Compare)
	return slices.Compact(now)
}

// setAddresses makes the addresses in now, which are distinct, the hosts. An address
// that stays keeps its host.
func (w *watch) setAddresses(now []netip.Addr) {
	if slices.Equal(now, w.addresses) {
		return
	}
	hosts, left, err := w.replaceHosts(now)
	if err != nil { // cannot be, for Validate has made such a host
		w.report(err)
		return
	}
	w.addresses = now
	w.found(hosts)
	for _, h := range left {
		h.Close()
	}
}

// current is the hosts, in the order of their addresses.
func (w *watch) current() (hosts []workers.Host) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.addresses {
		hosts = append(hosts, w.hosts[a])
	}
	return hosts
}

func (s *Source) replaceHosts(now []netip.Addr) (hosts []workers.Host, left []*workers.HTTPHost, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[netip.Addr]*workers.HTTPHost, len(now))
	for _, a := range now {
		h := s.hosts[a]
		if h == nil {
			if h, err = s.options.Address.NewHostAt(net.JoinHostPort(a.String(), s.port), s.options.HTTP); err != nil {
				return nil, nil, err
			}
		}
		next[a] = h
		hosts = append(hosts, h)
	}
	for a, h := range s.hosts {
		if next[a] == nil {
			left = append(left, h)
		}
	}
	s.hosts = next
	return hosts, left, nil
}
