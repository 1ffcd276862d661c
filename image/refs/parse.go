package refs

import (
	"fmt"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/internal/brief"
)

// Parse reads a name as a person writes it ("debian", "ghcr.io/a/b:1",
// "debian@sha256:…"). Every error wraps ErrInvalid.
func Parse(s string) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return nil, fmt.Errorf("%w %.100q: %w", ErrInvalid, s, brief.Error(err))
	}
	return named, nil
}

// ParseTag reads a name that is to be given to an image: it gets the tag
// "latest" if it has none, and may have no digest.
func ParseTag(s string) (reference.NamedTagged, error) {
	named, err := Parse(s)
	if err != nil {
		return nil, err
	}
	if _, ok := named.(reference.Canonical); ok {
		return nil, fmt.Errorf("%w %.100q: a tag cannot be made from a digest", ErrInvalid, s)
	}
	tagged, ok := reference.TagNameOnly(named).(reference.NamedTagged)
	if !ok {
		return nil, fmt.Errorf("%w %.100q: no tag", ErrInvalid, s)
	}
	if err := usable(tagged); err != nil {
		return nil, err
	}
	return tagged, nil
}

// usable refuses the one name that could be taken for an image's ID.
func usable(ref reference.Named) error {
	if reference.FamiliarName(ref) == string(digest.Canonical) {
		return fmt.Errorf("%w %.100q: the name of a digest algorithm cannot name an image", ErrInvalid, ref)
	}
	return nil
}

// Stored is the form in which a reference is kept: with a digest it has no
// tag, without one it always has.
func Stored(ref reference.Named) (reference.Named, error) {
	canonical, ok := ref.(reference.Canonical)
	if !ok {
		return reference.TagNameOnly(ref), nil
	}
	if _, tagged := ref.(reference.Tagged); !tagged {
		return ref, nil
	}
	return reference.WithDigest(reference.TrimNamed(ref), canonical.Digest())
}
