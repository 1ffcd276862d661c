package v1

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/bulkhead/bulkhead/image"
)

// index knows the IDs of all images and finds one by the beginning of its ID.
type index struct {
	mu  sync.RWMutex
	ids map[string]struct{}
}

func newIndex(ids []string) *index {
	x := &index{ids: make(map[string]struct{}, len(ids))}
	for _, id := range ids {
		x.ids[id] = struct{}{}
	}
	return x
}

func (x *index) add(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ids[id] = struct{}{}
}

func (x *index) remove(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.ids, id)
}

func (x *index) has(id string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	_, ok := x.ids[id]
	return ok
}

// all lists the IDs, sorted.
func (x *index) all() []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Sorted(maps.Keys(x.ids))
}

// find returns the one ID that begins with name. Errors: *NotFoundError,
// image.ErrAmbiguous, image.ErrTooShort.
func (x *index) find(name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("%w: %q: write more of it", image.ErrTooShort, name)
	}
	if x.has(name) {
		return name, nil
	}
	var found []string
	for _, id := range x.all() {
		if strings.HasPrefix(id, name) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return "", &NotFoundError{Name: name}
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%w: %d images have one that begins with %s (%s, %s, …): write more of it",
		image.ErrAmbiguous, len(found), name, Short(found[0]), Short(found[1]))
}
