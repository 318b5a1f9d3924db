// Package resolve finds the hosts behind a name, such as a headless service of
// Kubernetes: every address of the name is a host, and the name is looked up
// again and again.
package resolve

import (
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
	// mostAddresses is how many addresses of a name are hosts. Each costs
	// connections and memory, and whoever answers for the name says how many there are.
	mostAddresses = 1000
)

// A Resolver looks names up; *[net.Resolver] is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options describe a name. Address is needed.
type Options struct {
	// Address is a name and a port: dns+http://name:port.
	Address workers.Address
	// HTTP describes the hosts. Its URL, Dial and Name are not used.
	HTTP workers.HTTPOptions
	// Every is the time between look-ups, a fifth more or less; 0 is 5 seconds.
	// What the records themselves allow is not told by the system's resolver.
	Every time.Duration
	// Grace is for how long there may be no address any more before the hosts
	// are given up; 0 is 30 seconds.
	Grace time.Duration
	// Resolver is nil for the system's.
	Resolver Resolver
}

// Validate names what is wrong.
func (o Options) Validate() error {
	if !o.Address.Named() {
		return errors.New("there is no name to look up: write it like dns+http://name:8080")
	}
	if o.Every < 0 || o.Grace < 0 {
		return fmt.Errorf("a time of %v or %v is negative", o.Every, o.Grace)
	}
	_, err := o.Address.NewHostAt("127.0.0.1:1", o.HTTP) // what is wrong with HTTP
	return err
}

// A Source is the hosts behind one name. It is a [workers.Source].
type Source struct {
	o    Options
	name string
	port string

	mu    sync.Mutex
	hosts map[netip.Addr]*workers.HTTPHost
}

var _ workers.Source = (*Source)(nil)

// New makes a source; nothing is looked up yet. Close it when its hosts are
// not needed any more.
func New(o Options) (*Source, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Every == 0 {
		o.Every = defaultEvery
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	s := &Source{o: o, hosts: map[netip.Addr]*workers.HTTPHost{}}
	s.name, s.port = o.Address.Host()
	return s, nil
}

// Name is the address that was given.
func (s *Source) Name() string { return s.o.Address.String() }

// Close closes the hosts' idle connections.
func (s *Source) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hosts {
		h.Close()
	}
}

// Watch looks the name up until ctx ends. A look-up that fails changes nothing:
// the hosts that are known stay, and trouble is told when that begins and when
// the reason changes; that it is over, found tells, with the same hosts if they
// are. Of the addresses of a name 1,000 at most are hosts, the rest is
// trouble. An answer without any address is believed once there was no other for
// the grace: until then it is more likely that a service is being replaced than
// that it is gone.
func (s *Source) Watch(ctx context.Context, found func([]workers.Host), trouble func(error)) error {
	w := watch{Source: s, found: found, trouble: trouble}
	for {
		w.look(ctx)
		pause := time.NewTimer(s.o.Every*4/5 + rand.N(s.o.Every*2/5+1))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

// watch is what one call of Watch remembers.
type watch struct {
	*Source
	found   func([]workers.Host)
	trouble func(error)
	known   []netip.Addr // sorted
	empty   time.Time    // since when there is no address; zero while there is
	said    string       // the last trouble, until a look-up succeeds
}

func (w *watch) look(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	found, err := w.o.Resolver.LookupNetIP(within, "ip", w.name)
	missing, ok := errors.AsType[*net.DNSError](err)
	switch {
	case ctx.Err() != nil:
	case err == nil && len(found) > 0:
		w.empty = time.Time{}
		w.some(found)
	case err == nil, ok && missing.IsNotFound:
		w.tell(fmt.Errorf("%s: the name has no address: look at it, or at the service behind it", w.Name()))
		w.none(time.Now())
	default:
		w.empty = time.Time{} // nothing is known about now
		w.tell(fmt.Errorf("%s: the name cannot be looked up: %w", w.Name(), err))
	}
}

func (w *watch) tell(err error) {
	if text := err.Error(); text != w.said {
		w.said = text
		w.trouble(err)
	}
}

// none notes an answer without addresses.
func (w *watch) none(now time.Time) {
	if w.empty.IsZero() {
		w.empty = now
	}
	if len(w.known) > 0 && now.Sub(w.empty) >= w.o.Grace {
		w.update(nil)
	}
}

// some notes an answer with addresses. Of too many those are taken that are known
// already, then the first ones in order, so that hosts do not change with each answer.
func (w *watch) some(addresses []netip.Addr) {
	now := w.distinct(addresses)
	if len(now) <= mostAddresses {
		over := w.said != "" && slices.Equal(now, w.known)
		w.said = ""
		w.update(now)
		if over { // found says so
			w.found(w.current())
		}
		return
	}
	excess := fmt.Errorf("%s: the name has %d addresses, and %d are used: divide them among several names", w.Name(), len(now), mostAddresses)
	slices.SortStableFunc(now, func(a, b netip.Addr) int { return w.rank(a) - w.rank(b) })
	now = now[:mostAddresses]
	slices.SortFunc(now, netip.Addr.Compare)
	if !slices.Equal(now, w.known) {
		w.said = "" // found ends it
	}
	w.update(now)
	w.tell(excess)
}

// rank is lower for an address that is known.
func (w *watch) rank(a netip.Addr) int {
	if _, known := slices.BinarySearchFunc(w.known, a, netip.Addr.Compare); known {
		return 0
	}
	return 1
}

// distinct are the addresses, sorted, each once.
func (w *watch) distinct(addresses []netip.Addr) []netip.Addr {
	now := make([]netip.Addr, len(addresses))
	for i, a := range addresses {
		now[i] = a.Unmap()
	}
	slices.SortFunc(now, netip.Addr.Compare)
	return slices.Compact(now)
}

// update makes the hosts those at addresses, which are distinct. Those that stay
// are the same.
func (w *watch) update(now []netip.Addr) {
	if slices.Equal(now, w.known) {
		return
	}
	hosts, left, err := w.swap(now)
	if err != nil { // Validate has made one, so it cannot be
		w.tell(err)
		return
	}
	w.known = now
	w.found(hosts)
	for _, h := range left {
		h.Close()
	}
}

// current are the hosts that are known, in the order of their addresses.
func (w *watch) current() (hosts []workers.Host) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.known {
		hosts = append(hosts, w.hosts[a])
	}
	return hosts
}

func (s *Source) swap(now []netip.Addr) (hosts []workers.Host, left []*workers.HTTPHost, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[netip.Addr]*workers.HTTPHost, len(now))
	for _, a := range now {
		h := s.hosts[a]
		if h == nil {
			if h, err = s.o.Address.NewHostAt(net.JoinHostPort(a.String(), s.port), s.o.HTTP); err != nil {
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
