package layer

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// RWLayer is the read-write layer of one container, with a reference held on
// it (Store.ReleaseRWLayer). Methods may be called concurrently. What they
// tell of changes is against the init layer if there is one, as Docker has
// it, and else against the parent; while the layer is being written to, it is
// some state in between.
type RWLayer interface {
	// Name is what the layer was created as, in Docker a container's ID.
	Name() string
	// MountID is the driver's name for the layer.
	MountID() string
	// InitID is the driver's name for the layer between it and the parent,
	// "" if there is none.
	InitID() string
	// Parent is the read-only layer beneath, nil for none. It holds no
	// reference of its own.
	Parent() Layer
	// Changes lists what was added, changed and deleted, sorted by path.
	Changes(ctx context.Context) ([]graphdriver.Change, error)
	// TarStream yields the changes as an archive. Its bytes are the driver's.
	TarStream(ctx context.Context) (io.ReadCloser, error)
	// TreeStream yields all that there is to see, the layers beneath included,
	// as one archive. Its bytes are the driver's.
	TreeStream(ctx context.Context) (io.ReadCloser, error)
	// Size is what the changes take up, in bytes.
	Size(ctx context.Context) (int64, error)
	// Metadata is what the driver tells of the layer.
	Metadata(ctx context.Context) (map[string]string, error)
	// Mount makes the tree available and returns the absolute path of its
	// root. Calls nest: each is undone by one Unmount. mountLabel is an
	// SELinux label, or "".
	Mount(ctx context.Context, mountLabel string) (dir string, err error)
	// Unmount undoes one Mount, be it of an earlier process. Without any it
	// does nothing.
	Unmount(ctx context.Context) error
}

// rwRef is an RWLayer as users hold it.
type rwRef struct {
	s    *Store
	m    *mounted
	held bool // guarded by Store.mu; false once released, and always for a mere view
}

// GetRWLayer returns a read-write layer and takes a reference on it. An
// unknown name is ErrNotFound.
func (s *Store) GetRWLayer(name string) (RWLayer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.findRW(name)
	if err != nil {
		return nil, err
	}
	m.refs++
	return &rwRef{s: s, m: m, held: true}, nil
}

// GetMountID is the driver's name for a read-write layer. An unknown name is
// ErrNotFound.
func (s *Store) GetMountID(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.findRW(name)
	if err != nil {
		return "", err
	}
	return m.mountID, nil
}

// findRW looks a read-write layer up. s.mu is held.
func (s *Store) findRW(name string) (*mounted, error) {
	m := s.mounts[name]
	if m == nil {
		return nil, fmt.Errorf("read-write layer %q: %w", name, ErrNotFound)
	}
	return m, nil
}

// RWLayers returns all read-write layers, sorted by name, without
// references, as Map does.
func (s *Store) RWLayers() []RWLayer {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]RWLayer, 0, len(s.mounts))
	for _, m := range s.mounts {
		all = append(all, &rwRef{s: s, m: m})
	}
	slices.SortFunc(all, func(a, b RWLayer) int { return cmp.Compare(a.Name(), b.Name()) })
	return all
}

func (r *rwRef) Name() string    { return r.m.name }
func (r *rwRef) MountID() string { return r.m.mountID }
func (r *rwRef) InitID() string  { return r.m.initID }

func (r *rwRef) Parent() Layer {
	if r.m.parent == nil {
		return nil
	}
	return newRef(r.s, r.m.parent)
}

// live is the driver, if the layer has not been removed.
func (r *rwRef) live() (graphdriver.Driver, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.m.gone {
		return nil, fmt.Errorf("read-write layer %q was removed: %w", r.m.name, ErrNotFound)
	}
	return r.s.driver()
}

func (r *rwRef) Changes(ctx context.Context) ([]graphdriver.Change, error) {
	driver, err := r.live()
	if err != nil {
		return nil, err
	}
	return driver.Changes(ctx, r.m.mountID, r.m.below())
}

func (r *rwRef) TarStream(ctx context.Context) (io.ReadCloser, error) {
	driver, err := r.live()
	if err != nil {
		return nil, err
	}
	return driver.Diff(ctx, r.m.mountID, r.m.below())
}

func (r *rwRef) TreeStream(ctx context.Context) (io.ReadCloser, error) {
	driver, err := r.live()
	if err != nil {
		return nil, err
	}
	return driver.Diff(ctx, r.m.mountID, "")
}

func (r *rwRef) Size(ctx context.Context) (int64, error) {
	driver, err := r.live()
	if err != nil {
		return 0, err
	}
	return driver.DiffSize(ctx, r.m.mountID, r.m.below())
}

func (r *rwRef) Metadata(ctx context.Context) (map[string]string, error) {
	driver, err := r.live()
	if err != nil {
		return nil, err
	}
	return driver.GetMetadata(ctx, r.m.mountID)
}

func (r *rwRef) Mount(ctx context.Context, mountLabel string) (string, error) {
	unlock, err := r.s.lockName(ctx, r.m.name)
	if err != nil {
		return "", err
	}
	defer unlock()
	driver, err := r.live()
	if err != nil {
		return "", err
	}
	dir, err := driver.Get(ctx, r.m.mountID, mountLabel)
	if err != nil {
		return "", fmt.Errorf("mount %q: driver %s: %w", r.m.name, r.s.opts.DriverName, err)
	}
	r.count(1)
	return dir, nil
}

func (r *rwRef) Unmount(ctx context.Context) error {
	unlock, err := r.s.lockName(ctx, r.m.name)
	if err != nil {
		return err
	}
	defer unlock()
	driver, err := r.live()
	if err != nil {
		return err
	}
	if err := driver.Put(ctx, r.m.mountID); err != nil {
		return fmt.Errorf("unmount %q: driver %s: %w", r.m.name, r.s.opts.DriverName, err)
	}
	r.count(-1)
	return nil
}

func (r *rwRef) count(n int) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.m.active = max(r.m.active+n, 0)
}
