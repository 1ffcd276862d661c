package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Store is the layers of one driver beneath one root. All methods may be
// called concurrently.
//
// A store does not lock its root against other processes: whoever opens it
// holds a rootlock for as long.
type Store struct {
	opts   Options
	at     layout
	disk   disk
	broken []error

	mu     sync.Mutex
	layers map[ChainID]*record
	mounts map[string]*mounted // by name
	// naming marks names of read-write layers that a call is at work with; the
	// channel is closed when that is over.
	naming map[string]chan struct{}
	// unsettled are the cache IDs of committed layers that Open found in the
	// journal.
	unsettled []string
	// busy marks chain IDs whose directory is being put in place or taken
	// away; the channel is closed when that is over.
	busy map[ChainID]chan struct{}
	// building are the layers that a session is unpacking, and pending those it
	// has: others that register the same wait for the one and share the other.
	building map[ChainID]*building
	pending  map[ChainID]*record
}

// Open loads the layers beneath opts.Root. A layer directory that is not
// whole does not keep the others from being used; see Broken.
//
// Unless opened to read or without a driver, it first finishes what an
// earlier process left undone: layers begun and not committed are removed
// (those in our own journal, no others), removals begun are completed. Settle
// does the rest, once it is known what is in use.
// A root without layers is created when opened to write, and is an empty
// store when opened to read.
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts, err := opts.fill()
	if err != nil {
		return nil, err
	}
	s := &Store{
		opts: opts,
		at:   newLayout(opts.Root, opts.DriverName),
		disk: disk{before: opts.before},
		busy: make(map[ChainID]chan struct{}), naming: make(map[string]chan struct{}),
		building: make(map[ChainID]*building), pending: make(map[ChainID]*record),
	}
	s.at.sizes = opts.Sizes
	writable := !opts.ReadOnly && opts.Driver != nil
	if writable {
		if err := s.prepare(); err != nil {
			return nil, err
		}
	}
	found, removing, err := s.at.scan(ctx)
	if err != nil {
		return nil, err
	}
	mounts, err := s.at.scanMounts()
	if err != nil {
		return nil, err
	}
	if writable && !opts.Damaged {
		if err := s.recover(ctx, found, removing, mounts); err != nil {
			return nil, err
		}
	}
	s.know(found, mounts)
	for _, b := range s.broken {
		opts.Log.Info("a layer cannot be used", zap.Error(b)) // Broken tells whoever asks
	}
	s.tellParents()
	var ids []string
	for _, f := range found {
		if f.cacheID != "" {
			ids = append(ids, f.cacheID)
		}
	}
	if writable {
		s.dropStamps(ids)
	}
	if err := s.seal(ctx, ids); err != nil && !opts.Damaged {
		return nil, err
	}
	return s, nil
}

// know makes layers of what was found.
func (s *Store) know(layers []found, mounts []foundMount) {
	s.layers, s.broken = s.at.build(layers)
	var broken []error
	s.mounts, broken = buildMounts(mounts, layers, s.layers)
	s.broken = append(s.broken, broken...)
}

// tellParents tells the driver which of its layers lies on which.
func (s *Store) tellParents() {
	d, ok := s.opts.Driver.(graphdriver.Genealogist)
	if !ok {
		return
	}
	parents := make(map[string]string, len(s.layers)+2*len(s.mounts))
	for _, rec := range s.layers {
		parents[rec.cacheID] = rec.parentCacheID()
	}
	for _, m := range s.mounts {
		ids := append(m.ids(), m.parentCacheID())
		for i, id := range ids[:len(ids)-1] {
			parents[id] = ids[i+1]
		}
	}
	d.SetParents(parents)
}

// seal tells the driver which layers are not to change any more.
func (s *Store) seal(ctx context.Context, ids []string) error {
	sealer, ok := s.opts.Driver.(graphdriver.Sealer)
	if !ok || len(ids) == 0 {
		return nil
	}
	if err := sealer.Seal(ctx, ids...); err != nil {
		return fmt.Errorf("seal layers in driver %s: %w", s.opts.DriverName, err)
	}
	return nil
}

