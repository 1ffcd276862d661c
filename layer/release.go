package layer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"
)

// Removed describes a layer that Release removed.
type Removed struct {
	ChainID  ChainID
	DiffID   DiffID
	Size     int64 // with all beneath it
	DiffSize int64
}

// Release gives one reference back. With the last one a layer that has no
// layers on top and no container (layerdb/mounts) is removed, and then its
// parents as far as nothing else keeps them; they are returned from the top
// down, also those removed before an error.
//
// References live in memory only: whoever releases has first taken
// references for everything that is to stay, as an image store does for its
// images. In a store opened to read, nothing is removed. A layer that was
// released before, came from Map, or is another store's is ErrNotRetained.
func (s *Store) Release(ctx context.Context, l Layer) ([]Removed, error) {
	r, ok := l.(*ref)
	if !ok || r.s != s {
		return nil, fmt.Errorf("layer %v is not of this store: %w", l, ErrNotRetained)
	}
	s.mu.Lock()
	if !r.held {
		s.mu.Unlock()
		return nil, fmt.Errorf("layer %s: %w", r.ChainID(), ErrNotRetained)
	}
	r.held = false
	rec := r.rec.Load()
	rec.refs--
	rec.unwanted = rec.refs == 0 && !s.opts.ReadOnly
	s.mu.Unlock()
	if s.opts.ReadOnly {
		return nil, nil
	}
	return s.collect(ctx, rec)
}

// keep holds a layer for the length of a call, without a reference. s.mu is
// held.
func (s *Store) keep(rec *record) { rec.above++ }

// let undoes keep. If the last reference was released meanwhile, the layer
// is removed now.
func (s *Store) let(ctx context.Context, rec *record) {
	s.mu.Lock()
	rec.above--
	unwanted := rec.unwanted
	s.mu.Unlock()
	if !unwanted {
		return
	}
	if _, err := s.collect(context.WithoutCancel(ctx), rec); err != nil {
		s.opts.Log.Warn("a layer that nobody wants any more stays for now", zap.String("chain", string(rec.chain)), zap.Error(err))
	}
}

// collect removes rec if nothing keeps it, then its parents.
func (s *Store) collect(ctx context.Context, rec *record) (removed []Removed, err error) {
	for rec != nil {
		done, err := s.collectOne(ctx, rec)
		if !done || err != nil {
			return removed, err
		}
		removed = append(removed, Removed{ChainID: rec.chain, DiffID: rec.diff, Size: rec.total, DiffSize: rec.size})
		rec = rec.parent
	}
	return removed, nil
}

// collectOne removes rec if nothing keeps it, and tells whether it did.
func (s *Store) collectOne(ctx context.Context, rec *record) (done bool, err error) {
	s.mu.Lock()
	if rec.refs > 0 || rec.above > 0 || rec.pending || rec.gone {
		s.mu.Unlock()
		return false, nil
	}
	if _, err := s.driver(); err != nil {
		s.mu.Unlock()
		return false, fmt.Errorf("remove layer %s: %w", rec.chain, err)
	}
	delete(s.layers, rec.chain)
	rec.gone = true
	over := s.occupy(rec.chain)
	s.mu.Unlock()

	begun, err := s.destroy(ctx, rec)
	if begun && err != nil {
		err = oneLine(err, s.doubtBeneath(rec.parent))
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if !begun {
		s.layers[rec.chain] = rec
		rec.gone = false
	}
	over()
	if err != nil {
		// What is beneath stays until Open has finished the removal.
		return false, fmt.Errorf("remove layer %s: %w", rec.chain, err)
	}
	if rec.parent != nil {
		rec.parent.above--
	}
	return true, nil
}

// doubtBeneath notes the layers beneath one whose removal was begun and has
// failed. They stay until Open has finished the removal; should they lose their
// other users before that, nobody would think of them again.
func (s *Store) doubtBeneath(rec *record) error {
	var ids []string
	for ; rec != nil; rec = rec.parent {
		ids = append(ids, rec.cacheID)
	}
	_, err := s.intendAll(ids)
	return err
}

// occupy marks chain IDs as busy and returns what ends that. s.mu is held
// for both.
func (s *Store) occupy(chains ...ChainID) (over func()) {
	ch := make(chan struct{})
	for _, c := range chains {
		s.busy[c] = ch
	}
	return func() {
		for _, c := range chains {
			delete(s.busy, c)
		}
		close(ch)
	}
}

// destroy removes a layer from disk. The directory first gets a name by
// which the removal can be finished after a crash, and that name is durable
// before any of the tree goes. begun tells whether it got that far.
func (s *Store) destroy(ctx context.Context, rec *record) (begun bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	away := s.at.removing(rec.chain)
	if err := s.disk.rename(rec.dir, away); err != nil {
		return false, err
	}
	if err := s.disk.sync(s.at.chains()); err != nil {
		return true, err
	}
	s.opts.Step(stepRemoveRenamed)
	if err := s.opts.Driver.Remove(ctx, rec.cacheID); err != nil {
		return true, fmt.Errorf("driver %s: %w (the removal is finished when the store is next opened for writing)", s.opts.DriverName, err)
	}
	s.opts.Step(stepRemoveTree)
	s.dropStamp(rec.cacheID)
	if err := s.removeDir(away); err != nil {
		return true, err
	}
	s.opts.Step(stepRemoved)
	return true, nil
}

// removeDir removes a layer's directory, and last in it the name of the tree,
// by which a removal is finished after a crash.
func (s *Store) removeDir(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Name() == fileCacheID {
			continue
		}
		if err := s.disk.removeAll(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return s.disk.removeAll(dir)
}
