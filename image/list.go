package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image/refs"
)

// None is what Docker shows in place of a name, tag or digest.
const None = "<none>"

// ListOptions say what List returns. The zero value lists as `docker images`
// does: what is named, and what is unnamed and has no children.
type ListOptions struct {
	// All adds unnamed images that others were built on.
	All bool
	// References, if any, are patterns of which a name has to match one; an
	// image lists only the names that do. A pattern is a reference or the
	// beginning of one, whose parts may hold path.Match wildcards.
	References []string
}

// Summary is one line of a listing.
type Summary struct {
	ID     ID
	Parent ID
	// RepoTags and RepoDigests are familiar references, sorted. Both are
	// empty for a dangling image.
	RepoTags    []string
	RepoDigests []string
	Created     time.Time
	// Size counts all layers.
	Size   int64
	Labels map[string]string
	// Err tells what is wrong with a damaged image, of which nothing but
	// ID, RepoTags and RepoDigests is known.
	Err error
}

// List returns images, newest first, damaged ones last. A bad pattern is
// refs.ErrInvalid; a damaged image is a line, not an error.
func (s *Store) List(ctx context.Context, opts ListOptions) ([]Summary, error) {
	for _, p := range opts.References {
		if err := checkPattern(p); err != nil {
			return nil, err
		}
	}
	named := s.refs.ByID()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []Summary
	for id, e := range s.images {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		sum := summarize(id, e)
		sum.name(named[id.Digest()], opts.References)
		dangling := len(sum.RepoTags) == 0 && len(sum.RepoDigests) == 0
		if dangling && len(opts.References) > 0 {
			continue
		}
		if dangling && len(e.children) > 0 && !opts.All {
			continue
		}
		list = append(list, sum)
	}
	slices.SortFunc(list, func(a, b Summary) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

func summarize(id ID, e *entry) Summary {
	if e.err != nil {
		return Summary{ID: id, Err: e.err}
	}
	sum := Summary{
		ID:      id,
		Parent:  e.image.Parent,
		Created: e.image.CreatedTime(),
		Labels:  e.image.Labels(),
	}
	if e.retained != nil {
		sum.Size = e.retained.Size()
	}
	return sum
}

// name adds the names that match one of the patterns, or all without any.
func (sum *Summary) name(names []reference.Named, patterns []string) {
	for _, ref := range names {
		if len(patterns) > 0 && !matches(patterns, ref) {
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

func matches(patterns []string, ref reference.Named) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := reference.FamiliarMatch(p, ref)
		return ok && err == nil
	})
}

func checkPattern(p string) error {
	if p == "" {
		return fmt.Errorf("%w: empty pattern", refs.ErrInvalid)
	}
	probe, err := reference.WithName("docker.io/library/probe")
	if err == nil {
		_, err = reference.FamiliarMatch(p, probe)
	}
	if err != nil {
		return fmt.Errorf("%w: pattern %q: %w", refs.ErrInvalid, p, err)
	}
	return nil
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