// driver is the driver, or an error that says what is missing.
func (s *Store) driver() (graphdriver.Driver, error) {
	if s.opts.Driver == nil {
		return nil, fmt.Errorf("the layers of %s were opened without their driver, which this needs: %w", s.opts.DriverName, graphdriver.ErrNotSupported)
	}
	return s.opts.Driver, nil
}

// Close ends the use of the store. It does not touch the driver. Sessions
// have to be closed before.
func (s *Store) Close() error { return nil }

// Get returns a layer and takes a reference on it. An unknown one is
// ErrNotFound.
func (s *Store) Get(id ChainID) (Layer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec, err := s.find(id)
	if err != nil {
		return nil, err
	}
	return s.take(rec), nil
}

// Link tells a store that was opened for Sizes which layers are on top of one
// another, lowest first, by the chain IDs that follow from their diff IDs. It
// returns how many of them are there, from the lowest. Any other store knows, and
// says all.
func (s *Store) Link(diffs []DiffID, chain []ChainID) (there int) {
	if !s.opts.Sizes {
		return len(chain)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var below *record
	for i, id := range chain {
		rec := s.layers[id]
		if rec == nil {
			return i
		}
		if rec.diff == "" {
			rec.diff, rec.parent = diffs[i], below
			if below != nil {
				rec.total, rec.depth = below.total+rec.size, below.depth+1
				below.above++
			}
		}
		below = rec
	}
	return len(chain)
}

// find looks a layer up. s.mu is held.
func (s *Store) find(id ChainID) (*record, error) {
	rec := s.layers[id]
	if rec == nil {
		return nil, fmt.Errorf("layer %s: %w", id, ErrNotFound)
	}
	return rec, nil
}

// Map returns all layers, without references: one may be removed by someone
// else at any time, its methods then fail, and it cannot be released.
func (s *Store) Map() map[ChainID]Layer {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := make(map[ChainID]Layer, len(s.layers))
	for id, rec := range s.layers {
		m[id] = newRef(s, rec)
	}
	return m
}

// Register stores the archive in r as a layer on top of parent, "" for none,
// and returns it with a reference. It is NewSession, Session.Register,
// Session.Commit: the layer is committed and durable when Register returns,
// and after an error nothing of it stays.
func (s *Store) Register(ctx context.Context, r io.Reader, parent ChainID, opts RegisterOptions) (Layer, error) {
	ses, err := s.NewSession(ctx)
	if err != nil {
		return nil, err
	}
	l, err := ses.Register(ctx, r, parent, opts)
	if err == nil {
		err = ses.Commit(ctx)
	}
	if err = oneLine(err, ses.Close(ctx)); err == nil {
		return l, nil
	}
	// The layer may have become visible before the fault.
	if l != nil {
		if _, rerr := s.Release(context.WithoutCancel(ctx), l); !errors.Is(rerr, ErrNotRetained) {
			err = oneLine(err, rerr)
		}
	}
	return nil, err
}

// Broken lists the directories of layers and containers that were found
// unusable when the store was opened, each as a *BrokenError.
func (s *Store) Broken() []error { return slices.Clone(s.broken) }

// DriverName is the name that the store was opened with.
func (s *Store) DriverName() string { return s.opts.DriverName }

// Driver is the driver that the store was opened with, nil for none.
func (s *Store) Driver() graphdriver.Driver { return s.opts.Driver }

// Root is the directory that the store was opened with, absolute.
func (s *Store) Root() string { return s.opts.Root }

// ReadOnly tells how the store was opened.
func (s *Store) ReadOnly() bool { return s.opts.ReadOnly }

// DriverStatus is what the driver says of itself.
func (s *Store) DriverStatus(ctx context.Context) ([]graphdriver.Pair, error) {
	driver, err := s.driver()
	if err != nil {
		return nil, err
	}
	return driver.Status(ctx)
}

// Cleanup has the driver release what it holds, such as mounts left over. It
// is called before the driver is closed, when nothing of the store is in use.
func (s *Store) Cleanup(ctx context.Context) error {
	driver, err := s.driver()
	if err != nil {
		return err
	}
	if err := driver.Cleanup(ctx); err != nil {
		return fmt.Errorf("driver %s: clean up: %w", s.opts.DriverName, err)
	}
	return nil
}
