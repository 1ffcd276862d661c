package refs

import (
	"fmt"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// Edit is a set of changes under way. It is valid within Store.Update only.
type Edit struct {
	repos   repositories
	changed bool
}

// Set makes ref name the image and returns the image that it named before,
// "" for none. A name taken by another image is ErrConflict without force; a
// digest that is taken is ErrConflict always.
func (e *Edit) Set(ref reference.Named, id digest.Digest, force bool) (previous digest.Digest, err error) {
	ref, err = Stored(ref)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := usable(ref); err != nil {
		return "", err
	}
	previous, taken := e.repos.get(ref)
	if taken && previous == id {
		return previous, nil
	}
	if taken {
		if _, ok := ref.(reference.Canonical); ok {
			return previous, fmt.Errorf("%w: %s is the digest of image %s", ErrConflict, reference.FamiliarString(ref), previous)
		}
		if !force {
			return previous, fmt.Errorf("%w: %s names image %s", ErrConflict, reference.FamiliarString(ref), previous)
		}
	}
	e.repos.set(ref, id)
	e.changed = true
	return previous, nil
}

// Delete takes ref from the image it names. Unknown ones are ErrNotFound.
func (e *Edit) Delete(ref reference.Named) error {
	ref, err := Stored(ref)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !e.repos.remove(ref) {
		return fmt.Errorf("%s: %w", reference.FamiliarString(ref), ErrNotFound)
	}
	e.changed = true
	return nil
}
