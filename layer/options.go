package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Options say which store to open and how.
type Options struct {
	// Root is the directory that holds image/, bulkhead/ and the drivers'
	// homes, as /var/lib/docker does.
	Root string
	// DriverName names the directories of the driver beneath image/ and
	// bulkhead/.
	DriverName string
	// Driver holds the trees. With nil, layers can be listed and counted;
	// whatever needs a tree fails and says so.
	Driver graphdriver.Driver
	// DriverHome is the driver's directory, by default Root/DriverName. Its
	// file system is what a commit syncs.
	DriverHome string
	// ReadOnly opens without writing anything: nothing is recovered or
	// created, and every mutation is ErrReadOnly.
	ReadOnly bool
	// Damaged opens a store to mend it (Mend): what an earlier process left
	// undone is left so, and a layer that the driver cannot seal is no error.
	Damaged bool
	// Sizes opens to tell what a listing of images does, from a fourth of the
	// files: layers have no cache ID, and no diff ID and no parent but by Link,
	// and one is not known as unusable for want of these. It needs ReadOnly and
	// no Driver.
	Sizes bool
	// Log may be nil.
	Log *zap.Logger
	// Compression is the gzip level of tar-split data, 1 to 9. The default
	// is the fastest.
	Compression int
	// Step, if not nil, is told the name of each step of a commit or a
	// removal when it is done, so that a test may stop the world there.
	Step func(name string)

	before func(op, path string) error // see disk
}

// RegisterOptions are what Register takes beside the archive. The zero value
// asks for nothing.
type RegisterOptions struct {
	// Expected, if not "", is what the archive has to hash to; anything else
	// is ErrDigestMismatch and nothing stays. It also lets a layer that is
	// there already be found before the archive is read.
	Expected DiffID
	// Reopen, if not nil, opens the archive once more. With it the layer may be
	// unpacked while its parent is, where the driver says that it can; should
	// it turn out that it cannot, the archive is read again from the beginning.
	Reopen func(ctx context.Context) (io.ReadCloser, error)
	// Descriptor, if not empty, is JSON that is kept with the layer as
	// descriptor.json, where moby keeps a foreign layer's.
	Descriptor []byte
	// Entries, if not 0, is how many the archive may have at most; more are a
	// layertar.EntriesError.
	Entries int64
	// Progress, if not nil, is told from time to time how many bytes of the
	// archive have been read. It must not block.
	Progress func(n int64)
}

func (o Options) fill() (Options, error) {
	if o.Root == "" {
		return o, errors.New("layer store: no root directory given")
	}
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return o, fmt.Errorf("layer store: %w", err)
	}
	o.Root = root
	if o.DriverName == "" || o.DriverName == "." || o.DriverName == ".." || strings.ContainsAny(o.DriverName, "/\x00") {
		return o, fmt.Errorf("layer store: %q is no name for a driver", o.DriverName)
	}
	if o.DriverHome == "" {
		o.DriverHome = filepath.Join(o.Root, o.DriverName)
	}
	if o.Sizes && (!o.ReadOnly || o.Driver != nil) {
		return o, errors.New("layer store: to be opened for sizes, and for something else")
	}
	if o.Compression == 0 {
		o.Compression = 1
	}
	if o.Compression < 1 || o.Compression > 9 {
		return o, fmt.Errorf("layer store: compression level %d is not between 1 and 9", o.Compression)
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	return o, nil
}
