package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// mounted is what the store knows of one read-write layer.
type mounted struct {
	name, mountID, initID string
	parent                *record

	// Guarded by Store.mu.
	refs   int  // references given out
	active int  // Gets of the driver without a Put
	gone   bool // removed
}

// below is the driver's layer that m's differences are told against.
func (m *mounted) below() string {
	if m.initID != "" {
		return m.initID
	}
	return m.parentCacheID()
}

func (m *mounted) parentCacheID() string {
	if m.parent == nil {
		return ""
	}
	return m.parent.cacheID
}

// ids are the driver's layers, the upper one first.
func (m *mounted) ids() []string {
	if m.initID == "" {
		return []string{m.mountID}
	}
	return []string{m.mountID, m.initID}
}

// foundMount is one directory of layerdb/mounts as it was read. With err set
// the other fields are what could be read all the same.
type foundMount struct {
	name, mountID, initID string
	parent                ChainID
	err                   error
}

// scanMounts reads all directories of containers.
func (l layout) scanMounts() ([]foundMount, error) {
	entries, err := os.ReadDir(l.mounts())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the containers' layers: %w", err)
	}
	var all []foundMount
	for _, e := range entries {
		switch {
		case !e.IsDir():
		case ofImageMount(e.Name()):
			all = append(all, l.imageMounts(e.Name())...)
		default:
			all = append(all, l.readMount(e.Name()))
		}
	}
	for _, f := range all {
		if err := shortage(f.err); err != nil {
			return nil, fmt.Errorf("read the containers' layers: %w", err)
		}
	}
	return all, nil
}

// ofImageMount tells whether a name begins like those that Docker 28 gives the
// layers of images that are mounted into containers: <container>-<image>.
// (moby v28.0.1 daemon/volumes.go registerMountPoints.)
func ofImageMount(name string) bool {
	container, _, is := strings.Cut(name, "-")
	return is && ValidDigest(digest.NewDigestFromEncoded(digest.SHA256, container))
}

// imageMounts reads the layer of that name and those beneath it: the image is
// called as somebody called it, and each slash is a directory. Docker forgets
// those when they are empty; they are none of its layers.
func (l layout) imageMounts(name string) []foundMount {
	entries, err := os.ReadDir(l.mount(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []foundMount{{name: name, err: err}}
	}
	var all []foundMount
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() }) {
		all = append(all, l.readMount(name))
	}
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, l.imageMounts(filepath.Join(name, e.Name()))...)
		}
	}
	return all
}

// readMount goes on after a fault, as readFound does.
func (l layout) readMount(name string) foundMount {
	f := foundMount{name: name}
	dir := l.mount(name)
	id := func(file string) (string, error) {
		text, err := readText(dir, file)
		if err == nil {
			err = graphdriver.ValidateID(text)
		}
		if err != nil {
			return "", err
		}
		return text, nil
	}
	var mountErr, initErr, parentErr error
	f.mountID, mountErr = id(fileMountID)
	if f.initID, initErr = id(fileInitID); errors.Is(initErr, fs.ErrNotExist) {
		initErr = nil
	}
	text, parentErr := readText(dir, fileParent)
	switch {
	case errors.Is(parentErr, fs.ErrNotExist):
		parentErr = nil
	case parentErr == nil && !ValidDigest(digest.Digest(text)):
		parentErr = fmt.Errorf("%s holds %.80q, not a digest", fileParent, text)
	case parentErr == nil:
		f.parent = ChainID(text)
	}
	f.err = oneLine(mountErr, initErr, parentErr)
	return f
}

// buildMounts makes read-write layers of what was found, and counts them on
// top of their parents; it tells which are unusable.
func buildMounts(mounts []foundMount, layers []found, records map[ChainID]*record) (map[string]*mounted, []error) {
	// Removing one must never take away what is another's.
	uses := map[string]int{}
	for _, f := range layers {
		uses[f.cacheID]++
	}
	for _, f := range mounts {
		uses[f.mountID]++
		uses[f.initID]++
	}
	uses[""] = 0
	all := make(map[string]*mounted, len(mounts))
	var broken []error
	for _, f := range mounts {
		parent := records[f.parent]
		if parent != nil {
			parent.above++ // also beneath one that may yet be mended
		}
		switch {
		case f.err != nil:
		case uses[f.mountID] > 1 || uses[f.initID] > 1:
			f.err = fmt.Errorf("its %s or %s is that of another layer too", fileMountID, fileInitID)
		case f.parent != "" && parent == nil:
			f.err = fmt.Errorf("its parent %s is missing or unusable", f.parent)
		}
		if f.err != nil {
			broken = append(broken, &BrokenError{Dir: filepath.Join("mounts", f.name), Cause: f.err})
			continue
		}
		all[f.name] = &mounted{name: f.name, mountID: f.mountID, initID: f.initID, parent: parent}
	}
	return all, broken
}

// lockName makes calls that change one read-write layer, or make one of that
// name, follow one another.
func (s *Store) lockName(ctx context.Context, name string) (unlock func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ch := s.naming[name]
		if ch == nil {
			break
		}
		s.mu.Unlock()
		select {
		case <-ch:
		case <-ctx.Done():
		}
		s.mu.Lock()
	}
	ch := make(chan struct{})
	s.naming[name] = ch
	return func() {
		s.mu.Lock()
		delete(s.naming, name)
		s.mu.Unlock()
		close(ch)
	}, nil
}
