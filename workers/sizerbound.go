package workers

// recentRequests are how requests ended since the size changed.
type recentRequests struct{ timeouts, answers int }

// sizeBounds are what keeps batches small, whatever the search says.
type sizeBounds struct {
	mostBytes   int // of the answers to a batch
	mostRecords int // the most records that fit a batch; 0 is not known
	oneLines    int // requests about several records that got one answer, since the last whole answer to several
}

// Pressed says that the window holds too few batches of size records for the hosts.
func (s *Sizer) Pressed(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage == found && size >= s.size {
		s.shrink()
	}
}

// mostOneLines is how many requests about several records may get one answer, with
// none in between that got as many as it has records, before batches have one record.
const mostOneLines = 8

// countOneLine learns that hosts answer one line, whatever they are asked: batches of
// more would be halved down to one record each. Called with mu held.
func (s *Sizer) countOneLine(host *Member) {
	if s.oneLines++; s.oneLines != mostOneLines {
		return
	}
	const what = "gives one answer, however many records it is asked about: "
	if s.fixed {
		s.hosts.incidents.tell(host.Name(), what+"with --batch-records 1 it is not asked in vain")
		return
	}
	s.hosts.incidents.tell(host.Name(), what+"batches have one record from now on")
	s.endSearch(1)
}

// bound makes batches have most records at most; a size that was given stays. Called with mu held.
func (s *Sizer) bound(most int) {
	if s.mostRecords == 0 || most < s.mostRecords {
		s.mostRecords = most // no larger level comes
	}
	switch {
	case s.fixed || s.size <= most:
	case s.stage == found:
		s.size, s.recent = most, recentRequests{}
	default:
		s.beginLevel(most)
	}
}

// shrink halves a size that was found; a size that was given stays.
func (s *Sizer) shrink() {
	if s.fixed {
		return
	}
	s.size = max(1, s.size/2)
	s.recent = recentRequests{}
}
