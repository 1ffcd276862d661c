package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// applied is what one pass over an archive brings to light.
type applied struct {
	diff DiffID
	size int64
	// doubtful: an entry went through a symlink of the same archive, so that
	// two names may have met in one file.
	doubtful bool
}

// apply reads the archive once: into the digest, into the transaction's
// tar-split data, and into the driver's layer. No goroutine is left when it
// returns.
func (s *Store) apply(ctx context.Context, r io.Reader, b *building, opts RegisterOptions) (a applied, err error) {
	file, err := s.disk.create(filepath.Join(s.at.tx(b.cacheID), fileTarSplit), 0o644)
	if err != nil {
		return a, err
	}
	defer func() { err = oneLine(err, file.Close()) }()
	pack, err := newPacker(file, s.opts.Compression)
	if err != nil {
		return a, err
	}
	defer pack.stop()
	in := newFeed(ctx, r, opts.Progress)
	defer in.stop()
	rd := layertar.NewReader(in, pack)
	rd.Limit(opts.Entries)
	src := &watched{rd: rd, begin: b.begin}

	a.size, err = s.extract(ctx, b, src)
	if err == nil {
		err = src.drain()
	}
	switch {
	case ctx.Err() != nil:
		return a, ctx.Err()
	case in.failure() != nil:
		return a, fmt.Errorf("read the archive: %w", in.failure())
	case src.err != nil && src.err != io.EOF:
		return a, src.err
	case err != nil:
		// A path that occurs twice may be what the driver stumbled over.
		if perr := pack.finish(); errors.Is(perr, layertar.ErrRefused) {
			return a, perr
		}
		if errors.Is(err, layertar.ErrRefused) {
			return a, &refusal{fmt.Errorf("driver %s: %w", s.opts.DriverName, err)}
		}
		return a, fmt.Errorf("driver %s: %w", s.opts.DriverName, err)
	case a.size < 0:
		return a, fmt.Errorf("driver %s: says the layer has %d bytes: %w", s.opts.DriverName, a.size, graphdriver.ErrInvalid)
	}
	if err := pack.finish(); err != nil {
		return a, err
	}
	a.diff, a.doubtful = in.sum(), rd.ThroughSymlink()
	return a, nil
}

// refusal is an archive that a driver refused: whatever class the driver gave
// it, nothing stored is damaged.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }

func (*refusal) Unwrap() error { return layertar.ErrRefused }

// extract gives the driver entries if it takes them, else the archive.
func (s *Store) extract(ctx context.Context, b *building, src *watched) (int64, error) {
	parentID := b.on.cacheID()
	if d, ok := s.opts.Driver.(graphdriver.EarlyApplier); ok && b.on.early != nil {
		return d.ApplyEntriesEarly(ctx, b.cacheID, parentID, src, b.on.wait)
	}
	if d, ok := s.opts.Driver.(graphdriver.EntryApplier); ok {
		return d.ApplyEntries(ctx, b.cacheID, parentID, src)
	}
	raw, err := src.Raw()
	if err != nil {
		return 0, err
	}
	return s.opts.Driver.ApplyDiff(ctx, b.cacheID, parentID, raw)
}

// watched is a Source that keeps the error by which it ended, so that a
// refused archive is not taken for a driver's failure.
type watched struct {
	rd    *layertar.Reader
	raw   io.Reader
	err   error
	begin func() // called when the driver reads
}

func (w *watched) Next() (*layertar.Entry, error) {
	w.begin()
	e, err := w.rd.Next()
	w.keep(err)
	return e, err
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.rd.Read(p)
	if err != io.EOF { // the end of one payload
		w.keep(err)
	}
	return n, err
}

func (w *watched) Raw() (io.Reader, error) {
	raw, err := w.rd.Raw()
	if err != nil {
		return nil, err
	}
	w.raw = rawWatched{w, raw}
	return w.raw, nil
}

func (w *watched) keep(err error) {
	if err != nil && (w.err == nil || w.err == io.EOF) {
		w.err = err
	}
}

// drain reads what the driver left. Only what follows the last entry may be
// left: a driver that passed entries over has lost them.
func (w *watched) drain() error {
	before := w.rd.Entries()
	if w.raw != nil {
		if _, err := io.Copy(io.Discard, w.raw); err != nil {
			return err
		}
	}
	for w.err == nil {
		w.Next()
	}
	if w.err == io.EOF && w.rd.Entries() > before {
		return fmt.Errorf("it stopped before the archive's end, after %d of %d entries: %w", before, w.rd.Entries(), graphdriver.ErrInvalid)
	}
	return nil
}

type rawWatched struct {
	w *watched
	r io.Reader
}

func (r rawWatched) Read(p []byte) (int, error) {
	r.w.begin()
	n, err := r.r.Read(p)
	r.w.keep(err)
	return n, err
}
