package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
)

// record is what the store knows of one layer.
type record struct {
	chain   ChainID
	diff    DiffID
	cacheID string
	parent  *record
	size    int64 // of this layer alone
	total   int64
	depth   int

	// Guarded by Store.mu.
	dir      string // holds its files: a transaction's, then one in sha256/
	refs     int    // references given out
	above    int    // layers and containers on top, also those still pending, and calls at work
	unwanted bool   // the last reference was released, and something else kept the layer
	pending  bool   // not committed
	gone     bool   // removed
	holders  []*ref // of a pending layer, which may yet be replaced
	owners   int    // sessions that registered it and are not closed
	// unwritten is why writing it out failed: a later sync would not tell of it
	// again.
	unwritten error
}

func newRecord(parent *record, diff DiffID, cacheID string, size int64) *record {
	below := ChainID("")
	if parent != nil {
		below = parent.chain
	}
	return recordOf(NextChainID(below, diff), parent, diff, cacheID, size)
}

// recordOf is newRecord where the chain ID is known.
func recordOf(chain ChainID, parent *record, diff DiffID, cacheID string, size int64) *record {
	r := &record{chain: chain, diff: diff, cacheID: cacheID, parent: parent, size: size, total: size, depth: 1}
	if parent != nil {
		r.total += parent.total
		r.depth += parent.depth
	}
	return r
}

// ancestor finds a layer beneath r.
func (r *record) ancestor(chain ChainID) *record {
	for p := r.parent; p != nil; p = p.parent {
		if p.chain == chain {
			return p
		}
	}
	return nil
}

func (r *record) parentCacheID() string {
	if r.parent == nil {
		return ""
	}
	return r.parent.cacheID
}

// ref is a Layer as users hold it.
type ref struct {
	s *Store
	// rec changes once at most, when a layer of a session gives way to the
	// same one that another session committed first.
	rec  atomic.Pointer[record]
	held bool // guarded by Store.mu; false once released, and always for a mere view
}

func newRef(s *Store, rec *record) *ref {
	r := &ref{s: s}
	r.rec.Store(rec)
	return r
}

// take gives out a reference. s.mu is held.
func (s *Store) take(rec *record) *ref {
	r := newRef(s, rec)
	r.held = true
	rec.refs++
	rec.unwanted = false
	if rec.pending {
		rec.holders = append(rec.holders, r)
	}
	return r
}

func (r *ref) TarStream(ctx context.Context) (io.ReadCloser, error) {
	rec, err := r.live()
	if err != nil {
		return nil, err
	}
	return r.s.tarStream(ctx, rec)
}

func (r *ref) TarStreamFrom(ctx context.Context, parent ChainID) (io.ReadCloser, error) {
	rec, err := r.live()
	if err != nil {
		return nil, err
	}
	var below string
	if parent != "" {
		p := rec.ancestor(parent)
		if p == nil {
			return nil, fmt.Errorf("layer %s: %s: %w", rec.chain, parent, ErrNotAncestor)
		}
		below = p.cacheID
	}
	driver, err := r.s.driver()
	if err != nil {
		return nil, err
	}
	return driver.Diff(ctx, rec.cacheID, below)
}

func (r *ref) ChainID() ChainID { return r.rec.Load().chain }
func (r *ref) DiffID() DiffID   { return r.rec.Load().diff }
func (r *ref) Size() int64      { return r.rec.Load().total }
func (r *ref) DiffSize() int64  { return r.rec.Load().size }
func (r *ref) Depth() int       { return r.rec.Load().depth }
func (r *ref) CacheID() string  { return r.rec.Load().cacheID }

func (r *ref) Parent() Layer {
	p := r.rec.Load().parent
	if p == nil {
		return nil
	}
	return newRef(r.s, p)
}

func (r *ref) Metadata(ctx context.Context) (map[string]string, error) {
	rec, err := r.live()
	if err != nil {
		return nil, err
	}
	driver, err := r.s.driver()
	if err != nil {
		return nil, err
	}
	return driver.GetMetadata(ctx, rec.cacheID)
}

// live is the record, if the layer has not been removed.
func (r *ref) live() (*record, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	rec := r.rec.Load()
	if rec.gone {
		return nil, fmt.Errorf("layer %s was removed: %w", rec.chain, ErrNotFound)
	}
	return rec, nil
}

// maxDescriptor bounds what is read as one: moby's have some hundred bytes.
const maxDescriptor = 1 << 20

func (r *ref) Descriptor() ([]byte, error) {
	rec, err := r.live()
	if err != nil {
		return nil, err
	}
	return r.s.descriptor(rec)
}

// descriptor reads what Register was given to keep, nil for nothing. A commit
// may move it meanwhile.
func (s *Store) descriptor(rec *record) (b []byte, err error) {
	f, err := s.openFile(rec, fileDescriptor)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(f, maxDescriptor+1))
		err = oneLine(err, f.Close())
	}
	if err == nil && len(b) > maxDescriptor {
		err = fmt.Errorf("it has more than %d bytes: %w", maxDescriptor, ErrCorrupt)
	}
	if err != nil {
		return nil, fmt.Errorf("layer %s: %s: %w", rec.chain, fileDescriptor, err)
	}
	return b, nil
}
