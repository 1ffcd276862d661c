package refs

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// maxFile bounds what is read of a repositories.json, in bytes.
const maxFile = 64 << 20

// repositories is the file's content: familiar repository name, then
// familiar reference, then image. (moby reference/store.go.)
type repositories map[string]map[string]digest.Digest

// document is the file.
type document struct {
	Repositories repositories
}

// decode reads the file. Names and digests are not looked at, so that one
// that is not understood is still there after the next writing.
func decode(r io.Reader) (repositories, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrCorrupt, maxFile)
	}
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if doc.Repositories == nil {
		doc.Repositories = repositories{}
	}
	return doc.Repositories, nil
}

func encode(r repositories) ([]byte, error) { return json.Marshal(document{Repositories: r}) }

// FileOf is the file of those names, and their familiar forms. Of two images
// of one name the first has it.
func FileOf(all []Association) (data []byte, names []string, err error) {
	repos := repositories{}
	for _, a := range all {
		ref, err := Stored(a.Ref)
		if err != nil {
			return nil, nil, err
		}
		if _, taken := repos.get(ref); !taken {
			repos.set(ref, a.ID)
			names = append(names, reference.FamiliarString(ref))
		}
	}
	data, err = encode(repos)
	return data, names, err
}

// Without is the file without the entries that are none (Strange) or that gone
// says it of, and what these were; nil where there are none.
func (s *Store) Without(gone func(name string, id digest.Digest) bool) (data []byte, left []string, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	kept := s.repos.clone()
	strange := s.strange()
	for repo, list := range kept {
		for name, id := range list {
			if slices.Contains(strange, name) || gone(name, id) {
				delete(list, name)
				left = append(left, name)
			}
		}
		if len(list) == 0 && len(s.repos[repo]) > 0 {
			delete(kept, repo)
		}
	}
	if left == nil {
		return nil, nil, nil
	}
	slices.Sort(left)
	data, err = encode(kept)
	return data, left, err
}

func (r repositories) get(ref reference.Named) (digest.Digest, bool) {
	id, ok := r[reference.FamiliarName(ref)][reference.FamiliarString(ref)]
	return id, ok
}

func (r repositories) set(ref reference.Named, id digest.Digest) {
	name := reference.FamiliarName(ref)
	if r[name] == nil {
		r[name] = map[string]digest.Digest{}
	}
	r[name][reference.FamiliarString(ref)] = id
}

// remove reports whether the reference was there. A repository without
// references is not kept.
func (r repositories) remove(ref reference.Named) bool {
	name, full := reference.FamiliarName(ref), reference.FamiliarString(ref)
	if _, ok := r[name][full]; !ok {
		return false
	}
	delete(r[name], full)
	if len(r[name]) == 0 {
		delete(r, name)
	}
	return true
}

func (r repositories) clone() repositories {
	c := maps.Clone(r)
	for name, refs := range c {
		c[name] = maps.Clone(refs)
	}
	return c
}
