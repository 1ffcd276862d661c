package layer

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"

	"go.uber.org/zap"
)

// Settle deals with the layers that an earlier process had committed and not
// yet used, or was about to take the last user from, when it ended: those that
// nothing refers to are removed, the others are from now on like any layer.
// Layers that are not in our journal are never touched. It is called when
// references have been taken for everything that is to stay, as an image
// store does when it is opened; in a store opened to read it does nothing.
// What cannot be removed is logged and tried again the next time.
func (s *Store) Settle(ctx context.Context) error {
	s.mu.Lock()
	ids := s.unsettled
	s.unsettled = nil
	var recs []*record
	for _, rec := range s.layers {
		if slices.Contains(ids, rec.cacheID) {
			recs = append(recs, rec)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(recs, func(a, b *record) int { return cmp.Compare(b.depth, a.depth) })
	for _, rec := range recs {
		log := s.opts.Log.With(zap.String("chain", string(rec.chain)), zap.String("cache-id", rec.cacheID))
		removed, err := s.collectOne(ctx, rec)
		if err != nil {
			log.Warn("a layer that nothing uses stays for now", zap.Error(err))
			ids = slices.DeleteFunc(ids, func(id string) bool { return id == rec.cacheID })
		}
		if removed {
			log.Info("removed a layer that nothing came to use")
		}
	}
	if err := s.settled(ids); err != nil {
		s.opts.Log.Warn("layers keep their journal entries", zap.Error(err))
	}
	return ctx.Err()
}

// Doubt is called before the last user of a layer goes, such as an image,
// and its end when the layer has been released: should the process end in
// between, Settle removes the layer and those beneath it that nothing else
// refers to.
func (s *Store) Doubt(l Layer) (end func() error, err error) {
	r, ok := l.(*ref)
	if !ok || r.s != s || s.opts.ReadOnly {
		return func() error { return nil }, nil // Release removes nothing either
	}
	ids, err := s.intendAll(s.doomed(r.rec.Load(), 1, 0))
	return func() error { return s.settled(ids) }, err
}

// intendAll makes journal entries, and returns those that were not there; else
// someone else's intent lasts longer. After an error none of them stays.
func (s *Store) intendAll(ids []string) (made []string, err error) {
	for _, id := range ids {
		switch err := s.intend(id); {
		case err == nil:
			made = append(made, id)
		case !errors.Is(err, fs.ErrExist):
			return nil, oneLine(err, s.settled(made))
		}
	}
	return made, nil
}

// doomed lists the cache IDs of what goes if so many references to rec, and
// so many of the layers on top of it, do.
func (s *Store) doomed(rec *record, refs, above int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for ; rec != nil && rec.refs <= refs && rec.above <= above; refs, above = 0, 1 {
		ids = append(ids, rec.cacheID)
		rec = rec.parent
	}
	return ids
}

// settled clears journal entries of layers that are in use or gone, durably:
// an entry that came back would make a layer that nothing refers to yet look
// like one of an earlier process.
func (s *Store) settled(ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, s.forget(id))
	}
	errs = append(errs, s.disk.sync(s.at.journal()))
	s.opts.Step(stepForgotten)
	return oneLine(errs...)
}
