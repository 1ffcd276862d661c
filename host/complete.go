package host

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/graphdriver/naivediff"
	"github.com/bulkhead/bulkhead/graphdriver/treediff"
	"github.com/bulkhead/bulkhead/host/confine"
)

// Completed is a Driver whose missing methods of DiffDriver are done by the
// host, which compares and fills the trees that Get names. A module asks for
// that by lacking the method, or by answering UseNaive.
type Completed struct{ *Driver }

// Complete completes a driver.
func Complete(d *Driver) *Completed { return &Completed{d} }

// taken are trees with their locks.
type taken struct {
	naivediff.Trees
	release []func() error
}

func (t *taken) close() error {
	var err error
	for i := len(t.release) - 1; i >= 0; i-- {
		err = errors.Join(err, t.release[i]())
	}
	return err
}

// take opens the trees of a layer and an ancestor.
func (c *Completed) take(ctx context.Context, id, parent string) (t *taken, err error) {
	t = &taken{}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	unlock, err := c.lock(ctx, id, reading, parent, reading)
	if err != nil {
		return t, err
	}
	t.release = append(t.release, func() error {
		unlock()
		return nil
	})
	if t.New, err = c.tree(ctx, t, id); err != nil || parent == "" {
		return t, err
	}
	if t.Old, err = c.tree(ctx, t, parent); err != nil {
		return t, err
	}
	note, err := c.notes.layer(id)
	if n := note.Created; err == nil && n != nil && note.Parent == parent && !ahead(n) {
		t.Created = treediff.Created{Sec: n.Sec, Nsec: n.Nsec, Known: true}
	}
	return t, err
}

// tree opens what a layer's spec shows, without a mount.
func (c *Completed) tree(ctx context.Context, t *taken, id string) (confine.Tree, error) {
	l, err := c.spec(ctx, id, "")
	if err != nil {
		return nil, err
	}
	t.release = append(t.release, l.close)
	return l.tree(), nil
}

// Diff implements graphdriver.DiffDriver.
func (c *Completed) Diff(ctx context.Context, id, parent string) (io.ReadCloser, error) {
	r, err := c.Driver.Diff(ctx, id, parent)
	if !errors.Is(err, graphdriver.ErrUseNaive) {
		return r, err
	}
	t, err := c.take(ctx, id, parent)
	if err != nil {
		return nil, err
	}
	return naivediff.Stream(ctx, t.Trees, t.close), nil
}

// Changes implements graphdriver.DiffDriver.
func (c *Completed) Changes(ctx context.Context, id, parent string) (out []graphdriver.Change, err error) {
	out, err = c.Driver.Changes(ctx, id, parent)
	if !errors.Is(err, graphdriver.ErrUseNaive) {
		return out, err
	}
	t, err := c.take(ctx, id, parent)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	return naivediff.Changes(ctx, t.Trees)
}

// DiffSize implements graphdriver.DiffDriver.
func (c *Completed) DiffSize(ctx context.Context, id, parent string) (size int64, err error) {
	size, err = c.Driver.DiffSize(ctx, id, parent)
	if !errors.Is(err, graphdriver.ErrUseNaive) {
		return size, err
	}
	t, err := c.take(ctx, id, parent)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	return naivediff.Size(ctx, t.Trees)
}

// ApplyDiff implements graphdriver.DiffDriver.
func (c *Completed) ApplyDiff(ctx context.Context, id, parent string, diff io.Reader) (int64, error) {
	return c.ApplyEntries(ctx, id, parent, layertar.NewReader(diff, nil))
}

// ApplyEntries implements graphdriver.EntryApplier.
func (c *Completed) ApplyEntries(ctx context.Context, id, parent string, src layertar.Source) (size int64, err error) {
	size, err = c.Driver.ApplyEntries(ctx, id, parent, src)
	if !errors.Is(err, graphdriver.ErrUseNaive) {
		return size, err
	}
	return c.applyNaively(ctx, id, parent, src)
}

// ApplyEntriesEarly implements graphdriver.EarlyApplier.
func (c *Completed) ApplyEntriesEarly(ctx context.Context, id, parent string, src layertar.Source, beneath func(context.Context) error) (size int64, err error) {
	size, err = c.Driver.ApplyEntriesEarly(ctx, id, parent, src, beneath)
	if !errors.Is(err, graphdriver.ErrUseNaive) {
		return size, err
	}
	if err := beneath(ctx); err != nil {
		return 0, err
	}
	return c.applyNaively(ctx, id, parent, src)
}

func (c *Completed) applyNaively(ctx context.Context, id, parent string, src layertar.Source) (int64, error) {
	unlock, err := c.lock(ctx, id, filling, parent, reading)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if c.env.Seals.Sealed(id) {
		return 0, c.broken(abi.MethodApplyDiff, "use naive for a layer that is committed")
	}
	base, err := c.base(ctx, id)
	if err != nil {
		return 0, err
	}
	dir, err := c.home.Sub(base, confine.NoLinks)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	end, err := c.spend(ctx, abi.MethodApplyDiff)
	if err != nil {
		return 0, err
	}
	defer end()
	done, err := naivediff.Apply(ctx, dir, src, confine.ApplyOptions{Unprivileged: c.cfg.Unprivileged})
	if err != nil {
		return 0, errors.Join(c.named(fmt.Errorf("%s %s: %w", abi.MethodApplyDiff, id, err)), drain(ctx, src))
	}
	return done.Size, c.notes.setBase(id, base)
}
