package image

import (
	"context"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/layer"
)

// DiskUsage is what layers take up, each counted once: Shared, the Unique of
// all Images, and Unused come to Layers.
type DiskUsage struct {
	Images []ImageUsage
	// Shared is of layers that several images have.
	Shared int64
	// Unused is of layers that no image has, UnusedCount how many these are.
	Unused      int64
	UnusedCount int
	// Layers is of all, and Count how many there are.
	Layers int64
	Count  int
	// Reclaimable is what would go with all images that no container was made
	// of, and Active how many others there are.
	Reclaimable int64
	Active      int
}

// ImageUsage is what one image has of it.
type ImageUsage struct {
	ID         ID
	Names      []string
	Size       int64 // of all its layers
	Shared     int64 // of those that others have as well
	Unique     int64 // of the others
	Containers int
}

// DiskUsage counts what images take up, from what is noted of their layers.
// Damaged images count for what they still hold.
func (s *Store) DiskUsage(ctx context.Context) (DiskUsage, error) {
	list, err := s.List(ctx, ListOptions{All: true, Usage: true})
	if err != nil {
		return DiskUsage{}, err
	}
	users := map[layer.ChainID]int{}
	kept := map[layer.ChainID]bool{} // by an image that a container was made of
	chains := make([][]layer.Layer, len(list))
	for i, img := range list {
		chains[i] = s.heldBy(img.ID)
		for _, l := range chains[i] {
			users[l.ChainID()]++
			kept[l.ChainID()] = kept[l.ChainID()] || img.Containers > 0
		}
	}
	var u DiskUsage
	for chain, l := range s.opts.Layers.Map() {
		size := l.DiffSize()
		u.Layers += size
		u.Count++
		switch {
		case users[chain] > 1:
			u.Shared += size
		case users[chain] == 0:
			u.Unused += size
			u.UnusedCount++
		}
		if users[chain] > 0 && !kept[chain] {
			u.Reclaimable += size
		}
	}
	for i, img := range list {
		one := ImageUsage{ID: img.ID, Names: slices.Concat(img.RepoTags, img.RepoDigests), Containers: max(img.Containers, 0)}
		for _, l := range chains[i] {
			one.Size += l.DiffSize()
			if users[l.ChainID()] > 1 {
				one.Shared += l.DiffSize()
			} else {
				one.Unique += l.DiffSize()
			}
		}
		if one.Containers > 0 {
			u.Active++
		}
		u.Images = append(u.Images, one)
	}
	slices.SortStableFunc(u.Images, func(a, b ImageUsage) int {
		if a.Unique != b.Unique {
			return int(max(min(b.Unique-a.Unique, 1), -1))
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return u, nil
}

// heldBy are the layers that an image holds.
func (s *Store) heldBy(id ID) (out []layer.Layer) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.images[id]
	if e == nil {
		return nil
	}
	for l := e.retained; l != nil; l = l.Parent() {
		out = append(out, l)
	}
	return out
}
