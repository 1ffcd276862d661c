package layer

import (
	"context"
	"errors"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Prove says whether the tree of a layer, as it would be mounted, is what its
// archives made: with full by reading all of it, else by the stamps that were
// taken when it was last known to be right. What has none, or is not as its
// stamp says, is read in full and then stamped. Errors are those of
// Verifier.Verify.
func (s *Store) Prove(ctx context.Context, id ChainID, full bool) error {
	return s.with(ctx, id, func(rec *record) error {
		if _, err := s.driver(); err != nil {
			return err
		}
		var chain []*record // what is mounted, lowest first
		for at := rec; at != nil; at = at.parent {
			chain = append([]*record{at}, chain...)
			if !graphdriver.CapabilitiesOf(s.opts.Driver).Deltas {
				break
			}
		}
		v := s.Verifier()
		var errs []error
		for _, rec := range chain {
			err := v.prove(ctx, rec, full)
			if err != nil && !errors.Is(err, ErrCorrupt) {
				return err
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

func (v *Verifier) prove(ctx context.Context, rec *record, full bool) error {
	if !full {
		if ok, err := v.s.stamped(ctx, rec.cacheID); ok || err != nil {
			return err
		}
	}
	// Taken before: what changes while it is read is not vouched for.
	st, err := v.s.stampOf(ctx, rec.cacheID)
	if err != nil {
		return err
	}
	if err := v.Verify(ctx, rec.chain); err != nil {
		return err
	}
	v.s.keepStamp(rec.cacheID, st)
	return nil
}
