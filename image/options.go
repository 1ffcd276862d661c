package image

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/layer"
)

// Layers is what images need of a layer store; *layer.Store provides it.
type Layers interface {
	Get(id layer.ChainID) (layer.Layer, error)
	Map() map[layer.ChainID]layer.Layer
	Release(ctx context.Context, l layer.Layer) ([]layer.Removed, error)
	// Link says what an image's layers are, to a store that does not know how
	// its layers lie on one another, and returns how many of them are there.
	Link(diffs []layer.DiffID, chain []layer.ChainID) (there int)
	// Settle removes what an earlier process left without an image.
	Settle(ctx context.Context) error
	// Doubt goes before a Release that may remove layers.
	Doubt(l layer.Layer) (end func() error, err error)
	// MountedAt lists where layers are mounted that go with the last
	// reference to l.
	MountedAt(ctx context.Context, l layer.Layer) ([]graphdriver.Mount, error)
	Verifier() *layer.Verifier
}

// Options say which store to open and how.
type Options struct {
	// Root is the directory that holds image/, as /var/lib/docker does.
	Root string
	// DriverName names the directory beneath image/.
	DriverName string
	// Layers holds the layers of the images.
	Layers Layers
	// DriverMetadata says that Layers has a driver to ask where it keeps a
	// layer, for Inspect.
	DriverMetadata bool
	// ReadOnly opens without writing anything; every mutation is ErrReadOnly.
	ReadOnly bool
	// Damaged opens also where the file of names cannot be read: then no image
	// has any, and Examine says why. Nothing that an earlier process left undone
	// is finished.
	Damaged bool
	// Log may be nil.
	Log *zap.Logger
	// Step, if not nil, is told the name of each step of a change when it is
	// done, so that a test may stop the world there.
	Step func(name string)
	// Now is the clock, by default time.Now.
	Now func() time.Time
}

func (o Options) fill() (Options, error) {
	if o.Root == "" {
		return o, errors.New("image store: no root directory given")
	}
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return o, fmt.Errorf("image store: %w", err)
	}
	o.Root = root
	if o.DriverName == "" || o.DriverName == "." || o.DriverName == ".." || strings.ContainsAny(o.DriverName, "/\x00") {
		return o, fmt.Errorf("image store: %q is no name for a driver", o.DriverName)
	}
	if o.Layers == nil {
		return o, errors.New("image store: no layer store given")
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}
