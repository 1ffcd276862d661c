package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/convert"
	"github.com/bulkhead/bulkhead/image/refs"
	v1 "github.com/bulkhead/bulkhead/image/v1"
)

// names gives the images the names that they had. A name that is another
// image's by now stays that one's.
func (m *migration) names(ctx context.Context) error {
	repositories, err := m.from.Repositories()
	if errors.Is(err, image.ErrCorrupt) {
		m.leave("names", "of its images", err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, repository := range slices.Sorted(maps.Keys(repositories)) {
		tags := repositories[repository]
		for _, tag := range slices.Sorted(maps.Keys(tags)) {
			ref, err := named(repository, tag)
			shown := fmt.Sprintf("%.100q", repository+":"+tag)
			if err == nil {
				shown = reference.FamiliarString(ref)
				err = m.name(ctx, ref, tags[tag])
			}
			var ends *ending
			if errors.As(err, &ends) {
				return ends.error
			}
			if err != nil {
				m.leave("name", shown, err)
			}
		}
	}
	return nil
}

// named is the name that a repository's tag, or digest, stands for.
func named(repository, tag string) (reference.Named, error) {
	ref, err := refs.Parse(repository)
	if err != nil {
		return nil, err
	}
	if !reference.IsNameOnly(ref) {
		return nil, fmt.Errorf("%w %.100q: a repository's name has no tag or digest", refs.ErrInvalid, repository)
	}
	d, err := digest.Parse(tag)
	if err == nil {
		return reference.WithDigest(ref, d)
	}
	tagged, err := reference.WithTag(ref, tag)
	if err != nil {
		return nil, fmt.Errorf("%w: tag %.100q: %w", refs.ErrInvalid, tag, err)
	}
	return tagged, nil
}

// ending is an error that ends the migration.
type ending struct{ error }

func (m *migration) name(ctx context.Context, ref reference.Named, from string) error {
	id, ok := m.ids[from]
	if !ok {
		if v1.ValidateID(from) != nil {
			return fmt.Errorf("%w: %.100q", v1.ErrInvalidID, from)
		}
		return fmt.Errorf("image %s did not come over", v1.Short(from))
	}
	has, err := m.to.Images.Refs().Get(ref)
	switch {
	case err == nil && image.ID(has) == id:
		return nil
	case err == nil:
		return convert.ErrNameTaken
	}
	switch _, err = m.to.Images.SetRefs(ctx, []image.Name{{Ref: ref, ID: id}}); {
	case errors.Is(err, refs.ErrInvalid), errors.Is(err, refs.ErrConflict):
		return err
	case err != nil:
		return &ending{err}
	}
	m.done.Names++
	return nil
}

// containers says which containers there are, since they stay.
func (m *migration) containers() error {
	all, err := m.from.Containers()
	for _, c := range all {
		shown := v1.Short(c.ID)
		if c.Name != "" {
			shown += fmt.Sprintf(" (%.100q)", c.Name)
		}
		m.leave("container", shown, ErrContainer)
	}
	return err
}
