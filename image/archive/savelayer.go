package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bulkhead/bulkhead/layer"
)

// errDirToStream: only a tar can be a stream.
var errDirToStream = errors.New("an OCI directory cannot be written to a stream: name a directory with -o")

// copyLayer writes a layer's archive and returns its length. It fails if
// what is stored is not what was registered, at the latest at the end.
func copyLayer(ctx context.Context, w io.Writer, l layer.Layer, progress Progress) (n int64, err error) {
	r, err := l.TarStream(ctx)
	if err != nil {
		return 0, err
	}
	progress.Start(l.DiffID(), -1)
	n, err = io.CopyBuffer(struct{ io.Writer }{w}, &watched{ctx: ctx, r: r, id: l.DiffID(), progress: progress}, make([]byte, 256<<10))
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		progress.Done(l.DiffID())
	}
	return n, err
}

func saveError(sel *selected, i int, id layer.DiffID, err error) error {
	return fmt.Errorf("save image %s: layer %d of %d (%s): %w", sel.img.ID.Short(), i+1, len(sel.img.RootFS.DiffIDs), id, err)
}
