package workers

// recentRequests are how requests ended since the size changed.
type recentRequests struct{ timeouts, answers int }

// Pressed says that the window holds too few batches of size records for the hosts.
func (s *Sizer) Pressed(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage == found && size >= s.size {
		s.shrink()
	}
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
