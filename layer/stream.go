package layer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/layer/tarsplit"
)

// tarStream opens the verified archive of a layer.
func (s *Store) tarStream(ctx context.Context, rec *record) (io.ReadCloser, error) {
	if _, err := s.driver(); err != nil {
		return nil, err
	}
	split, err := s.openTarSplit(rec)
	if errors.Is(err, fs.ErrNotExist) {
		if graphdriver.CapabilitiesOf(s.opts.Driver).ReproducesExactDiffs {
			return s.diffStream(ctx, rec)
		}
		return nil, fmt.Errorf("layer %s: its %s is missing; pull or load the image again: %w", rec.chain, fileTarSplit, ErrCorrupt)
	}
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", rec.chain, err)
	}
	files, err := s.openFiles(ctx, rec.cacheID)
	if err != nil {
		return nil, oneLine(fmt.Errorf("layer %s: %w", rec.chain, err), split.Close())
	}
	return assembled(ctx, rec, split, files, func(err error) error { return err }), nil
}

// openTarSplit opens a layer's tar-split file, compressed as it is.
func (s *Store) openTarSplit(rec *record) (*os.File, error) { return s.openFile(rec, fileTarSplit) }

// openFile opens one of a layer's files. A commit may move it meanwhile.
func (s *Store) openFile(rec *record, name string) (*os.File, error) {
	for {
		s.mu.Lock()
		dir := rec.dir
		s.mu.Unlock()
		f, err := openRegular(filepath.Join(dir, name))
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		s.mu.Lock()
		moved := rec.dir != dir
		s.mu.Unlock()
		if !moved {
			return nil, err
		}
	}
}

// diffStream is the driver's own archive, verified.
func (s *Store) diffStream(ctx context.Context, rec *record) (io.ReadCloser, error) {
	rc, err := s.opts.Driver.Diff(ctx, rec.cacheID, rec.parentCacheID())
	if err != nil {
		return nil, fmt.Errorf("layer %s: driver %s: %w", rec.chain, s.opts.DriverName, err)
	}
	return &verified{rec: rec, r: rc, hash: sha256.New(), close: rc.Close}, nil
}

// assembled starts putting the archive together in a goroutine, which ends
// when the stream is closed or read to its end, or ctx is done. For bad see
// assembler.
func assembled(ctx context.Context, rec *record, split *os.File, files graphdriver.FileGetCloser, bad func(error) error) io.ReadCloser {
	between := newRelay(ctx)
	done := make(chan error, 1)
	go func() {
		between.end(unpack(ctx, rec, split, files, between, bad))
		done <- oneLine(split.Close(), files.Close())
	}()
	return &verified{rec: rec, r: between, hash: sha256.New(), close: func() error {
		between.leave()
		return <-done
	}}
}

// unpack writes the archive that the tar-split file describes.
func unpack(ctx context.Context, rec *record, split io.Reader, files graphdriver.FileGetCloser, w io.Writer, bad func(error) error) error {
	zip, err := gzip.NewReader(split)
	if err != nil {
		return unreadable(rec, err)
	}
	a := assembler{ctx: ctx, rec: rec, files: files, w: w, bad: bad}
	return a.run(tarsplit.NewReader(zip))
}

// verified is a stream that ends in an error unless it was the layer's.
type verified struct {
	rec    *record
	r      io.Reader
	hash   hash.Hash
	err    error
	close  func() error
	closed bool
}

func (v *verified) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.r.Read(p)
	v.hash.Write(p[:n])
	if err == io.EOF {
		if got := DiffID(digest.NewDigest(digest.SHA256, v.hash)); got != v.rec.diff {
			err = changed(v.rec, got)
		}
	}
	v.err = err
	return n, err
}

// Close may come at any time. It verifies nothing.
func (v *verified) Close() error {
	if v.closed {
		return nil
	}
	v.closed = true
	if v.err == nil {
		v.err = fs.ErrClosed
	}
	return v.close()
}

// changed says that a layer is not what was stored, and what to do.
func changed(rec *record, got DiffID) error {
	return fmt.Errorf("layer %s now reads as %s: files in its store were changed; pull, load or build the image again: %w", rec.diff, got, ErrCorrupt)
}
