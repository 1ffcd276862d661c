package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// CreateRWOptions are what CreateRWLayer takes beside the names. The zero
// value asks for nothing.
type CreateRWOptions struct {
	// MountLabel is an SELinux label, or "".
	MountLabel string
	// StorageOpt are the driver's own per-layer options (Docker's
	// --storage-opt).
	StorageOpt map[string]string
	// Init, if not nil, fills a layer between the parent and the new one,
	// whose root is at dir, with what is not to count as a change of the
	// container's. An error of it is CreateRWLayer's.
	Init func(ctx context.Context, dir string) error
}

// CreateRWLayer creates a read-write layer on top of parent, "" for none, and
// returns it with a reference. It keeps its parent from being removed. It is
// durable when CreateRWLayer returns, and after an error nothing of it stays.
//
// Errors: ErrNotFound if parent does not exist, ErrMountNameConflict,
// graphdriver.ErrInvalid for a name that graphdriver.ValidateID refuses,
// ErrReadOnly; else opts.Init's or the driver's.
func (s *Store) CreateRWLayer(ctx context.Context, name string, parent ChainID, opts CreateRWOptions) (RWLayer, error) {
	if s.opts.ReadOnly {
		return nil, fmt.Errorf("create read-write layer %q in %s: %w", name, s.opts.Root, ErrReadOnly)
	}
	if _, err := s.driver(); err != nil {
		return nil, err
	}
	if err := graphdriver.ValidateID(name); err != nil {
		return nil, fmt.Errorf("create a read-write layer: its name: %w", err)
	}
	unlock, err := s.lockName(ctx, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	m, err := s.beginRW(name, parent)
	if err != nil {
		return nil, fmt.Errorf("create read-write layer %q: %w", name, err)
	}
	if opts.Init != nil {
		m.initID = m.mountID + suffixInit
	}
	visible, err := s.makeRW(ctx, m, opts)
	if err == nil {
		return s.GetRWLayer(name)
	}
	var rerr error
	if undo := context.WithoutCancel(ctx); visible {
		_, rerr = s.destroyRW(undo, m)
	} else {
		rerr = s.discardAll(undo, m.ids())
	}
	if m.parent != nil && rerr == nil { // else something rests on it until the next Open
		s.let(ctx, m.parent)
	}
	return nil, fmt.Errorf("create read-write layer %q: %w", name, oneLine(err, rerr))
}

// beginRW finds out whether the name is free, and keeps the parent.
func (s *Store) beginRW(name string, parent ChainID) (*mounted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mounts[name] != nil {
		return nil, ErrMountNameConflict
	}
	if _, err := os.Lstat(s.at.mount(name)); err == nil {
		return nil, fmt.Errorf("%w, and is unusable", ErrMountNameConflict)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	m := &mounted{name: name, mountID: randomID()}
	if parent == "" {
		return m, nil
	}
	rec, err := s.find(parent)
	if err != nil {
		return nil, fmt.Errorf("parent: %w", err)
	}
	s.keep(rec)
	m.parent = rec
	return m, nil
}

// makeRW makes the layer. visible tells whether it got so far that the layer
// can be seen.
func (s *Store) makeRW(ctx context.Context, m *mounted, opts CreateRWOptions) (visible bool, err error) {
	home, db, err := s.openForSync()
	if err != nil {
		return false, err
	}
	defer func() { err = oneLine(err, home.Close(), db.Close()) }()
	for _, id := range m.ids() {
		if err := s.intend(id); err != nil {
			return false, err
		}
	}
	s.opts.Step(stepRWJournaled)
	if err := s.createTrees(ctx, m, opts); err != nil {
		return false, err
	}
	tx := s.at.tx(m.mountID)
	if err := s.describeRW(m, tx); err != nil {
		return false, err
	}
	files, err := s.syncData(ctx, home, db, m.ids())
	if err == nil && !files {
		err = s.syncFiles(tx)
	}
	if err != nil {
		return false, err
	}
	s.opts.Step(stepRWSynced)
	if err := s.makeDirs(0o755, s.at.mounts()); err != nil {
		return false, err
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := s.disk.rename(tx, s.at.mount(m.name)); err != nil {
		return false, err
	}
	s.opts.Step(stepRWRenamed)
	s.mu.Lock()
	s.mounts[m.name] = m
	s.mu.Unlock()
	if err := s.disk.sync(s.at.mounts()); err != nil {
		return true, err
	}
	s.opts.Step(stepRWPublished)
	return true, s.settled(m.ids())
}

// createTrees is the driver's part.
func (s *Store) createTrees(ctx context.Context, m *mounted, opts CreateRWOptions) error {
	driver, create := s.opts.Driver, graphdriver.CreateOptions{MountLabel: opts.MountLabel, StorageOpt: opts.StorageOpt}
	if m.initID != "" {
		if err := driver.CreateReadWrite(ctx, m.initID, m.parentCacheID(), create); err != nil {
			return fmt.Errorf("driver %s: create the init layer: %w", s.opts.DriverName, err)
		}
		dir, err := driver.Get(ctx, m.initID, "")
		if err != nil {
			return fmt.Errorf("driver %s: mount the init layer: %w", s.opts.DriverName, err)
		}
		if err = opts.Init(ctx, dir); err != nil {
			err = fmt.Errorf("fill the init layer: %w", err)
		}
		if err := oneLine(err, driver.Put(context.WithoutCancel(ctx), m.initID)); err != nil {
			return err
		}
		s.opts.Step(stepRWInit)
	}
	if err := driver.CreateReadWrite(ctx, m.mountID, m.below(), create); err != nil {
		return fmt.Errorf("driver %s: create: %w", s.opts.DriverName, err)
	}
	s.opts.Step(stepRWCreated)
	return nil
}

// describeRW writes the small files into tx.
func (s *Store) describeRW(m *mounted, tx string) error {
	if err := s.disk.mkdirAll(tx, 0o755); err != nil {
		return err
	}
	files := [][2]string{{fileMountID, m.mountID}}
	if m.initID != "" {
		files = append(files, [2]string{fileInitID, m.initID})
	}
	if m.parent != nil {
		files = append(files, [2]string{fileParent, string(m.parent.chain)})
	}
	for _, f := range files {
		if err := s.disk.write(filepath.Join(tx, f[0]), []byte(f[1]), 0o644); err != nil {
			return err
		}
	}
	return nil
}
