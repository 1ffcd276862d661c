package archive

import (
	"context"
	"io"

	"github.com/bulkhead/bulkhead/layer"
)

// Progress is told how far a transfer is, layer by layer. Calls come from
// several goroutines and must not block.
type Progress interface {
	// Start: a layer begins. total is the number of bytes that will be told
	// of, or -1 if that is not known.
	Start(id layer.DiffID, total int64)
	// Advance: so many bytes more.
	Advance(id layer.DiffID, n int64)
	// Done: the layer is complete. It is not called for one that failed.
	Done(id layer.DiffID)
}

// silent is the Progress of those who do not ask for any.
type silent struct{}

func (silent) Start(layer.DiffID, int64)   {}
func (silent) Advance(layer.DiffID, int64) {}
func (silent) Done(layer.DiffID)           {}

// watched is a reader that tells of its progress and ends with ctx.
type watched struct {
	ctx      context.Context
	r        io.Reader
	id       layer.DiffID
	progress Progress
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.r.Read(p)
	w.progress.Advance(w.id, int64(n))
	return n, err
}
