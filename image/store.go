package image

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/image/internal/durable"
	"github.com/bulkhead/bulkhead/image/refs"
	"github.com/bulkhead/bulkhead/layer"
	"github.com/bulkhead/bulkhead/layer/abreast"
)

// Store is the images of one driver beneath one root. Methods may be called
// concurrently; that no other process writes meanwhile is the caller's to
// see to (layer/rootlock).
type Store struct {
	opts Options
	db   imagedb
	refs *refs.Store
	// namesErr is why refs is empty, with Options.Damaged.
	namesErr error

	mu     sync.RWMutex
	images map[ID]*entry
}

// entry is one image as it was found or made. Exactly one of image and err
// is set.
type entry struct {
	image    *Image
	err      error
	retained layer.Layer // the top layer; of a damaged image what is left of its chain; or nil
	children map[ID]struct{}
}

// Open loads all images and takes a reference on the layers of each. One
// that is damaged, or that lacks layers, keeps its ID and is an error in
// every answer about it, without hindering the others. References live in
// memory, so there is nothing to close.
//
// A root without images is created when opened to write, and is an empty
// store when opened to read. Layers that an earlier process left without an
// image are removed when opened to write (layer.Store.Settle). A name whose
// image has no configuration stands for a damaged image. A damaged
// repositories.json is an error that wraps refs.ErrCorrupt.
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts, err := opts.fill()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(opts.Root, "image", opts.DriverName)
	s := &Store{opts: opts, db: imagedb{dir: filepath.Join(dir, "imagedb")}, images: map[ID]*entry{}}
	if !opts.ReadOnly {
		if err := errors.Join(s.db.create(), durable.Sweep(dir), s.sweepContainers()); err != nil {
			return nil, fmt.Errorf("image store: %w", err)
		}
	}
	path := filepath.Join(dir, "repositories.json")
	s.refs, err = refs.Open(path, opts.ReadOnly)
	if err != nil && opts.Damaged {
		s.refs, s.namesErr, err = refs.None(path), err, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	if opts.ReadOnly || opts.Damaged {
		return s, nil
	}
	return s, opts.Layers.Settle(ctx)
}

// load fills images from the directory.
func (s *Store) load(ctx context.Context) error {
	ids, err := s.db.ids()
	if err != nil {
		return fmt.Errorf("image store: %w", err)
	}
	entries := make([]*entry, len(ids))
	err = abreast.Do(ctx, len(ids), func(_ context.Context, i int) error {
		if !s.opts.ReadOnly {
			if err := durable.Sweep(s.db.metadataDir(ids[i])); err != nil {
				return fmt.Errorf("image store: %w", err)
			}
		}
		entries[i] = s.loadOne(ids[i])
		return nil
	})
	if err != nil {
		return err
	}
	for i, id := range ids {
		e := entries[i]
		s.images[id] = e
		if e.err != nil {
			s.opts.Log.Info("image cannot be used", zap.String("image", id.String()), zap.Error(e.err))
		}
	}
	lost := s.refs.Others(func(dgst digest.Digest) bool { return s.images[ID(dgst)] != nil || validSHA256(dgst) != nil })
	for _, dgst := range lost {
		s.images[ID(dgst)] = &entry{err: &CorruptError{ID: ID(dgst), Cause: errNoConfig}, children: map[ID]struct{}{}}
	}
	for id, e := range s.images {
		var parent ID
		if e.image != nil {
			parent = e.image.Parent
		} else {
			parent = s.db.parent(id)
		}
		if p := s.images[parent]; p != nil {
			p.children[id] = struct{}{}
		}
	}
	return nil
}

func (s *Store) loadOne(id ID) *entry {
	e := &entry{children: map[ID]struct{}{}}
	raw, err := s.db.read(id)
	if err != nil {
		e.err = err
		return e
	}
	config, err := ParseConfig(raw)
	if err != nil {
		e.err = &CorruptError{ID: id, Cause: err}
		return e
	}
	e.retained, err = s.retain(config)
	if err != nil {
		e.err = &CorruptError{ID: id, Cause: err}
		return e
	}
	e.image = &Image{ID: id, Parent: s.db.parent(id), Raw: raw, Config: *config}
	return e
}

// retain takes a reference on the image's top layer, nil if it has none. If
// it is not there, the reference is on the highest layer that is, so that no
// removal takes more of the image away, and the error names what is missing.
func (s *Store) retain(c *Config) (layer.Layer, error) {
	chain := c.Chain()
	for i := s.opts.Layers.Link(c.DiffIDs(), chain) - 1; i >= 0; i-- {
		l, err := s.opts.Layers.Get(chain[i])
		if err == nil && i == len(chain)-1 {
			return l, nil
		}
		if err == nil {
			return l, fmt.Errorf("layer %d of %d (%s): %w", i+2, len(chain), c.RootFS.DiffIDs[i+1], layer.ErrNotFound)
		}
		if !errors.Is(err, layer.ErrNotFound) {
			return nil, err
		}
	}
	if len(chain) > 0 {
		return nil, fmt.Errorf("layer 1 of %d (%s): %w", len(chain), c.RootFS.DiffIDs[0], layer.ErrNotFound)
	}
	return nil, nil
}

// Refs are the names of the images. Changes are made through the Store's
// methods.
func (s *Store) Refs() *refs.Store { return s.refs }

// Get returns an image. Errors: ErrNotFound, or a *CorruptError.
func (s *Store) Get(id ID) (*Image, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.get(id)
}

func (s *Store) get(id ID) (*Image, error) {
	e := s.images[id]
	if e == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	return e.image, e.err
}

// Map returns all images that can be used.
func (s *Store) Map() map[ID]*Image { return s.collect(func(*entry) bool { return true }) }

// Heads returns all images that can be used and have no children.
func (s *Store) Heads() map[ID]*Image {
	return s.collect(func(e *entry) bool { return len(e.children) == 0 })
}

func (s *Store) collect(want func(*entry) bool) map[ID]*Image {
	s.mu.RLock()
	defer s.mu.RUnlock()
	m := make(map[ID]*Image, len(s.images))
	for id, e := range s.images {
		if e.image != nil && want(e) {
			m[id] = e.image
		}
	}
	return m
}

// Broken returns why each of the other images cannot be used.
func (s *Store) Broken() map[ID]error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	m := map[ID]error{}
	for id, e := range s.images {
		if e.err != nil {
			m[id] = e.err
		}
	}
	return m
}

// Children are the images that were built from this one.
func (s *Store) Children(id ID) []ID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.images[id]
	if e == nil {
		return nil
	}
	ids := make([]ID, 0, len(e.children))
	for child := range maps.Keys(e.children) {
		ids = append(ids, child)
	}
	return ids
}

// Layer is the top layer of an image, nil if it has none. It carries no
// reference of its own.
func (s *Store) Layer(id ID) (layer.Layer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, err := s.get(id); err != nil {
		return nil, err
	}
	return s.images[id].retained, nil
}

// IDs lists all images, damaged ones too, sorted.
func (s *Store) IDs() []ID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.images))
}
