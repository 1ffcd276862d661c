package layer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// ReleaseRWLayer gives one reference back. With the last one the layer is
// removed, with its init layer and whatever was written to it, and then the
// layers beneath that nothing else keeps, which are returned as Release
// returns them; as there, references have first been taken for everything
// that is to stay. In a store opened to read, nothing is removed.
//
// Errors: ErrMounted while there is a Mount without an Unmount, another
// process has it mounted, or the driver says that it is busy: the reference
// is then still held.
// ErrNotRetained if l was released before, comes from RWLayers, or is another
// store's.
func (s *Store) ReleaseRWLayer(ctx context.Context, l RWLayer) ([]Removed, error) {
	r, ok := l.(*rwRef)
	if !ok || r.s != s {
		return nil, fmt.Errorf("read-write layer %v is not of this store: %w", l, ErrNotRetained)
	}
	unlock, err := s.lockName(ctx, r.m.name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	last, err := r.release()
	if err != nil {
		return nil, fmt.Errorf("release read-write layer %q: %w", r.m.name, err)
	}
	if !last {
		return nil, nil
	}
	removed, err := s.removeRW(ctx, r)
	if err != nil {
		return removed, fmt.Errorf("remove read-write layer %q: %w", r.m.name, err)
	}
	return removed, nil
}

// release takes a reference back, unless it is the last one of a layer that
// is thus to be removed first.
func (r *rwRef) release() (last bool, err error) {
	s, m := r.s, r.m
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.held {
		return false, ErrNotRetained
	}
	if last = m.refs == 1 && !s.opts.ReadOnly; !last {
		r.held = false
		m.refs--
		return false, nil
	}
	if m.active > 0 {
		return false, fmt.Errorf("%w %d times; unmount it first", ErrMounted, m.active)
	}
	_, err = s.driver()
	return true, err
}

// holdsNone refuses a layer in whose directory another one's lies, as those of
// mounted images can (imageMounts): it would go with it.
func (s *Store) holdsNone(m *mounted) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.mounts {
		if strings.HasPrefix(name, m.name+"/") {
			return fmt.Errorf("what is noted of %q lies beneath it; remove that first: %w", name, graphdriver.ErrBusy)
		}
	}
	return nil
}

// unmounted refuses to go on with a layer that any process has mounted.
func (s *Store) unmounted(ctx context.Context, m *mounted) error {
	d, ok := s.opts.Driver.(graphdriver.Mounter)
	if !ok {
		return nil
	}
	mounts, err := d.Mounts(ctx)
	if err != nil {
		return fmt.Errorf("driver %s: list mounts: %w", s.opts.DriverName, err)
	}
	for _, at := range mounts {
		if at.ID == m.mountID || at.ID == m.initID {
			return fmt.Errorf("%w on %s; unmount it first", ErrMounted, at.Target)
		}
	}
	return nil
}

// removeRW removes the layer of the last reference, then its parents as far
// as nothing keeps them.
func (s *Store) removeRW(ctx context.Context, r *rwRef) ([]Removed, error) {
	m := r.m
	if err := s.holdsNone(m); err != nil {
		return nil, err
	}
	if err := s.unmounted(ctx, m); err != nil {
		return nil, err
	}
	// Should the process end after the layer is gone and before its parents
	// are, Settle goes on.
	doubted, err := s.intendAll(s.doomed(m.parent, 0, 1))
	if err != nil {
		return nil, err
	}
	begun, err := s.destroyRW(ctx, m)
	if !begun {
		return nil, oneLine(err, s.settled(doubted))
	}
	s.mu.Lock()
	r.held = false
	m.refs--
	s.mu.Unlock()
	if err != nil {
		return nil, oneLine(err, s.doubtBeneath(m.parent)) // it stays until Open has finished the removal
	}
	if m.parent == nil {
		return nil, nil
	}
	s.mu.Lock()
	m.parent.above--
	s.mu.Unlock()
	removed, err := s.collect(ctx, m.parent)
	return removed, oneLine(err, s.settled(doubted))
}

// destroyRW removes a read-write layer from disk, the way it was made but
// backwards: from the moment its directory is a transaction again, and that
// is durable, it is one that was never committed. begun tells whether it got
// that far.
func (s *Store) destroyRW(ctx context.Context, m *mounted) (begun bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if _, err := s.intendAll(m.ids()); err != nil {
		return false, err
	}
	s.opts.Step(stepRWRemoveJournaled)
	if err := s.disk.rename(s.at.mount(m.name), s.at.tx(m.mountID)); err != nil {
		return false, oneLine(err, s.settled(m.ids()))
	}
	s.show(m, false)
	if err := s.disk.sync(s.at.mounts()); err != nil {
		return true, err
	}
	s.opts.Step(stepRWRemoveRenamed)
	err = s.discard(ctx, m.mountID)
	if errors.Is(err, graphdriver.ErrBusy) { // before it has begun
		return s.restoreRW(m, fmt.Errorf("%w, or in use otherwise: %w", ErrMounted, err))
	}
	if err == nil && m.initID != "" {
		err = s.discard(ctx, m.initID)
	}
	if err != nil {
		return true, fmt.Errorf("%w (the removal is finished when the store is next opened for writing)", err)
	}
	s.opts.Step(stepRWRemoved)
	return true, nil
}

// restoreRW puts a layer back that the driver would not remove.
func (s *Store) restoreRW(m *mounted, cause error) (begun bool, err error) {
	if err := s.disk.rename(s.at.tx(m.mountID), s.at.mount(m.name)); err != nil {
		return true, oneLine(cause, err)
	}
	s.show(m, true)
	if err := s.disk.sync(s.at.mounts()); err != nil {
		return false, oneLine(cause, err)
	}
	return false, oneLine(cause, s.settled(m.ids()))
}

// show makes a read-write layer one of the store, or none any more.
func (s *Store) show(m *mounted, visible bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.gone = !visible; m.gone {
		delete(s.mounts, m.name)
	} else {
		s.mounts[m.name] = m
	}
}

// discardAll removes all traces of layers, those on top first.
func (s *Store) discardAll(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if err := s.discard(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
