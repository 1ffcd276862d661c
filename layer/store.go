package layer

import (
	"context"
	"errors"
	"io"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Store is the layers of one driver beneath one root. All methods may be
// called concurrently.
//
// A store does not lock its root against other processes: whoever opens it
// holds a rootlock for as long.
type Store struct {
	opts Options
}

// Open loads the layers beneath opts.Root. A layer directory that is not
// whole does not keep the others from being used; see Broken.
//
// Unless opened to read or without a driver, it first finishes what an
// earlier process left undone: layers begun and not committed are removed
// (those in our own journal, no others), removals begun are completed.
// A root without layers is created when opened to write, and is an empty
// store when opened to read.
func Open(ctx context.Context, opts Options) (*Store, error) {
	return nil, errors.ErrUnsupported
}

// Close ends the use of the store. It does not touch the driver. Sessions
// have to be closed before.
func (s *Store) Close() error { return errors.ErrUnsupported }

// Get returns a layer and takes a reference on it. An unknown one is
// ErrNotFound.
func (s *Store) Get(id ChainID) (Layer, error) { return nil, errors.ErrUnsupported }

// Map returns all layers, without references: one may be removed by someone
// else at any time, its methods then fail, and it cannot be released.
func (s *Store) Map() map[ChainID]Layer { return nil }

// Register stores the archive in r as a layer on top of parent, "" for none,
// and returns it with a reference. It is NewSession, Session.Register,
// Session.Commit: the layer is committed and durable when Register returns,
// and after an error nothing of it stays.
func (s *Store) Register(ctx context.Context, r io.Reader, parent ChainID, opts RegisterOptions) (Layer, error) {
	return nil, errors.ErrUnsupported
}

// Removed describes a layer that Release removed.
type Removed struct {
	ChainID  ChainID
	DiffID   DiffID
	Size     int64 // with all beneath it
	DiffSize int64
}

// Release gives one reference back. With the last one a layer that has no
// layers on top and no container (layerdb/mounts) is removed, and then its
// parents as far as nothing else keeps them; they are returned from the top
// down, also those removed before an error.
//
// References live in memory only: whoever releases has first taken
// references for everything that is to stay, as an image store does for its
// images. A layer that was released before, came from Map, or is another
// store's is ErrNotRetained.
func (s *Store) Release(ctx context.Context, l Layer) ([]Removed, error) {
	return nil, errors.ErrUnsupported
}

// Verify reads the whole of one layer, not of those beneath it, and compares
// it with what was registered. It reports every file that is not as it was
// (*FileError) and the digest, joined; all wrap ErrCorrupt. Other errors mean
// that the layer could not be read.
func (s *Store) Verify(ctx context.Context, id ChainID) error { return errors.ErrUnsupported }

// Broken lists the layer directories that were found unusable when the store
// was opened, each as a *BrokenError.
func (s *Store) Broken() []error { return nil }

// BrokenError says which layer directory cannot be used and why. It wraps
// ErrCorrupt.
type BrokenError struct {
	// Dir is the name beneath layerdb/sha256.
	Dir   string
	Cause error
}

func (e *BrokenError) Error() string { return "layer directory " + e.Dir + ": " + e.Cause.Error() }

// Unwrap makes errors.Is find ErrCorrupt and the cause.
func (e *BrokenError) Unwrap() []error { return []error{ErrCorrupt, e.Cause} }

// DriverName is the name that the store was opened with.
func (s *Store) DriverName() string { return s.opts.DriverName }

// Driver is the driver that the store was opened with, nil for none.
func (s *Store) Driver() graphdriver.Driver { return s.opts.Driver }

// Root is the directory that the store was opened with, absolute.
func (s *Store) Root() string { return s.opts.Root }

// ReadOnly tells how the store was opened.
func (s *Store) ReadOnly() bool { return s.opts.ReadOnly }

// Status is what the driver says of itself.
func (s *Store) Status(ctx context.Context) ([]graphdriver.Pair, error) {
	return nil, errors.ErrUnsupported
}
