package container

// container is the ID of the container that runs now, or ran last.
func (h *Host) container() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.id
}
