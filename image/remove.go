package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image/refs"
)

// RemoveOptions are those of `docker image rm`.
type RemoveOptions struct {
	// Force removes an image that several repositories name or that only
	// stopped containers were made of. Never one that others were built on,
	// nor one of a running container.
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
	if s.meantByID(id, name) {
		err = r.byID(ctx, id, opts)
	} else {
		err = r.byName(ctx, id, name, opts)
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

// single tells whether there is a name, and all are of one repository with
// one tag at most.
func single(names []reference.Named) bool {
	tags, repos := 0, map[string]struct{}{}
	for _, n := range names {
		repos[n.Name()] = struct{}{}
		if _, ok := n.(reference.Canonical); !ok {
			tags++
		}
	}
	return tags <= 1 && len(repos) == 1
}

// removal is one Remove under way.
type removal struct {
	store  *Store
	users  map[ID][]container
	lines  []Removal
	parent ID // of the image removed last
}

func (r *removal) byID(ctx context.Context, id ID, opts RemoveOptions) error {
	names := r.store.References(id)
	if err := r.refuse(ctx, id, opts.Force, !single(names)); err != nil {
		return err
	}
	return r.remove(ctx, id, opts)
}

// byName takes the name away. With the last one the image goes, unless
// something keeps it: then the name was all that could be removed.
func (r *removal) byName(ctx context.Context, id ID, name string, opts RemoveOptions) error {
	if err := r.untagByName(ctx, id, name, opts.Force); err != nil {
		return err
	}
	if len(r.store.References(id)) > 0 || r.refuse(ctx, id, opts.Force, true) != nil {
		return nil
	}
	return r.remove(ctx, id, opts)
}

// refuse tells why an image may not be removed. That it has names is a
// reason only if named is asked for.
func (r *removal) refuse(ctx context.Context, id ID, force, named bool) error {
	if n := len(r.store.Children(id)); n > 0 {
		return unable(id, false, "image has dependent child images")
	}
	users := r.users[id]
	if i := slices.IndexFunc(users, func(c container) bool { return c.running }); i >= 0 {
		return unable(id, false, fmt.Sprintf("image is being used by running container %s", users[i].short()))
	}
	if why, err := r.mounted(ctx, id); why != "" || err != nil {
		return cmp.Or(err, unable(id, false, "image is "+why))
	}
	switch {
	case force:
		return nil
	case named && len(r.store.References(id)) > 0:
		return unable(id, true, "image is referenced in multiple repositories")
	case len(users) > 0:
		return unable(id, true, fmt.Sprintf("image is being used by stopped container %s", users[0].short()))
	}
	return nil
}

// mounted tells where layers are mounted that would go with the image.
func (r *removal) mounted(ctx context.Context, id ID) (why string, err error) {
	r.store.mu.RLock()
	e := r.store.images[id]
	r.store.mu.RUnlock()
	if e == nil || e.retained == nil {
		return "", nil
	}
	at, err := r.store.opts.Layers.MountedAt(ctx, e.retained)
	if err != nil || len(at) == 0 {
		return "", err
	}
	return fmt.Sprintf("mounted on %s; unmount it first", at[0].Target), nil
}

// unable is a conflict in Docker's words.
func unable(id ID, forceable bool, why string) error {
	force := "cannot be forced"
	if forceable {
		force = "must be forced"
	}
	return fmt.Errorf("%w: unable to delete %s (%s) - %s", ErrConflict, id.Short(), force, why)
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
	if users := r.users[id]; single(names) && len(users) > 0 && !force {
		return fmt.Errorf("%w: unable to remove repository reference %q (must force) - container %s is using its referenced image %s",
			ErrConflict, name, users[0].short(), id.Short())
	}
	if single(names) {
		if why, err := r.mounted(ctx, id); why != "" || err != nil {
			return cmp.Or(err, fmt.Errorf("%w: unable to remove repository reference %q (cannot be forced) - its image %s is %s", ErrConflict, name, id.Short(), why))
		}
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

// remove removes an image with all its names, and then what only it was
// built on and nothing else keeps.
func (r *removal) remove(ctx context.Context, id ID, opts RemoveOptions) error {
	if err := r.removeOne(ctx, id); err != nil || opts.NoPrune {
		return err
	}
	for r.parent != "" {
		id := r.parent
		_, err := r.store.Get(id)
		if errors.Is(err, ErrNotFound) || r.refuse(ctx, id, false, true) != nil {
			return nil
		}
		if err := r.removeOne(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (r *removal) removeOne(ctx context.Context, id ID) error {
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
