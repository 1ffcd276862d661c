package image

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image/refs"
)

// Tag gives an image a further name, "latest" if it has no tag, and takes
// it from the image that had it. It returns that image, or "". A name that
// no image can have is refs.ErrInvalid.
func (s *Store) Tag(ctx context.Context, id ID, name string) (previous ID, err error) {
	tag, err := refs.ParseTag(name)
	if err != nil {
		return "", err
	}
	moved, err := s.SetRefs(ctx, []Name{{Ref: tag, ID: id}})
	if err != nil {
		return "", err
	}
	if err := s.touch(id); err != nil {
		return "", fmt.Errorf("image %s: %w", id.Short(), err)
	}
	if len(moved) > 0 {
		previous = moved[0].ID
	}
	return previous, nil
}

// Name is a reference and the image it names.
type Name struct {
	Ref reference.Named
	ID  ID
}

// SetRefs gives names to images, all in one step, and returns the names that
// were taken from other images, each with the image that had it. Every image
// has to exist. A digest that names another image is refs.ErrConflict.
func (s *Store) SetRefs(ctx context.Context, names []Name) (moved []Name, err error) {
	if s.opts.ReadOnly {
		return nil, ErrReadOnly
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, n := range names {
		if _, err := s.Get(n.ID); errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	err = s.refs.Update(func(e *refs.Edit) error {
		for _, n := range names {
			previous, err := e.Set(n.Ref, n.ID.Digest(), true)
			if err != nil {
				return err
			}
			if previous != "" && ID(previous) != n.ID {
				moved = append(moved, Name{Ref: n.Ref, ID: ID(previous)})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.opts.Step("image: references written")
	return moved, nil
}

// Untag takes names from the images they name, all in one step. An unknown
// one is refs.ErrNotFound and nothing is changed.
func (s *Store) Untag(ctx context.Context, names ...reference.Named) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.refs.Update(func(e *refs.Edit) error {
		for _, n := range names {
			if err := e.Delete(n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.opts.Step("image: references removed")
	return nil
}

// References are the names of an image, sorted.
func (s *Store) References(id ID) []reference.Named { return s.refs.References(id.Digest()) }

// Resolve finds the image that a person means: a reference, an ID, or the
// beginning of an ID that no other image shares, with or without "sha256:".
// A reference wins over an ID that looks the same. Errors: ErrNotFound,
// ErrAmbiguous, ErrTooShort, refs.ErrInvalid.
func (s *Store) Resolve(name string) (ID, error) {
	if id, err := ParseID(name); err == nil {
		return s.known(id, name)
	}
	if id, err := ParseID("sha256:" + name); err == nil {
		return s.known(id, name)
	}
	named, err := refs.Parse(name)
	if err == nil {
		if id, err := s.refs.Get(named); err == nil {
			return s.known(ID(id), name)
		}
	}
	id, searchErr := s.Search(name)
	if (errors.Is(searchErr, ErrNotFound) || name == "") && err != nil {
		return "", err
	}
	return id, searchErr
}

func (s *Store) known(id ID, name string) (ID, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.images[id] == nil {
		return "", fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return id, nil
}

// Search finds the one image whose ID begins with prefix, which may have
// "sha256:" before it. Errors: ErrNotFound, ErrAmbiguous, ErrTooShort.
func (s *Store) Search(prefix string) (ID, error) {
	hex := strings.TrimPrefix(prefix, "sha256:")
	if hex == "" {
		return "", fmt.Errorf("%w: %q: write more of it", ErrTooShort, prefix)
	}
	var found []ID
	for _, id := range s.IDs() {
		if strings.HasPrefix(id.Hex(), hex) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%w: %s", ErrNotFound, prefix)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%w: %d images have one that begins with %s (%s, %s, …): write more of it",
		ErrAmbiguous, len(found), prefix, found[0].Short(), found[1].Short())
}
