package image

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image/refs"
)

// RemoveOptions are those of `docker image rm`.
type RemoveOptions struct {
	// Force removes an image that several repositories name or a container
	// that is not running was made of. Never one that others were built on.
	Force bool
	// NoPrune keeps unnamed images that this one was built on.
	NoPrune bool
}

// Removal is one line of what was done; one of the fields is set.
type Removal struct {
	Untagged string `json:",omitempty"` // a familiar reference
	Deleted  string `json:",omitempty"` // the ID of an image, or the chain ID of a layer
}

func (r Removal) String() string {
	if r.Untagged != "" {
		return "Untagged: " + r.Untagged
	}
	return "Deleted: " + r.Deleted
}

// Remove does what `docker image rm` does with a name: a reference is taken
// away, and with the last one the image; an ID removes the image, if no more
// than one repository names it. Parents that have no name and no other
// children go with it. What was done is returned also with an error.
// Errors: ErrNotFound, ErrAmbiguous, ErrConflict.
// (moby daemon/images/image_delete.go.)
func (s *Store) Remove(ctx context.Context, name string, opts RemoveOptions) ([]Removal, error) {
	if s.opts.ReadOnly {
		return nil, ErrReadOnly
	}
	id, err := s.Resolve(name)
	if err != nil {
		return nil, err
	}
	r := &removal{store: s, users: s.containers()}
	names := s.References(id)
	if s.meantByID(id, name) {
		if one(names) {
			if err := r.refuse(id, opts.Force, false); err != nil {
				return r.lines, err
			}
			if err := r.untag(ctx, names...); err != nil {
				return r.lines, err
			}
		}
	} else {
		if err := r.untagByName(ctx, id, name, opts.Force); err != nil {
			return r.lines, err
		}
		if len(s.References(id)) > 0 {
			return r.lines, nil
		}
	}
	err = r.remove(ctx, id, opts.Force)
	if err == nil && !opts.NoPrune {
		err = r.pruneParents(ctx)
	}
	return r.lines, err
}

// meantByID tells whether name, which resolved to id, did so as an ID.
func (s *Store) meantByID(id ID, name string) bool {
	if named, err := refs.Parse(name); err == nil {
		if got, err := s.refs.Get(named); err == nil && ID(got) == id {
			return false
		}
	}
	return strings.HasPrefix(id.Hex(), strings.TrimPrefix(name, "sha256:"))
}

// one tells whether all names are of one repository, with one tag at most.
func one(names []reference.Named) bool {
	tags, repos := 0, map[string]struct{}{}
	for _, n := range names {
		repos[n.Name()] = struct{}{}
		if _, ok := n.(reference.Canonical); !ok {
			tags++
		}
	}
	return tags <= 1 && len(repos) <= 1
}

// removal is one Remove under way.
type removal struct {
	store  *Store
	users  map[ID][]string
	lines  []Removal
	parent ID // of the image removed last
}

// refuse tells why an image may not be removed. That it has names is a
// reason only if named is asked for.
func (r *removal) refuse(id ID, force, named bool) error {
	if n := len(r.store.Children(id)); n > 0 {
		return fmt.Errorf("%w: unable to delete %s (cannot be forced) - image has dependent child images", ErrConflict, id.Short())
	}
	if force {
		return nil
	}
	if users := r.users[id]; len(users) > 0 {
		return fmt.Errorf("%w: unable to delete %s (must be forced) - image is being used by container %.12s", ErrConflict, id.Short(), users[0])
	}
	if named && len(r.store.References(id)) > 0 {
		return fmt.Errorf("%w: unable to delete %s (must be forced) - image is referenced in multiple repositories", ErrConflict, id.Short())
	}
	return nil
}

func (r *removal) untag(ctx context.Context, names ...reference.Named) error {
	if len(names) == 0 {
		return nil
	}
	if err := r.store.Untag(ctx, names...); err != nil {
		return err
	}
	for _, n := range names {
		r.lines = append(r.lines, Removal{Untagged: reference.FamiliarString(n)})
	}
	return nil
}

// untagByName takes the name away and, when it was the repository's last tag
// on the image, the repository's digests too.
func (r *removal) untagByName(ctx context.Context, id ID, name string, force bool) error {
	names := r.store.References(id)
	if users := r.users[id]; len(names) == 1 && len(users) > 0 && !force {
		return fmt.Errorf("%w: unable to remove repository reference %q (must force) - container %.12s is using its referenced image %s",
			ErrConflict, name, users[0], id.Short())
	}
	named, err := refs.Parse(name)
	if err != nil {
		return err
	}
	gone, err := refs.Stored(named)
	if err != nil {
		return err
	}
	drop := []reference.Named{gone}
	if _, ok := gone.(reference.Canonical); !ok {
		drop = append(drop, leftDigests(names, gone)...)
	}
	return r.untag(ctx, drop...)
}

// leftDigests are the digests of gone's repository, if none of its tags is
// left without gone.
func leftDigests(names []reference.Named, gone reference.Named) []reference.Named {
	var digests []reference.Named
	for _, n := range names {
		if n.Name() != gone.Name() || n.String() == gone.String() {
			continue
		}
		if _, ok := n.(reference.Canonical); !ok {
			return nil
		}
		digests = append(digests, n)
	}
	return digests
}

// remove removes an image with all its names.
func (r *removal) remove(ctx context.Context, id ID, force bool) error {
	if err := r.refuse(id, force, true); err != nil {
		return err
	}
	if err := r.untag(ctx, r.store.References(id)...); err != nil {
		return err
	}
	r.parent = r.store.db.parent(id)
	layers, err := r.store.Delete(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return err
	}
	if _, gone := r.store.Get(id); errors.Is(gone, ErrNotFound) {
		r.lines = append(r.lines, Removal{Deleted: id.String()})
	}
	for _, l := range layers {
		r.lines = append(r.lines, Removal{Deleted: l.ChainID.String()})
	}
	return err
}

// pruneParents removes what only the removed image was built on.
func (r *removal) pruneParents(ctx context.Context) error {
	for r.parent != "" {
		id := r.parent
		_, err := r.store.Get(id)
		if errors.Is(err, ErrNotFound) || r.refuse(id, false, true) != nil {
			return nil
		}
		if err := r.remove(ctx, id, false); err != nil {
			return err
		}
	}
	return nil
}
