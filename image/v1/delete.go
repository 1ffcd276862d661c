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
		trash = g.dir(id) // it goes from where it lies, if it is there at all
	}
	g.index.remove(id)
	if err := durable.SyncDir(g.root); err != nil {
		return err
	}
	g.opts.Step(stepTrashed)
	// The directory first: the intent to remove the layer counts only without.
	if err := errors.Join(os.RemoveAll(tmp), os.RemoveAll(trash)); err != nil {
		return err
	}
	if err := g.driver.Remove(ctx, id); err != nil {
		return fmt.Errorf("driver %s: %w", g.opts.DriverName, err)
	}
	return g.forget(id)
}
