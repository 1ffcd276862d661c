package v1

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// Delete removes an image, found as Get finds it, and its layer. It can be
// seen no more from the first moment on; what then fails is tried again by
// the next Open. That it has children or is held is the caller's to ask.
func (g *Graph) Delete(ctx context.Context, name string) error {
	id, err := g.index.find(name)
	if err != nil {
		return err
	}
	if g.opts.ReadOnly {
		return image.ErrReadOnly
	}
	release, err := g.locks.Acquire(ctx, id, true)
	if err != nil {
		return err
	}
	defer release()
	if !g.index.has(id) {
		return &NotFoundError{Name: name}
	}
	if err := g.delete(ctx, id); err != nil {
		return fmt.Errorf("remove image %s: %w", id, err)
	}
	return nil
}

func (g *Graph) delete(ctx context.Context, id string) error {
	if err := g.intend(id); err != nil {
		return err
	}
	tmp, err := g.tempDir()
	if err != nil {
		return err
	}
	trash := tmp + "-trash"
	if err := os.Rename(g.dir(id), trash); err != nil {
		return errors.Join(err, os.RemoveAll(tmp), g.forget(id))
	}
	g.index.remove(id)
	if err := durable.SyncDir(g.root); err != nil {
		return err
	}
	g.opts.Step(stepTrashed)
	if err := g.driver.Remove(ctx, id); err != nil {
		return errors.Join(fmt.Errorf("driver %s: %w", g.opts.DriverName, err), os.RemoveAll(tmp), os.RemoveAll(trash))
	}
	return errors.Join(os.RemoveAll(tmp), os.RemoveAll(trash), g.forget(id))
}
