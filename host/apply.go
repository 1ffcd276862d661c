package host

import (
	"context"
	"io"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// counting sizes a layer by what its archive brings, which is how moby sizes
// one that is unpacked into a copy of its parent.
type counting struct {
	layertar.Source
	size int64
}

// Next implements layertar.Source.
func (c *counting) Next() (*layertar.Entry, error) {
	e, err := c.Source.Next()
	if err == nil {
		c.size += e.Size
	}
	return e, err
}

// drain reads what a failed driver left, so that whoever feeds the archive is
// not left waiting. Its end tells nothing new.
func drain(ctx context.Context, src layertar.Source) error {
	for ctx.Err() == nil {
		if _, err := src.Next(); err != nil {
			return nil
		}
	}
	return nil
}

var _ io.Reader = (*counting)(nil)
