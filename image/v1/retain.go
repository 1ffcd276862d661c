package v1

import "sync"

// retained counts, for each layer, the sessions that want it kept.
type retained struct {
	mu      sync.Mutex
	holders map[string]map[string]struct{} // layer -> sessions
}

func newRetained() *retained { return &retained{holders: map[string]map[string]struct{}{}} }

// Retain says that a session, a pull or a build, is using these layers. It
// keeps nothing from being removed by itself: who removes asks IsHeld.
func (g *Graph) Retain(session string, layers ...string) {
	r := g.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range layers {
		if r.holders[l] == nil {
			r.holders[l] = map[string]struct{}{}
		}
		r.holders[l][session] = struct{}{}
	}
}

// Release undoes Retain. What the session does not hold is no error.
func (g *Graph) Release(session string, layers ...string) {
	r := g.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range layers {
		delete(r.holders[l], session)
		if len(r.holders[l]) == 0 {
			delete(r.holders, l)
		}
	}
}

// IsHeld tells whether any session uses the layer.
func (g *Graph) IsHeld(layer string) bool {
	r := g.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.holders[layer]) > 0
}
