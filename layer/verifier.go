package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/gzip"
	"github.com/vbatts/tar-split/tar/storage"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/layer/tarsplit"
	"github.com/bulkhead/bulkhead/layer/treecheck"
)

// Verifier verifies layers. It remembers what the last one's archives say, so
// that the layers of a chain, lowest first, are read once each. It is for one
// goroutine.
type Verifier struct {
	s     *Store
	chain ChainID
	tree  *treecheck.Model // of all archives up to chain
}

// Verifier begins to verify layers.
func (s *Store) Verifier() *Verifier { return &Verifier{s: s} }

// Verify reads the whole of one layer, not of those beneath it, and compares
// it with what was registered: the content with the digest, and what lies on
// disk with what the archive says of it, which is what a container sees. It
// reports every file that is not as it was (*FileError) and the digest,
// joined; all wrap ErrCorrupt. Other errors mean that the layer could not be
// read.
func (v *Verifier) Verify(ctx context.Context, id ChainID) error {
	return v.s.with(ctx, id, func(rec *record) error {
		err := v.s.verify(ctx, rec)
		if err == nil || errors.Is(err, ErrCorrupt) {
			return errors.Join(err, v.verifyTree(ctx, rec))
		}
		return err
	})
}

// with looks a layer up and keeps it from being removed meanwhile.
func (s *Store) with(ctx context.Context, id ChainID, do func(*record) error) error {
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
	return do(rec)
}

// verifyTree compares what lies on disk with what the archive says.
func (v *Verifier) verifyTree(ctx context.Context, rec *record) (err error) {
	trees, ok := v.s.opts.Driver.(graphdriver.TreeDriver)
	if !ok {
		return nil // nobody but the driver knows what lies there
	}
	below := ChainID("")
	if rec.parent != nil {
		below = rec.parent.chain
	}
	if err := v.advance(ctx, below, rec.parent); err != nil {
		return err
	}
	var own *treecheck.Model
	if graphdriver.CapabilitiesOf(v.s.opts.Driver).Deltas {
		own = treecheck.NewDelta(v.tree)
		if err := v.s.addEntries(ctx, own, rec); err != nil {
			return err
		}
	} else {
		if err := v.s.addEntries(ctx, v.tree, rec); err != nil {
			v.tree = nil
			return err
		}
		v.chain, own = rec.chain, v.tree
	}
	tree, err := trees.StoredTree(ctx, rec.cacheID)
	if errors.Is(err, graphdriver.ErrNotSupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("layer %s: driver %s: %w", rec.diff, v.s.opts.DriverName, err)
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	var bad []error
	err = own.Compare(ctx, tree, func(d treecheck.Difference) error {
		if len(bad) == maxReported {
			return errEnough
		}
		bad = append(bad, &FileError{Layer: rec.diff, File: d.Path, Cause: errors.New(d.What)})
		return nil
	})
	if errors.Is(err, errEnough) {
		err = fmt.Errorf("layer %s: more than %d files are not as they were: %w", rec.diff, maxReported, ErrCorrupt)
	}
	return errors.Join(append(bad, err)...)
}

// maxReported is how many files of one layer are named.
const maxReported = 100

var errEnough = errors.New("enough")

// advance brings the tree to what lies beneath a layer.
func (v *Verifier) advance(ctx context.Context, to ChainID, rec *record) error {
	if v.tree != nil && v.chain == to {
		return nil
	}
	var missing []*record
	for ; rec != nil && (v.tree == nil || rec.chain != v.chain); rec = rec.parent {
		missing = append(missing, rec)
	}
	if rec == nil {
		v.tree = treecheck.NewTree()
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := v.s.addEntries(ctx, v.tree, missing[i]); err != nil {
			v.tree = nil
			return err
		}
	}
	v.chain = to
	return nil
}

// addEntries puts what a layer's archive says on top of a model. Content is
// not read.
func (s *Store) addEntries(ctx context.Context, m *treecheck.Model, rec *record) (err error) {
	r, err := s.headers(ctx, rec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	err = m.Add(layertar.NewReader(r, nil))
	if errors.Is(err, layertar.ErrRefused) || errors.Is(err, treecheck.ErrUnclear) {
		return unreadable(rec, err)
	}
	return err
}

// headers is a layer's archive with zeros in place of the files' content, or
// the archive itself where there is no tar-split data.
func (s *Store) headers(ctx context.Context, rec *record) (io.ReadCloser, error) {
	split, err := s.openTarSplit(rec)
	if errors.Is(err, fs.ErrNotExist) && graphdriver.CapabilitiesOf(s.opts.Driver).ReproducesExactDiffs {
		return s.diffStream(ctx, rec)
	}
	if err != nil {
		return nil, unreadable(rec, err)
	}
	zip, err := gzip.NewReader(split)
	if err != nil {
		return nil, oneLine(unreadable(rec, err), split.Close())
	}
	return &blank{ctx: ctx, rec: rec, up: tarsplit.NewReader(zip), left: rec.size, close: split.Close}, nil
}

// blank is an archive whose files are all zeros.
type blank struct {
	ctx     context.Context
	rec     *record
	up      storage.Unpacker
	segment []byte
	zeros   int64
	left    int64 // of what the files may have together
	close   func() error
}

func (b *blank) Read(p []byte) (int, error) {
	for len(b.segment) == 0 && b.zeros == 0 {
		if err := b.ctx.Err(); err != nil {
			return 0, err
		}
		e, err := b.up.Next()
		switch {
		case err == io.EOF:
			return 0, io.EOF
		case err != nil:
			return 0, unreadable(b.rec, err)
		case e.Type == storage.SegmentType:
			b.segment = e.Payload
		case e.Size < 0 || e.Size > b.left:
			return 0, unreadable(b.rec, fmt.Errorf("file %q is larger than the layer", e.GetName()))
		default:
			b.zeros = e.Size
			b.left -= e.Size
		}
	}
	if len(b.segment) > 0 {
		n := copy(p, b.segment)
		b.segment = b.segment[n:]
		return n, nil
	}
	n := int(min(int64(len(p)), b.zeros))
	clear(p[:n])
	b.zeros -= int64(n)
	return n, nil
}

func (b *blank) Close() error { return b.close() }
