package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/refs"
)

// Raw is the configuration of an image, also of one whose layers are not all
// there.
func (s *Store) Raw(id ID) ([]byte, error) { return s.db.read(id) }

// MendConfig stores an image's configuration, in the place of whatever is
// there. The store has to be opened again to know of it.
func (s *Store) MendConfig(ctx context.Context, raw []byte, keep func(path string, data []byte) error) (ID, error) {
	if s.opts.ReadOnly {
		return "", ErrReadOnly
	}
	if _, err := ParseConfig(raw); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	id := IDOf(raw)
	return id, keep(s.db.content(id), raw)
}

// MendNames writes the file of names without the entries that lead nowhere, or,
// where it cannot be read, with the names given that lead to an image here. It
// tells which it left out or gave.
func (s *Store) MendNames(ctx context.Context, names []Name, keep func(path string, data []byte) error) (done []string, err error) {
	if s.opts.ReadOnly {
		return nil, ErrReadOnly
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	there := func(id digest.Digest) bool {
		_, err := s.Get(ID(id))
		return !errors.Is(err, ErrNotFound) && !errors.Is(err, errNoConfig)
	}
	var data []byte
	if s.namesErr == nil {
		data, done, err = s.refs.Without(func(_ string, id digest.Digest) bool { return !there(id) })
	} else {
		list := make([]refs.Association, 0, len(names))
		for _, n := range names {
			if there(n.ID.Digest()) {
				list = append(list, refs.Association{Ref: n.Ref, ID: n.ID.Digest()})
			}
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("the names are not known: %w", s.namesErr)
		}
		data, done, err = refs.FileOf(list)
	}
	if err != nil || data == nil {
		return nil, err
	}
	return done, keep(s.refs.Path(), data)
}
