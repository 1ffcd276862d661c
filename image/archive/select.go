package archive

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/refs"
)

// selected is one image to be saved, with the names it is to have.
type selected struct {
	img   *image.Image
	names []reference.NamedTagged
}

// pick finds the images that a person names, as `docker save` does: a
// reference saves the image under that name, a repository alone all its
// tags, an ID the image without a name. The order is that of the images'
// IDs, so that it does not depend on the order of the names.
func pick(images *image.Store, names []string) ([]*selected, error) {
	if len(names) == 0 {
		return nil, ErrNothing
	}
	p := picker{images: images, byID: map[image.ID]*selected{}}
	for _, name := range names {
		if err := p.add(name); err != nil {
			return nil, err
		}
	}
	for _, s := range p.list {
		slices.SortFunc(s.names, func(a, b reference.NamedTagged) int { return cmp.Compare(a.String(), b.String()) })
		s.names = slices.CompactFunc(s.names, func(a, b reference.NamedTagged) bool { return a.String() == b.String() })
	}
	slices.SortFunc(p.list, func(a, b *selected) int { return cmp.Compare(a.img.ID, b.img.ID) })
	return p.list, nil
}

type picker struct {
	images *image.Store
	byID   map[image.ID]*selected
	list   []*selected
}

func (p *picker) add(name string) error {
	named, err := refs.Parse(name)
	if err == nil && reference.IsNameOnly(named) {
		found := false
		for _, a := range p.images.Refs().ByName(named) {
			found = true
			if err := p.put(image.ID(a.ID), a.Ref); err != nil {
				return err
			}
		}
		if found {
			return nil
		}
	}
	id, err := p.images.Resolve(name)
	if err != nil {
		return err
	}
	if got, err := lookup(p.images, named); err != nil || got != id {
		return p.put(id, nil)
	}
	return p.put(id, named)
}

func lookup(images *image.Store, named reference.Named) (image.ID, error) {
	if named == nil {
		return "", refs.ErrNotFound
	}
	id, err := images.Refs().Get(named)
	return image.ID(id), err
}

// put adds an image; names that are digests are not saved.
func (p *picker) put(id image.ID, name reference.Named) error {
	s := p.byID[id]
	if s == nil {
		img, err := p.images.Get(id)
		if err != nil {
			return fmt.Errorf("save: %w", err)
		}
		s = &selected{img: img}
		p.byID[id] = s
		p.list = append(p.list, s)
	}
	if name == nil {
		return nil
	}
	if _, ok := name.(reference.Canonical); ok {
		return nil
	}
	if tag, ok := reference.TagNameOnly(name).(reference.NamedTagged); ok {
		s.names = append(s.names, tag)
	}
	return nil
}
