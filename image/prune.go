package image

import (
	"cmp"
	"context"
	"slices"

	"github.com/bulkhead/bulkhead/image/filter"
	"github.com/bulkhead/bulkhead/layer"
)

// PruneOptions say which images go.
type PruneOptions struct {
	// All takes also named images, if no container was made of them. Else
	// only those go that have no name and no image built on them.
	All bool
	// Filters are conditions that images have to pass, those of List.
	Filters filter.Filters
}

// Pruned is what Prune did.
type Pruned struct {
	Removed []Removal
	// Reclaimed is the size of the layers that went, in bytes.
	Reclaimed int64
}

// Prune removes images that nothing uses, as `docker image prune` does: never
// one that a container was made of, nor one that another that stays was built
// on. Damaged images stay: what they were cannot be told. What was done is
// returned also with an error. (moby daemon/images/image_prune.go.)
func (s *Store) Prune(ctx context.Context, opts PruneOptions) (Pruned, error) {
	var done Pruned
	if s.opts.ReadOnly {
		return done, ErrReadOnly
	}
	list, err := s.List(ctx, ListOptions{All: true, Filters: opts.Filters, Usage: true})
	if err != nil {
		return done, err
	}
	before := s.layerSizes()
	// Children first: what was built on an image may go with it.
	slices.SortFunc(list, func(a, b Summary) int { return cmp.Compare(s.depth(b.ID), s.depth(a.ID)) })
	for _, img := range list {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		if img.Err != nil || img.Containers > 0 || len(s.Children(img.ID)) > 0 {
			continue
		}
		if named := len(img.RepoTags)+len(img.RepoDigests) > 0; named && !opts.All {
			continue
		}
		if _, err := s.Get(img.ID); err != nil {
			continue // went with one that was built on it
		}
		removed, err := s.Remove(ctx, img.ID.String(), RemoveOptions{Force: true, NoPrune: true})
		done.Removed = append(done.Removed, removed...)
		if err != nil {
			return done, err
		}
	}
	after := s.layerSizes()
	for chain, size := range before {
		if _, stays := after[chain]; !stays {
			done.Reclaimed += size
		}
	}
	return done, nil
}

// depth is how many images an image was built on.
func (s *Store) depth(id ID) (n int) {
	seen := map[ID]bool{}
	for img, err := s.Get(id); err == nil && img.Parent != "" && !seen[img.ID]; img, err = s.Get(img.Parent) {
		seen[img.ID] = true
		n++
	}
	return n
}

func (s *Store) layerSizes() map[layer.ChainID]int64 {
	sizes := map[layer.ChainID]int64{}
	for chain, l := range s.opts.Layers.Map() {
		sizes[chain] = l.DiffSize()
	}
	return sizes
}
