package image

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bulkhead/bulkhead/layer"
)

// Create stores an image with this configuration, byte for byte, and returns
// its ID. Its layers have to be there: a missing one is layer.ErrNotFound. A
// configuration that dockerd would not take is ErrInvalidConfig. An image
// that exists already is left as it is; one that is damaged is made whole.
// When Create returns, the image is durable.
func (s *Store) Create(ctx context.Context, rawConfig []byte) (ID, error) {
	if s.opts.ReadOnly {
		return "", ErrReadOnly
	}
	config, err := ParseConfig(rawConfig)
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	id := IDOf(rawConfig)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.images[id]
	if old != nil && old.image != nil {
		return id, nil
	}
	top, err := s.retain(config)
	if err != nil {
		return "", errors.Join(err, s.release(ctx, top))
	}
	if err := s.db.write(id, rawConfig); err != nil {
		return "", errors.Join(fmt.Errorf("store image configuration: %w", err), s.release(ctx, top))
	}
	s.opts.Step("image: config written")
	e := &entry{retained: top, children: map[ID]struct{}{}}
	e.image = &Image{ID: id, Parent: s.db.parent(id), Raw: append([]byte(nil), rawConfig...), Config: *config}
	s.images[id] = e
	if old != nil {
		e.children = old.children
		return id, s.release(ctx, old.retained)
	}
	return id, nil
}

// release gives a reference back where there is one.
func (s *Store) release(ctx context.Context, l layer.Layer) error {
	if l == nil {
		return nil
	}
	_, err := s.opts.Layers.Release(ctx, l)
	return err
}

// SetParent notes which image this one was built from. Both have to exist.
func (s *Store) SetParent(ctx context.Context, id, parent ID) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	img, err := s.get(id)
	if err != nil {
		return err
	}
	p := s.images[parent]
	if p == nil {
		return fmt.Errorf("parent: %w: %s", ErrNotFound, parent)
	}
	if s.descends(parent, id) {
		return fmt.Errorf("%w: image %s cannot be its own ancestor", ErrConflict, id.Short())
	}
	if err := s.db.setNote(id, keyParent, parent.String()); err != nil {
		return fmt.Errorf("note the parent of image %s: %w", id.Short(), err)
	}
	s.opts.Step("image: parent written")
	if before := s.images[img.Parent]; before != nil {
		delete(before.children, id)
	}
	p.children[id] = struct{}{}
	changed := *img
	changed.Parent = parent
	s.images[id].image = &changed
	return nil
}

// descends reports whether id is ancestor, or was built on it.
func (s *Store) descends(id, ancestor ID) bool {
	for range len(s.images) + 1 {
		if id == ancestor {
			return true
		}
		e := s.images[id]
		if e == nil || e.image == nil {
			return false
		}
		id = e.image.Parent
	}
	return true // what is stored goes round in a circle
}

// Delete removes an image and releases its layers; it returns those that are
// gone. Names of the image stay, so that they are to be removed before. An
// unknown image is ErrNotFound. A crash leaves the image whole or gone; its
// layers go when the store is next opened to write.
func (s *Store) Delete(ctx context.Context, id ID) ([]layer.Removed, error) {
	if s.opts.ReadOnly {
		return nil, ErrReadOnly
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.images[id]
	if e == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	for child := range e.children {
		if err := s.db.dropNote(child, keyParent); err != nil {
			return nil, fmt.Errorf("image %s: forget its parent: %w", child.Short(), err)
		}
		if c := s.images[child]; c != nil && c.image != nil {
			orphan := *c.image
			orphan.Parent = ""
			c.image = &orphan
		}
		delete(e.children, child)
	}
	s.opts.Step("image: children unlinked")
	parent := s.images[s.db.parent(id)]
	if err := s.db.dropNotes(id); err != nil {
		return nil, fmt.Errorf("remove what was noted of image %s: %w", id.Short(), err)
	}
	s.opts.Step("image: metadata removed")
	end, err := s.opts.Layers.Doubt(e.retained)
	if err != nil {
		return nil, fmt.Errorf("remove image %s: %w", id.Short(), err)
	}
	if err := s.db.drop(id); err != nil {
		return nil, fmt.Errorf("remove image %s: %w", id.Short(), err)
	}
	s.opts.Step("image: config removed")
	if parent != nil {
		delete(parent.children, id)
	}
	delete(s.images, id)
	if e.retained == nil {
		return nil, nil
	}
	removed, err := s.opts.Layers.Release(ctx, e.retained)
	if err == nil {
		err = end() // else what could not be removed is tried again
	}
	return removed, err
}

// LastTagged is when an image was last tagged, the zero time if that is not
// known.
func (s *Store) LastTagged(id ID) time.Time { return s.db.lastUpdated(id) }

// SetLastTagged notes when an image was last tagged, in another store.
func (s *Store) SetLastTagged(id ID, at time.Time) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.get(id); err != nil {
		return err
	}
	return s.db.setNote(id, keyLastUpdated, at.Format(time.RFC3339Nano))
}

// TakeBack undoes Create where what was to follow has failed: the image goes,
// and names that it was given before. Where those stay, so does the image: a
// name without its image would be damage.
func (s *Store) TakeBack(ctx context.Context, id ID) error {
	ctx = context.WithoutCancel(ctx)
	if names := s.References(id); len(names) > 0 {
		if err := s.Untag(ctx, names...); err != nil {
			return err
		}
	}
	_, err := s.Delete(ctx, id)
	return err
}

// touch notes that the image was tagged now, as dockerd does.
func (s *Store) touch(id ID) error {
	return s.db.setNote(id, keyLastUpdated, s.opts.Now().Format(time.RFC3339Nano))
}
