package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// build makes a layer as far as it can be made before it is committed: its
// tree is in the driver, its files are in a transaction. After an error
// nothing of it stays. cacheID is in the journal already, or "".
func (s *Store) build(ctx context.Context, r io.Reader, cacheID string, b *building, opts RegisterOptions) (*record, error) {
	if cacheID == "" {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		cacheID = randomID()
		if err := s.intend(cacheID); err != nil {
			return nil, err
		}
	}
	s.opts.Step(stepJournaled)
	b.cacheID = cacheID
	within, leave := b.on.within(ctx)
	rec, err := s.fill(within, r, b, opts)
	if leave() && err != nil && ctx.Err() == nil {
		err = errAnew
	}
	if err == nil {
		return rec, nil
	}
	b.fail()
	return nil, oneLine(err, s.discard(context.WithoutCancel(ctx), cacheID))
}

func (s *Store) fill(ctx context.Context, r io.Reader, b *building, opts RegisterOptions) (*record, error) {
	tx := s.at.tx(b.cacheID)
	if err := s.disk.mkdirAll(tx, 0o700); err != nil {
		return nil, err
	}
	if err := s.opts.Driver.Create(ctx, b.cacheID, b.on.cacheID(), graphdriver.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("driver %s: create: %w", s.opts.DriverName, err)
	}
	s.opts.Step(stepCreated)
	a, err := s.apply(ctx, r, b, opts)
	if err != nil {
		return nil, err
	}
	s.opts.Step(stepApplied)
	if opts.Expected != "" && a.diff != opts.Expected {
		return nil, fmt.Errorf("archive is %s and not the expected %s: %w", a.diff, opts.Expected, ErrDigestMismatch)
	}
	if err := b.on.wait(ctx); err != nil {
		return nil, err
	}
	parent, err := b.on.complete(ctx)
	if err != nil {
		return nil, err
	}
	rec := newRecord(parent, a.diff, b.cacheID, a.size)
	rec.dir, rec.pending = tx, true
	if a.doubtful {
		if err := s.provable(ctx, rec); err != nil {
			return nil, err
		}
	}
	if err := s.dropTarSplit(ctx, rec); err != nil {
		return nil, err
	}
	if err := s.describe(rec, opts.Descriptor); err != nil {
		return nil, err
	}
	s.opts.Step(stepWritten)
	if parent != nil {
		s.mu.Lock()
		s.keep(parent)
		s.mu.Unlock()
	}
	return rec, nil
}

// provable reads a layer back whose entries may have met in one file.
func (s *Store) provable(ctx context.Context, rec *record) error {
	err := s.verifyTo(ctx, rec, func(err error) error { return err })
	if errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("archive writes one file twice, through a symlink: %v: %w", err, layertar.ErrRefused)
	}
	return err
}

// dropTarSplit does without tar-split data where the driver itself yields
// the archive. It is believed only after it has done so.
func (s *Store) dropTarSplit(ctx context.Context, rec *record) error {
	if !graphdriver.CapabilitiesOf(s.opts.Driver).ReproducesExactDiffs {
		return nil
	}
	rc, err := s.diffStream(ctx, rec)
	if err == nil {
		_, err = io.Copy(io.Discard, rc)
		err = oneLine(err, rc.Close())
	}
	if cerr := ctx.Err(); cerr != nil {
		return cerr
	}
	if err != nil {
		s.opts.Log.Warn("the driver claims to reproduce archives and did not; tar-split data is kept",
			zap.String("driver", s.opts.DriverName), zap.String("layer", string(rec.diff)), zap.Error(err))
		return nil
	}
	return s.disk.remove(filepath.Join(rec.dir, fileTarSplit))
}

// describe writes the small files.
func (s *Store) describe(rec *record, descriptor []byte) error {
	type text struct{ name, content string }
	files := []text{
		{fileSize, strconv.FormatInt(rec.size, 10)},
		{fileCacheID, rec.cacheID},
		{fileDiff, string(rec.diff)},
	}
	if rec.parent != nil {
		files = append(files, text{fileParent, string(rec.parent.chain)})
	}
	if len(descriptor) > 0 {
		files = append(files, text{fileDescriptor, string(descriptor)})
	}
	for _, f := range files {
		if err := s.disk.write(filepath.Join(rec.dir, f.name), []byte(f.content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// rebuild makes a layer again on another parent of the same chain ID.
func (s *Store) rebuild(ctx context.Context, rec, parent *record) (*record, error) {
	var opts RegisterOptions
	b, err := s.descriptor(rec)
	if err != nil {
		return nil, err
	}
	opts.Descriptor, opts.Expected = b, rec.diff
	rc, err := s.tarStream(ctx, rec)
	if err != nil {
		return nil, err
	}
	again, err := s.build(ctx, rc, "", newBuilding(nil, onto{rec: parent}), opts)
	return again, oneLine(err, rc.Close())
}

// drop removes a layer that is not to be committed.
func (s *Store) drop(ctx context.Context, rec *record) error {
	s.mu.Lock()
	rec.gone = true
	for _, r := range rec.holders {
		r.held = false
	}
	rec.holders = nil
	s.mu.Unlock()
	err := s.discard(context.WithoutCancel(ctx), rec.cacheID)
	if rec.parent != nil {
		s.let(ctx, rec.parent)
	}
	return err
}
