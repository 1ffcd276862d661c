package layer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Register stores the archive in r as a layer on top of parent: "", a layer
// of the store, or one registered earlier in this session or Expected in it. It
// returns the layer with a reference.
//
// A layer of that chain ID that exists already wins and is returned. If
// opts.Expected is given r is then not read at all, also where another call or
// another session is unpacking the layer, which is waited for; otherwise it is
// read to its end to learn its digest.
//
// Errors: ErrNotFound if parent does not exist, ErrMaxDepth,
// ErrDigestMismatch; one that wraps layertar.ErrRefused if the archive is at
// fault, and r's own error, wrapped, if reading it failed; else the driver's.
// After an error nothing of the layer stays. A Read of r that blocks is not
// interrupted by ctx unless r has SetReadDeadline.
func (ses *Session) Register(ctx context.Context, r io.Reader, parent ChainID, opts RegisterOptions) (_ Layer, err error) {
	ses.life.RLock()
	defer ses.life.RUnlock()
	if ses.over {
		return nil, errSessionOver
	}
	if opts.Expected != "" {
		if !ValidDigest(digest.Digest(opts.Expected)) {
			return nil, fmt.Errorf("register a layer: %q is not a SHA-256 digest: %w", opts.Expected, ErrDigestMismatch)
		}
		defer ses.keepPromise(NextChainID(parent, opts.Expected))
	}
	on, err := ses.findBeneath(ctx, parent, opts.Reopen != nil)
	if err != nil {
		return nil, fmt.Errorf("register a layer: parent: %w", err)
	}
	if on.rec != nil {
		defer ses.s.let(ctx, on.rec)
	}
	if on.depth() >= MaxDepth {
		return nil, fmt.Errorf("register a layer on %s, which has %d: %w", parent, on.depth(), ErrMaxDepth)
	}
	l, b, err := ses.claimBuild(ctx, parent, on, opts.Expected)
	if err != nil {
		return nil, fmt.Errorf("register a layer: %w", err)
	}
	if l != nil {
		return l, nil
	}
	rec, err := ses.s.build(ctx, r, ses.intended(), b, opts)
	if on.early != nil && errors.Is(err, graphdriver.ErrBusy) {
		rec, err = ses.again(ctx, b, opts)
	}
	l, lost := ses.add(b, rec)
	if err != nil {
		return nil, fmt.Errorf("register a layer: %w", err)
	}
	if lost == nil {
		return l, nil
	}
	if err := ses.s.drop(ctx, lost); err != nil {
		_, rerr := ses.s.Release(ctx, l)
		return nil, fmt.Errorf("register a layer that exists already: %w", oneLine(err, rerr))
	}
	return l, nil
}

// again unpacks a layer on top of a complete one that a driver could not unpack
// beside it.
func (ses *Session) again(ctx context.Context, b *building, opts RegisterOptions) (*record, error) {
	parent, err := b.on.complete(ctx)
	if err != nil {
		return nil, err
	}
	r, err := opts.Reopen(ctx)
	if err != nil {
		return nil, err
	}
	rec, err := ses.s.build(ctx, r, ses.intended(), newBuilding(ses, onto{rec: parent}), opts)
	return rec, oneLine(err, r.Close())
}

// keepPromise ends what Expect promised of a layer, however it went.
func (ses *Session) keepPromise(id ChainID) {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	if ses.promised[id] {
		delete(ses.promised, id)
		ses.signal()
	}
}

// signal tells those who wait for a promised layer to look again. ses.mu is
// held.
func (ses *Session) signal() {
	close(ses.changed)
	ses.changed = make(chan struct{})
}

// findBeneath finds a parent, and keeps it from being removed until let. One
// that this session is unpacking is returned as soon as it has begun, if early
// is of use, else when it is there.
func (ses *Session) findBeneath(ctx context.Context, id ChainID, early bool) (onto, error) {
	if id == "" {
		return onto{}, nil
	}
	early = early && graphdriver.CapabilitiesOf(ses.s.opts.Driver).DiffIndependentOfParent
	for {
		rec, b, wait := ses.tryBeneath(id)
		if rec != nil {
			return onto{rec: rec}, nil
		}
		if b != nil && early {
			wait = b.begun
		}
		if wait == nil {
			return onto{}, fmt.Errorf("layer %s: %w", id, ErrNotFound)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return onto{}, ctx.Err()
		}
		if b != nil && early && ses.s.joinEarly(id, b) {
			return onto{early: b}, nil
		}
	}
}

// tryBeneath finds a layer, or what to wait for until it may be there.
func (ses *Session) tryBeneath(id ChainID) (rec *record, b *building, wait chan struct{}) {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	ses.s.mu.Lock()
	defer ses.s.mu.Unlock()
	if rec := ses.locate(id); rec != nil {
		ses.s.keep(rec)
		return rec, nil, nil
	}
	if b := ses.s.building[id]; b != nil && b.ses == ses {
		return nil, b, b.done
	}
	if ses.promised[id] {
		return nil, nil, ses.changed
	}
	return nil, nil, nil
}

// joinEarly counts a layer that begins on top of one that is still unpacked.
func (s *Store) joinEarly(id ChainID, b *building) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.building[id] != b {
		return false // it has ended
	}
	b.onTop++
	return true
}

// claimBuild finds the layer, or makes it this call's to unpack.
func (ses *Session) claimBuild(ctx context.Context, parent ChainID, on onto, diff DiffID) (Layer, *building, error) {
	b := newBuilding(ses, on)
	if diff == "" {
		return nil, b, nil
	}
	chain := NextChainID(parent, diff)
	for {
		l, other := ses.tryClaim(chain, b)
		if l != nil {
			return l, nil, nil
		}
		if other == nil {
			return nil, b, nil
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func (ses *Session) tryClaim(chain ChainID, b *building) (Layer, *building) {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	ses.s.mu.Lock()
	defer ses.s.mu.Unlock()
	if l := ses.share(chain, b.on); l != nil {
		return l, nil
	}
	if other := ses.s.building[chain]; other != nil {
		return nil, other
	}
	b.chain, ses.s.building[chain] = chain, b
	ses.signal()
	return nil, nil
}

// share takes a reference on a layer that is there, or that another session
// has on the same parent: it is then this one's too. Both locks are held.
func (ses *Session) share(chain ChainID, on onto) Layer {
	if rec := ses.locate(chain); rec != nil {
		return ses.take(rec)
	}
	rec := ses.s.pending[chain]
	if rec == nil || rec.unwritten != nil || on.early != nil || rec.parent != on.rec {
		return nil
	}
	rec.owners++
	ses.have(rec)
	return ses.take(rec)
}

// add ends the unpacking: rec, unless it is nil, becomes the session's, and a
// reference is taken. If the layer exists by now and nothing was begun on rec,
// the reference is on that layer, and lost is rec.
func (ses *Session) add(b *building, rec *record) (l Layer, lost *record) {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	s := ses.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if rec != nil {
		if b.onTop == 0 {
			if l = ses.share(rec.chain, onto{rec: rec.parent}); l != nil {
				lost, rec = rec, nil
			}
		}
		if rec != nil {
			rec.owners++
			rec.unwritten = ses.unwritten
			ses.have(rec)
			if s.pending[rec.chain] == nil {
				s.pending[rec.chain] = rec
			}
			l, b.rec = ses.take(rec), rec
		}
	}
	if b.chain != "" {
		delete(s.building, b.chain)
	}
	b.begin()
	close(b.done)
	return l, lost
}
