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

// verify compares a layer's content with its digest, and reports all files
// that differ.
func (s *Store) verify(ctx context.Context, rec *record) error {
	var bad []error
	err := s.verifyTo(ctx, rec, func(err error) error {
		bad = append(bad, err)
		return nil
	})
	return errors.Join(append(bad, err)...)
}

// verifyTo does so and tells report of each, which may end it.
func (s *Store) verifyTo(ctx context.Context, rec *record, report func(error) error) error {
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
	rc := assembled(ctx, rec, split, files, report)
	_, err = io.Copy(io.Discard, rc)
	return oneLine(err, rc.Close()) // after which nothing more is reported
}

func (s *Store) verifyDiff(ctx context.Context, rec *record) error {
	rc, err := s.diffStream(ctx, rec)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, rc)
	return oneLine(err, rc.Close())
}
