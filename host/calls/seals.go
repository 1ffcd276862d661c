package calls

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// Seals knows the bases of committed layers: nothing at or beneath one may
// change but by the removal of that layer. It is safe for concurrent use.
//
// A path is looked up and then written to, which a seal set in between must
// not divide. Short work on one file runs within short, and Add waits for it.
// Work that takes long (a tree, an archive) claims the path it writes beneath:
// Add waits for the claims that touch its base, and no name above a claim can
// be moved meanwhile.
type Seals struct {
	short sync.RWMutex // read by whoever writes, held by Add

	mu      sync.Mutex
	owners  map[string][]string // base to the layers sealed there
	above   map[string]int      // how many bases lie beneath a path
	claims  map[*claim]struct{}
	changed chan struct{} // closed and replaced when a claim ends
	version uint64        // counts Adds
}

// claim is one piece of long work.
type claim struct {
	call *Call
	path string
}

// NewSeals returns an empty set.
func NewSeals() *Seals {
	return &Seals{
		owners: map[string][]string{}, above: map[string]int{},
		claims: map[*claim]struct{}{}, changed: make(chan struct{}),
	}
}

// Add seals the base of a layer, and returns when no write that began before
// can reach it any more. Doing it twice is no error.
func (s *Seals) Add(ctx context.Context, base, id string) error {
	s.short.Lock()
	s.add(base, id)
	s.short.Unlock()
	for {
		s.mu.Lock()
		busy, wait := s.claimed(base, nil), s.changed
		s.mu.Unlock()
		if !busy {
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *Seals) add(base, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.owners[base], id) {
		return
	}
	s.version++
	s.owners[base] = append(s.owners[base], id)
	if len(s.owners[base]) > 1 {
		return
	}
	for up := base; up != "."; {
		up = dir(up)
		s.above[up]++
	}
}

// Remove takes the seals of a layer away.
func (s *Seals) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for base, owners := range s.owners {
		i := slices.Index(owners, id)
		if i < 0 {
			continue
		}
		if s.owners[base] = slices.Delete(owners, i, i+1); len(s.owners[base]) > 0 {
			continue
		}
		delete(s.owners, base)
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
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, owners := range s.owners {
		if slices.Contains(owners, id) {
			return true
		}
	}
	return false
}

// Foreign names a layer other than id whose seal p lies at, beneath or above:
// p cannot be where id's files lie.
func (s *Seals) Foreign(p, id string) (other string, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.owners[p], id) {
		return "", false
	}
	if other, found = s.within(p, ""); found {
		return other, true
	}
	if s.above[p] == 0 {
		return "", false
	}
	for base, owners := range s.owners {
		if inside(base, p) && !slices.Contains(owners, id) {
			return owners[0], true
		}
	}
	return "", false
}

// Within names a sealed layer that p, a clean path, lies at or beneath, other
// than one that only except, the layer being removed, has a part in.
func (s *Seals) Within(p, except string) (id string, sealed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.within(p, except)
}

func (s *Seals) within(p, except string) (id string, sealed bool) {
	for {
		for _, id := range s.owners[p] {
			if id != except {
				return id, true
			}
		}
		if p == "." {
			return "", false
		}
		p = dir(p)
	}
}

// holds reports whether a sealed base lies beneath p, so that moving or
// removing p would take the layer along, other than one that only except, the
// layer being removed, has a part in.
func (s *Seals) holds(p, except string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if except == "" || s.above[p] == 0 {
		return s.above[p] > 0
	}
	for base, owners := range s.owners {
		if base != p && inside(base, p) && slices.ContainsFunc(owners, func(id string) bool { return id != except }) {
			return true
		}
	}
	return false
}

// Version changes with each new seal.
func (s *Seals) Version() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// claim says that c writes beneath p until release. It is called within
// short, after p was found to be free of seals.
func (s *Seals) claim(c *Call, p string) (release func()) {
	own := &claim{call: c, path: p}
	s.mu.Lock()
	s.claims[own] = struct{}{}
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.claims, own)
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// moving reports whether another call writes at, above or beneath p, so that
// its name must stay.
func (s *Seals) moving(c *Call, p string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claimed(p, c)
}

// claimed reports whether a claim touches p; c's own do not count.
func (s *Seals) claimed(p string, c *Call) bool {
	for k := range s.claims {
		if (c == nil || k.call != c) && (inside(k.path, p) || inside(p, k.path)) {
			return true
		}
	}
	return false
}

// inside reports whether p lies at or beneath tree.
func inside(p, tree string) bool {
	return tree == "." || p == tree || len(p) > len(tree) && p[:len(tree)] == tree && p[len(tree)] == '/'
}

func dir(p string) string {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return "."
	}
	return p[:i]
}
