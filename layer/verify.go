package layer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Verify reads the whole of one layer, not of those beneath it, and compares
// it with what was registered. It reports every file that is not as it was
// (*FileError) and the digest, joined; all wrap ErrCorrupt. Other errors mean
// that the layer could not be read.
func (s *Store) Verify(ctx context.Context, id ChainID) error {
	s.mu.Lock()
	rec, err := s.find(id)
	if err == nil {
		s.keep(rec)
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	defer s.let(ctx, rec)
	return s.verify(ctx, rec)
}

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
	defer split.Close()
	files, err := s.openFiles(ctx, rec.cacheID)
	if err != nil {
		return fmt.Errorf("layer %s: %w", rec.diff, err)
	}
	var bad []error
	sum := sha256.New()
	err = unpack(ctx, rec, split, files, sum, func(err error) error {
		bad = append(bad, err)
		return nil
	})
	if cerr := files.Close(); err == nil {
		err = cerr
	}
	if got := DiffID(digest.NewDigest(digest.SHA256, sum)); err == nil && got != rec.diff {
		err = changed(rec, got)
	}
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
