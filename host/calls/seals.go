package calls

import (
	"strings"
	"sync"
)

// Seals knows the bases of committed layers: nothing at or beneath one may
// change but by the removal of that layer. It is safe for concurrent use.
type Seals struct {
	mu    sync.RWMutex
	ids   map[string]string // base to layer id
	above map[string]int    // how many bases lie beneath a path
}

// NewSeals returns an empty set.
func NewSeals() *Seals {
	return &Seals{ids: map[string]string{}, above: map[string]int{}}
}

// Add seals the base of a layer. Doing it twice is no error.
func (s *Seals) Add(base, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.ids[base]; ok {
		return
	}
	s.ids[base] = id
	for up := base; up != "."; {
		up = dir(up)
		s.above[up]++
	}
}

// Remove takes the seals of a layer away.
func (s *Seals) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for base, owner := range s.ids {
		if owner != id {
			continue
		}
		delete(s.ids, base)
		for up := base; up != "."; {
			up = dir(up)
			if s.above[up]--; s.above[up] == 0 {
				delete(s.above, up)
			}
		}
	}
}

// Sealed reports whether id has a seal.
func (s *Seals) Sealed(id string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, owner := range s.ids {
		if owner == id {
			return true
		}
	}
	return false
}

// within names the sealed layer that p, a clean path, lies at or beneath.
func (s *Seals) within(p string) (id string, sealed bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for {
		if id, ok := s.ids[p]; ok {
			return id, true
		}
		if p == "." {
			return "", false
		}
		p = dir(p)
	}
}

// holds reports whether a sealed base lies beneath p, so that moving or
// removing p would take the layer along.
func (s *Seals) holds(p string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.above[p] > 0
}

func dir(p string) string {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return "."
	}
	return p[:i]
}
