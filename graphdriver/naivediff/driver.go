package naivediff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layerlock"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/host/confine"
)

// New completes a driver. Every method of DiffDriver takes the trees by Get
// and gives them back by Put.
func New(d graphdriver.ProtoDriver, opt confine.ApplyOptions) graphdriver.Driver {
	return &driver{ProtoDriver: d, opt: opt, locks: layerlock.New()}
}

type driver struct {
	graphdriver.ProtoDriver
	opt   confine.ApplyOptions
	locks *layerlock.Table
}

// Remove waits for the walks that use the layer.
func (d *driver) Remove(ctx context.Context, id string) error {
	unlock, err := d.locks.Acquire(ctx, id, true)
	if err != nil {
		return err
	}
	defer unlock()
	return d.ProtoDriver.Remove(ctx, id)
}

// tree is one layer that was taken by Get.
type tree struct {
	*confine.Dir
	put func() error
}

func (t *tree) close() error { return errors.Join(t.Dir.Close(), t.put()) }

func (d *driver) get(ctx context.Context, id string) (*tree, error) {
	unlock, err := d.locks.Acquire(ctx, id, false)
	if err != nil {
		return nil, err
	}
	p, err := d.Get(ctx, id, "")
	if err != nil {
		unlock()
		return nil, err
	}
	put := func() error {
		defer unlock()
		return d.Put(context.WithoutCancel(ctx), id)
	}
	dir, err := confine.OpenDir(p)
	if err != nil {
		return nil, errors.Join(err, put())
	}
	if d.opt.Unprivileged {
		dir.Believe(uint32(os.Geteuid()))
	}
	return &tree{Dir: dir, put: put}, nil
}

// trees takes both layers of a comparison.
func (d *driver) trees(ctx context.Context, id, parent string) (Trees, func() error, error) {
	child, err := d.get(ctx, id)
	if err != nil {
		return Trees{}, nil, err
	}
	if parent == "" {
		return Trees{New: child.Dir}, child.close, nil
	}
	old, err := d.get(ctx, parent)
	if err != nil {
		return Trees{}, nil, errors.Join(err, child.close())
	}
	return Trees{New: child.Dir, Old: old.Dir}, func() error { return errors.Join(child.close(), old.close()) }, nil
}

// Diff implements graphdriver.DiffDriver.
func (d *driver) Diff(ctx context.Context, id, parent string) (io.ReadCloser, error) {
	t, done, err := d.trees(ctx, id, parent)
	if err != nil {
		return nil, err
	}
	return Stream(ctx, t, done), nil
}

// Stream is Write behind a reader. done is called when the walk has ended;
// Close waits for it and returns its error.
func Stream(ctx context.Context, t Trees, done func() error) io.ReadCloser {
	ctx, cancel := context.WithCancelCause(ctx)
	pr, pw := io.Pipe()
	s := &stream{PipeReader: pr, cancel: cancel, ended: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { pw.CloseWithError(context.Cause(ctx)) })
	go func() {
		defer close(s.ended)
		defer cancel(nil)
		defer stop()
		err := Write(ctx, pw, t)
		s.err = done()
		pw.CloseWithError(errors.Join(err, s.err))
	}()
	return s
}

type stream struct {
	*io.PipeReader
	cancel context.CancelCauseFunc
	ended  chan struct{}
	err    error
}

// Close ends the walk if it goes on.
func (s *stream) Close() error {
	s.PipeReader.Close()
	s.cancel(context.Canceled)
	<-s.ended
	return s.err
}

// Changes implements graphdriver.DiffDriver.
func (d *driver) Changes(ctx context.Context, id, parent string) (out []graphdriver.Change, err error) {
	t, done, err := d.trees(ctx, id, parent)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	return Changes(ctx, t)
}

// DiffSize implements graphdriver.DiffDriver.
func (d *driver) DiffSize(ctx context.Context, id, parent string) (size int64, err error) {
	t, done, err := d.trees(ctx, id, parent)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, done()) }()
	return Size(ctx, t)
}

// ApplyDiff implements graphdriver.DiffDriver.
func (d *driver) ApplyDiff(ctx context.Context, id, parent string, diff io.Reader) (int64, error) {
	return d.ApplyEntries(ctx, id, parent, layertar.NewReader(diff, nil))
}

// ApplyEntries implements graphdriver.EntryApplier.
func (d *driver) ApplyEntries(ctx context.Context, id, _ string, src layertar.Source) (size int64, err error) {
	t, err := d.get(ctx, id)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	done, err := Apply(ctx, t.Dir, src, d.opt)
	return done.Size, err
}

// DiffGetter implements graphdriver.DiffGetterDriver.
func (d *driver) DiffGetter(ctx context.Context, id string) (graphdriver.FileGetCloser, error) {
	t, err := d.get(ctx, id)
	if err != nil {
		return nil, err
	}
	return &Files{Dir: t.Dir, Done: t.close}, nil
}

// Files reads a layer's files by the names that its archive gave them: a name
// resolves as it did when the entry was written.
type Files struct {
	Dir *confine.Dir
	// Done is called by Close.
	Done func() error
}

// Get implements graphdriver.FileGetCloser.
func (f *Files) Get(name string) (io.ReadCloser, error) {
	p, err := layertar.CleanName(name)
	if err != nil {
		return nil, err
	}
	file, err := f.Dir.OpenRegular(p, confine.InRoot)
	switch {
	case err == nil:
		return file, nil
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%w: %w", err, graphdriver.ErrNotFound)
	case errors.Is(err, confine.ErrNotRegular):
		return nil, fmt.Errorf("%w: %w", err, graphdriver.ErrCorrupt)
	}
	return nil, err
}

// Close implements graphdriver.FileGetCloser.
func (f *Files) Close() error { return f.Done() }
