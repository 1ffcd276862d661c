package host

import "sync"

// lineage is what the layer store knows of which layer lies on which, for
// layers that the host has no note of: those that somebody else wrote.
type lineage struct {
	mu      sync.Mutex
	parents map[string]string
}

func (l *lineage) of(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parents[id]
}

// SetParents implements graphdriver.Genealogist.
func (d *Driver) SetParents(parents map[string]string) {
	d.lineage.mu.Lock()
	defer d.lineage.mu.Unlock()
	if d.lineage.parents == nil {
		d.lineage.parents = map[string]string{}
	}
	for id, parent := range parents {
		d.lineage.parents[id] = parent
	}
}
