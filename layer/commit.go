package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Commit makes all layers of the session durable and then visible, parents
// before children. After a crash at any point a layer is there whole or not
// at all. When an error is returned the layers already committed stay, and
// Close removes the others. A second Commit does nothing.
//
// Until Close the layers are unsettled: should the process end before that,
// Settle removes those that nothing came to refer to.
func (ses *Session) Commit(ctx context.Context) error {
	ses.life.Lock()
	defer ses.life.Unlock()
	if ses.over {
		return nil
	}
	s := ses.s
	var over func()
	for {
		var there map[*record]*record
		var err error
		there, over, err = ses.claim(ctx)
		if err != nil {
			return fmt.Errorf("commit layers: %w", err)
		}
		if over != nil {
			break
		}
		ses.writing.Wait() // it knows layers that may go
		if err := ses.giveWay(ctx, there); err != nil {
			return fmt.Errorf("commit layers: %w", err)
		}
	}
	stamps := s.stampBeside(ctx, ses.pending)
	ids, err := ses.publishAll(ctx)
	stamps(ids)
	s.mu.Lock()
	over()
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("commit layers: %w", err)
	}
	ses.over = true
	ses.keepGiven(nil)
	if err := oneLine(ses.home.Close(), ses.db.Close()); err != nil {
		return fmt.Errorf("commit layers: %w", err)
	}
	return s.seal(ctx, ids)
}

// claim reserves the chain IDs of the session, all together and only when
// nobody else has any of them, so that two sessions cannot wait for each
// other. Where layers of those IDs exist by now it reserves nothing and
// returns them, each kept from removal until giveWay.
func (ses *Session) claim(ctx context.Context) (there map[*record]*record, over func(), err error) {
	s := ses.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var wait chan struct{}
		for _, rec := range ses.pending {
			if ch := s.busy[rec.chain]; ch != nil {
				wait = ch
			}
		}
		if wait == nil {
			break
		}
		s.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
	}
	there = make(map[*record]*record)
	chains := make([]ChainID, 0, len(ses.pending))
	// What another session that has it too has committed is done.
	ses.pending = slices.DeleteFunc(ses.pending, func(rec *record) bool { return !rec.pending })
	for _, rec := range ses.pending {
		chains = append(chains, rec.chain)
		if other := s.layers[rec.chain]; other != nil {
			s.keep(other)
			there[rec] = other
		}
	}
	if len(there) > 0 {
		return there, nil, nil
	}
	return nil, s.occupy(chains...), nil
}

// giveWay replaces layers of the session by those that exist. What was made
// on top of a layer that goes is made again on the one that stays, since the
// driver ties a layer to its parent.
func (ses *Session) giveWay(ctx context.Context, there map[*record]*record) (err error) {
	s := ses.s
	instead := make(map[*record]*record)
	defer func() {
		for _, other := range there {
			s.let(ctx, other)
		}
	}()
	for i, rec := range slices.Clone(ses.pending) {
		if other := there[rec]; other != nil {
			instead[rec] = other
			continue
		}
		parent := instead[rec.parent]
		if parent == nil {
			continue
		}
		again, err := s.rebuild(ctx, rec, parent)
		if err != nil {
			for _, made := range slices.Backward(ses.pending[:i]) {
				if old := instead[made]; old != nil && there[made] == nil {
					err = oneLine(err, s.drop(ctx, old)) // nobody has it yet
				}
			}
			return err
		}
		instead[rec] = again
	}
	old := ses.pending
	ses.replace(there, instead)
	for _, rec := range slices.Backward(old) {
		if instead[rec] != nil {
			_, derr := s.disown(ctx, rec)
			err = oneLine(err, derr)
		}
	}
	return err
}

// replace puts other layers in the place of the session's.
func (ses *Session) replace(there, instead map[*record]*record) {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	old := ses.pending
	ses.pending = nil
	clear(ses.byChain)
	ses.owned = slices.DeleteFunc(ses.owned, func(rec *record) bool { return instead[rec] != nil || slices.Contains(old, rec) })
	for _, rec := range old {
		to := instead[rec]
		switch {
		case to == nil:
			ses.have(rec)
		case there[rec] == nil:
			ses.s.own(to)
			ses.have(to)
		}
		if to != nil {
			ses.s.redirect(rec, to)
			ses.given[to] = append(ses.given[to], ses.given[rec]...)
			delete(ses.given, rec)
		}
	}
}

