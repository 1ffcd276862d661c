package host

import (
	"fmt"
	"path"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// places are the directories where layers lie, and whose they are.
type places struct {
	owners map[string]string         // by directory
	within map[string]map[string]int // how many directories a layer has beneath a path
}

func newPlaces() *places {
	return &places{owners: map[string]string{}, within: map[string]map[string]int{}}
}

func (p *places) add(dir, id string) {
	if p.owners[dir] == id {
		return
	}
	p.remove(dir)
	p.owners[dir] = id
	for up := path.Dir(dir); up != "." && up != "/"; up = path.Dir(up) {
		if p.within[up] == nil {
			p.within[up] = map[string]int{}
		}
		p.within[up][id]++
	}
}

func (p *places) remove(dir string) {
	id, there := p.owners[dir]
	if !there {
		return
	}
	delete(p.owners, dir)
	for up := path.Dir(dir); up != "." && up != "/"; up = path.Dir(up) {
		if p.within[up][id]--; p.within[up][id] == 0 {
			delete(p.within[up], id)
		}
		if len(p.within[up]) == 0 {
			delete(p.within, up)
		}
	}
}

// removeAll takes away what a layer has: there are two at most.
func (p *places) removeAll(id string, dirs ...string) {
	for _, dir := range dirs {
		if p.owners[dir] == id {
			p.remove(dir)
		}
	}
}

// free says whether a layer can lie at dir: nobody else lies there, above it or
// beneath it.
func (p *places) free(id, dir string) error {
	taken := func(owner, at string) error {
		return fmt.Errorf("layer %s cannot lie at %q, layer %s lies at %q: %w", id, dir, owner, at, graphdriver.ErrCorrupt)
	}
	for at := dir; at != "." && at != "/"; at = path.Dir(at) {
		if owner, there := p.owners[at]; there && owner != id {
			return taken(owner, at)
		}
	}
	for owner := range p.within[dir] {
		if owner != id {
			return taken(owner, dir+"/…")
		}
	}
	return nil
}
