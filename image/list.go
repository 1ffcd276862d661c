package image

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image/filter"
)

// ListOptions say what List returns. The zero value lists as `docker images`
// does: what is named, and what is unnamed and has no children.
type ListOptions struct {
	// All adds unnamed images that others were built on.
	All bool
	// Filters are conditions that images have to pass.
	Filters filter.Filters
	// Usage asks for SharedSize and Containers.
	Usage bool
}

// Unknown stands for a size or number that was not asked for, or that a
// damaged image does not have.
const Unknown = -1

// Summary is one line of a listing.
type Summary struct {
	ID     ID
	Parent ID
	// RepoTags and RepoDigests are familiar references, sorted. Both are
	// empty for a dangling image. Where there is a condition on references
	// they hold only those that pass it.
	RepoTags    []string
	RepoDigests []string
	Created     time.Time
	// Size counts all layers.
	Size int64
	// SharedSize counts the layers that other images of the same listing
	// have as well, Unknown without ListOptions.Usage.
	SharedSize int64
	// Containers counts those that a Docker has made of the image, running
	// or not, Unknown without ListOptions.Usage.
	Containers int
	Labels     map[string]string
	// Err tells what is wrong with a damaged image, of which nothing but
	// ID, RepoTags and RepoDigests is known.
	Err error
}

// UniqueSize counts the layers that no other image of the listing has.
func (s Summary) UniqueSize() int64 {
	if s.Size == Unknown || s.SharedSize == Unknown {
		return Unknown
	}
	return s.Size - s.SharedSize
}

// List returns images, newest first, damaged ones last. An image that a
// condition names and that is not there is ErrNotFound. A damaged image is a
// line, not an error; it is left out where a condition asks for what it does
// not have any more. (moby daemon/images/images.go.)
func (s *Store) List(ctx context.Context, opts ListOptions) ([]Summary, error) {
	conditions, err := opts.Filters.Matcher(s.opts.Now(), s.createdOf)
	if err != nil || !conditions.Driver(s.opts.DriverName) {
		return nil, err
	}
	named := s.refs.ByID()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []Summary
	for id, e := range s.images {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !s.passes(conditions, e) {
			continue
		}
		sum := summarize(id, e)
		sum.name(named[id.Digest()], conditions)
		if sum.shown(opts, len(e.children) > 0) {
			list = append(list, sum)
		}
	}
	if opts.Usage {
		s.addUsage(list)
	}
	slices.SortFunc(list, func(a, b Summary) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// createdOf tells when an image was created that a condition names.
func (s *Store) createdOf(name string) (time.Time, error) {
	id, err := s.Resolve(name)
	if err != nil {
		return time.Time{}, err
	}
	img, err := s.Get(id)
	if err != nil {
		return time.Time{}, err
	}
	return img.CreatedTime(), nil
}

func (s *Store) passes(conditions *filter.Matcher, e *entry) bool {
	if !conditions.NeedsFacts() {
		return true
	}
	if e.err != nil {
		return false
	}
	facts := filter.Facts{Created: e.image.CreatedTime(), Labels: e.image.Labels(), Driver: s.opts.DriverName}
	if e.retained != nil {
		facts.Size = e.retained.Size()
	}
	for l := e.retained; l != nil; l = l.Parent() {
		facts.Layers = append(facts.Layers, l.DiffID().String(), l.ChainID().String())
	}
	return conditions.Image(facts)
}

func summarize(id ID, e *entry) Summary {
	sum := Summary{ID: id, SharedSize: Unknown, Containers: Unknown, Size: Unknown, Err: e.err}
	if e.err != nil {
		return sum
	}
	sum.Parent = e.image.Parent
	sum.Created = e.image.CreatedTime()
	sum.Labels = e.image.Labels()
	sum.Size = 0
	if e.retained != nil {
		sum.Size = e.retained.Size()
	}
	return sum
}

// name adds the names that pass.
func (sum *Summary) name(names []reference.Named, conditions *filter.Matcher) {
	for _, ref := range names {
		if !conditions.Name(ref) {
			continue
		}
		switch ref.(type) {
		case reference.Canonical:
			sum.RepoDigests = append(sum.RepoDigests, reference.FamiliarString(ref))
		case reference.NamedTagged:
			sum.RepoTags = append(sum.RepoTags, reference.FamiliarString(ref))
		}
	}
}

// shown tells whether an image is listed by what names it has left. One with
// digests alone is dangling to --filter dangling=true, and named to everything
// else.
func (sum *Summary) shown(opts ListOptions, hasChildren bool) bool {
	f := opts.Filters
	switch {
	case f.OnlyDangling() && hasChildren:
		return false
	case len(sum.RepoTags) > 0:
		return !f.OnlyDangling()
	case len(sum.RepoDigests) > 0:
		return true
	}
	return (opts.All || !hasChildren) && !f.OnlyNamed() && !f.Has(filter.Reference)
}

// Damage joins what is wrong with the images of a listing, nil if all are
// well.
func Damage(list []Summary) error {
	errs := make([]error, 0, len(list))
	for _, sum := range list {
		errs = append(errs, sum.Err)
	}
	return errors.Join(errs...)
}
