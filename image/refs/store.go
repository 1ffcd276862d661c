package refs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// Store is the content of one repositories.json. Methods may be called
// concurrently; that no other process writes the file is the caller's to see
// to.
type Store struct {
	path     string
	readOnly bool

	mu    sync.RWMutex
	repos repositories
}

// Association is a name and the image it names.
type Association struct {
	Ref reference.Named
	ID  digest.Digest
}

// Open reads the file. One that does not exist is an empty one; a damaged
// one is ErrCorrupt, and is never written over.
func Open(path string, readOnly bool) (*Store, error) {
	s := &Store{path: path, readOnly: readOnly, repos: repositories{}}
	// Somebody may have put something else in its place, which is not followed
	// nor waited for.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%w: is a symbolic link", ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: is not a regular file", ErrCorrupt)
	}
	if s.repos, err = decode(f); err != nil {
		return nil, err
	}
	return s, nil
}

// None is an empty store in place of a file that cannot be read; it cannot be
// changed.
func None(path string) *Store { return &Store{path: path, readOnly: true, repos: repositories{}} }

// Path is the file's.
func (s *Store) Path() string { return s.path }

// Strange are the entries of the file that are no names, or name no image,
// sorted. They are kept in it, as dockerd keeps them.
func (s *Store) Strange() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.strange()
}

// strange is Strange with the lock held.
func (s *Store) strange() (out []string) {
	for _, repo := range s.repos {
		for name, id := range repo {
			if _, err := reference.ParseNormalizedNamed(name); err != nil || id.Validate() != nil {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Get returns the image that ref names. A tag beside a digest is passed
// over, a name without either means "latest". Unknown ones are ErrNotFound.
func (s *Store) Get(ref reference.Named) (digest.Digest, error) {
	ref, err := Stored(ref)
	if err != nil {
		return "", err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	id, ok := s.repos.get(ref)
	if !ok {
		return "", ErrNotFound
	}
	return id, nil
}

// References are the names of an image, sorted.
func (s *Store) References(id digest.Digest) []reference.Named {
	var refs []reference.Named
	for _, a := range s.All() {
		if a.ID == id {
			refs = append(refs, a.Ref)
		}
	}
	return refs
}

// ByName are the associations of one repository, sorted by name.
func (s *Store) ByName(repo reference.Named) []Association {
	return slices.DeleteFunc(s.All(), func(a Association) bool { return a.Ref.Name() != repo.Name() })
}

// ByID maps every image to its names, each list sorted.
func (s *Store) ByID() map[digest.Digest][]reference.Named {
	m := map[digest.Digest][]reference.Named{}
	for _, a := range s.All() {
		m[a.ID] = append(m[a.ID], a.Ref)
	}
	return m
}

// Others are the images that have a name and are not known. Of what is known no
// name is looked at: there may be thousands.
func (s *Store) Others(known func(id digest.Digest) bool) (out []digest.Digest) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, repo := range s.repos {
		for name, id := range repo {
			if known(id) || id.Validate() != nil {
				continue
			}
			if _, err := reference.ParseNormalizedNamed(name); err == nil {
				out = append(out, id)
			}
		}
	}
	return out
}

// All are all associations, sorted by name.
func (s *Store) All() []Association {
	s.mu.RLock()
	defer s.mu.RUnlock()
	type named struct {
		name string // made once, and not for each comparison
		Association
	}
	var found []named
	for _, repo := range s.repos {
		for name, id := range repo {
			ref, err := reference.ParseNormalizedNamed(name)
			if err != nil || id.Validate() != nil {
				continue // kept in the file, as dockerd keeps it
			}
			found = append(found, named{ref.String(), Association{Ref: ref, ID: id}})
		}
	}
	slices.SortFunc(found, func(a, b named) int { return cmp.Compare(a.name, b.name) })
	all := make([]Association, len(found))
	for i, f := range found {
		all[i] = f.Association
	}
	return all
}

// Update makes any number of changes as one: all are written, or none. What
// change returns as an error is returned, and nothing is written.
func (s *Store) Update(change func(*Edit) error) error {
	if s.readOnly {
		return ErrReadOnly
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	edit := &Edit{repos: s.repos.clone()}
	if err := change(edit); err != nil {
		return err
	}
	if !edit.changed {
		return nil
	}
	data, err := encode(edit.repos)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(s.path, data, 0o600); err != nil {
		// The file may have come to its name and its directory not to the disk.
		if now, rerr := os.ReadFile(s.path); rerr == nil && bytes.Equal(now, data) {
			s.repos = edit.repos
		}
		return err
	}
	s.repos = edit.repos
	return nil
}
