package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Verify verifies one layer; see Verifier.
func (s *Store) Verify(ctx context.Context, id ChainID) error { return s.Verifier().Verify(ctx, id) }

// verify compares a layer's content with its digest.
func (s *Store) verify(ctx context.Context, rec *record) error {
	if _, err := s.driver(); err != nil {
		return err
	}
	split, err := s.openTarSplit(rec)
	if errors.Is(err, fs.ErrNotExist) && graphdriver.CapabilitiesOf(s.opts.Driver).ReproducesExactDiffs {
		return s.verifyDiff(ctx, rec)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return unreadable(rec, err)
	}
	if err != nil {
		return fmt.Errorf("layer %s: %w", rec.diff, err)
	}
	files, err := s.openFiles(ctx, rec.cacheID)
	if err != nil {
		return oneLine(fmt.Errorf("layer %s: %w", rec.diff, err), split.Close())
	}
	var bad []error
	rc := assembled(ctx, rec, split, files, func(err error) error {
		bad = append(bad, err)
		return nil
	})
	_, err = io.Copy(io.Discard, rc)
	err = oneLine(err, rc.Close()) // after which bad is complete
	return errors.Join(append(bad, err)...)
}

func (s *Store) verifyDiff(ctx context.Context, rec *record) error {
	rc, err := s.diffStream(ctx, rec)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, rc)
	return oneLine(err, rc.Close())
}