// own makes a layer one session's more, which others that want the same may
// share.
func (s *Store) own(rec *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec.owners++
	if s.pending[rec.chain] == nil {
		s.pending[rec.chain] = rec
	}
}

// redirect makes the references to one record ones to another.
func (s *Store) redirect(from, to *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range from.holders {
		r.rec.Store(to)
		if r.held {
			from.refs--
			to.refs++
		}
		if to.pending {
			to.holders = append(to.holders, r)
		}
	}
	from.holders = nil
}

// publishAll makes the data durable, then one layer after the other visible.
// It returns the cache IDs.
func (ses *Session) publishAll(ctx context.Context) ([]string, error) {
	ses.writing.Wait()
	if len(ses.pending) == 0 {
		return nil, nil
	}
	if err := ses.s.unwritten(ses.pending); err != nil {
		return nil, err
	}
	ids := cacheIDs(ses.pending)
	files, err := ses.s.syncData(ctx, ses.home, ses.db, ids)
	if err != nil {
		return nil, err
	}
	ses.s.opts.Step(stepDataSynced)
	for len(ses.pending) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		visible, err := ses.s.publish(ses.pending[0], files)
		if visible {
			ses.keepGiven(ses.pending[0])
			ses.pending = ses.pending[1:]
		}
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// keepGiven makes the references on a layer that is committed now the callers',
// or with nil all of them.
func (ses *Session) keepGiven(rec *record) {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	if rec == nil {
		clear(ses.given)
	}
	delete(ses.given, rec)
}

// unwritten is why one of them could not be written out.
func (s *Store) unwritten(recs []*record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rec := range recs {
		if rec.unwritten != nil {
			return rec.unwritten
		}
	}
	return nil
}

// syncData makes the trees durable, and files tells whether also all that was
// written beneath the layerdb. The directories were opened by openForSync
// before anything was written.
func (s *Store) syncData(ctx context.Context, home, db *os.File, ids []string) (files bool, err error) {
	if d, ok := s.opts.Driver.(graphdriver.Syncer); ok {
		if err := d.SyncLayers(ctx, ids...); err != nil {
			return false, fmt.Errorf("driver %s: sync: %w", s.opts.DriverName, err)
		}
		return false, nil
	}
	if err := s.disk.syncFS(home); err != nil {
		return false, err
	}
	same, err := sameFS(home, db)
	if err != nil || same {
		return same, err
	}
	return true, s.disk.syncFS(db)
}

// publish makes one layer's files durable, unless they are, and moves them
// into place. visible tells whether it got so far that the layer can be seen.
func (s *Store) publish(rec *record, durable bool) (visible bool, err error) {
	tx, place := s.at.tx(rec.cacheID), s.at.chain(rec.chain)
	if !durable {
		if err := s.syncFiles(tx); err != nil {
			return false, err
		}
	}
	s.opts.Step(stepTxSynced)
	if err := s.makeRoom(rec.chain); err != nil {
		return false, err
	}
	if err := s.disk.rename(tx, place); err != nil {
		return false, err
	}
	s.opts.Step(stepRenamed)
	s.mu.Lock()
	rec.dir, rec.pending, rec.holders = place, false, nil
	s.layers[rec.chain] = rec
	if s.pending[rec.chain] == rec {
		delete(s.pending, rec.chain)
	}
	s.mu.Unlock()
	if err := s.disk.sync(s.at.chains()); err != nil {
		return true, err
	}
	s.opts.Step(stepPublished)
	return true, nil
}

// syncFiles makes a directory with all files in it durable.
func (s *Store) syncFiles(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := s.disk.sync(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return s.disk.sync(dir)
}

// makeRoom puts an unusable directory of that chain ID aside. Nothing of it
// is deleted: the tree that it may name is not ours to judge.
func (s *Store) makeRoom(chain ChainID) error {
	place := s.at.chain(chain)
	if _, err := os.Lstat(place); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	aside := s.at.setAside(chain)
	err := s.disk.mkdirAll(filepath.Dir(aside), 0o700)
	if err == nil {
		err = s.disk.rename(place, aside)
	}
	if err != nil {
		return fmt.Errorf("put the unusable layer %s aside: %w", chain, err)
	}
	s.opts.Log.Warn("an unusable layer directory was put aside", zap.String("chain", string(chain)), zap.String("to", aside))
	return nil
}
