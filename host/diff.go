package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/confine"
)

// has refuses a method that the module lacks.
func (d *Driver) has(m abi.Method) error {
	if d.Description().Has(m) {
		return nil
	}
	return fmt.Errorf("driver %s has no %s: %w", d.cfg.Name, m, graphdriver.ErrUseNaive)
}

// between are the arguments of what compares a layer with an ancestor.
func (d *Driver) between(id, parent string) ([]byte, error) {
	args := idArgs(id)
	if parent == "" {
		return args, nil
	}
	args = abi.AppendFieldString(args, abi.FieldParent, parent)
	note, err := d.notes.layer(id)
	if err != nil {
		return nil, err
	}
	if note.Created != nil && note.Parent == parent && !ahead(note.Created) {
		args = abi.AppendFieldTime(args, abi.FieldCreated, note.Created.Sec, note.Created.Nsec)
	}
	return args, nil
}

// ahead reports that the clock went back since: then nothing is known.
func ahead(s *stamp) bool { return time.Unix(s.Sec, int64(s.Nsec)).After(time.Now()) }

// Diff implements graphdriver.DiffDriver. The layer stays locked until the
// reader is closed or has reached the end. A module that answers ErrUseNaive
// does so before the first byte, from Diff itself.
func (d *Driver) Diff(ctx context.Context, id, parent string) (io.ReadCloser, error) {
	if err := d.has(abi.MethodDiff); err != nil {
		return nil, err
	}
	args, err := d.between(id, parent)
	if err != nil {
		return nil, err
	}
	unlock, err := d.lock(ctx, id, reading, parent, reading)
	if err != nil {
		return nil, err
	}
	p := calls.Params{Method: abi.MethodDiff, ID: id, Parent: parent, Args: args}
	r, err := d.stream(ctx, p, unlock)
	return r, naive(err)
}

// stream runs a call that writes, behind a reader. It returns when the call
// has written its first byte or ended.
func (d *Driver) stream(ctx context.Context, p calls.Params, unlock func()) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	pr, pw := io.Pipe()
	first := &firstWrite{w: pw, begun: make(chan struct{})}
	p.Out = first
	s := &outStream{pr: pr, cancel: cancel, done: make(chan struct{})}
	// A reader that is slow must not keep a call that has to end.
	ended := func(cause error) {
		pw.CloseWithError(fmt.Errorf("driver %s: %s %s: %w", d.cfg.Name, p.Method, p.ID, cause))
	}
	stop := context.AfterFunc(ctx, func() { ended(context.Cause(ctx)) })
	left := context.AfterFunc(d.open, func() { cancel(context.Cause(d.open)) })
	go func() {
		defer close(s.done)
		defer unlock()
		defer cancel(nil)
		defer left()
		defer stop()
		c := calls.New(ctx, d.env, p)
		unblock := context.AfterFunc(c.Context(), func() {
			if cause := context.Cause(c.Context()); cause != calls.ErrFinished {
				ended(cause)
			}
		})
		_, err := d.run(c, p)
		unblock()
		s.err = err
		pw.CloseWithError(err)
	}()
	select {
	case <-first.begun:
		return s, nil
	case <-s.done:
		if s.err != nil {
			pr.Close()
			return nil, s.err
		}
		return s, nil
	}
}

// firstWrite tells when output has begun.
type firstWrite struct {
	w     io.Writer
	once  sync.Once
	begun chan struct{}
}

func (f *firstWrite) Write(p []byte) (int, error) {
	f.once.Do(func() { close(f.begun) })
	return f.w.Write(p)
}

// errLeft ends a call whose reader went away.
var errLeft = fmt.Errorf("the reader left: %w", context.Canceled)

// outStream is the reader of a call's output.
type outStream struct {
	pr     *io.PipeReader
	cancel context.CancelCauseFunc
	done   chan struct{}
	err    error // after done
}

func (s *outStream) Read(p []byte) (int, error) { return s.pr.Read(p) }

// WriteTo implements io.WriterTo: reader and writer take turns, and with a
// buffer as large as the writer's they take few.
func (s *outStream) WriteTo(w io.Writer) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{s.pr}, make([]byte, confine.TarBuffer))
}

// Close ends the call if it runs, and returns when it has ended.
func (s *outStream) Close() error {
	s.pr.CloseWithError(errLeft)
	s.cancel(errLeft)
	<-s.done
	return nil
}

// Changes implements graphdriver.DiffDriver.
func (d *Driver) Changes(ctx context.Context, id, parent string) ([]graphdriver.Change, error) {
	out, err := d.compare(ctx, abi.MethodChanges, id, parent)
	if err != nil {
		return nil, err
	}
	return graphdriver.NormalizeChanges(out.Changes), nil
}

// DiffSize implements graphdriver.DiffDriver.
func (d *Driver) DiffSize(ctx context.Context, id, parent string) (int64, error) {
	out, err := d.compare(ctx, abi.MethodDiffSize, id, parent)
	if err != nil {
		return 0, err
	}
	f, err := d.one(out, abi.FieldSize, abi.MethodDiffSize)
	if err != nil {
		return 0, err
	}
	n, ok := f.U64()
	if !ok || int64(n) < 0 {
		return 0, d.broken(abi.MethodDiffSize, "a size that is none")
	}
	return int64(n), nil
}

func (d *Driver) compare(ctx context.Context, m abi.Method, id, parent string) (*calls.Outcome, error) {
	if err := d.has(m); err != nil {
		return nil, err
	}
	unlock, err := d.lock(ctx, id, reading, parent, reading)
	if err != nil {
		return nil, err
	}
	defer unlock()
	args, err := d.between(id, parent)
	if err != nil {
		return nil, err
	}
	out, err := d.call(ctx, calls.Params{Method: m, ID: id, Parent: parent, Args: args})
	return out, naive(err)
}

// ApplyDiff implements graphdriver.DiffDriver.
func (d *Driver) ApplyDiff(ctx context.Context, id, parent string, diff io.Reader) (int64, error) {
	return d.ApplyEntries(ctx, id, parent, layertar.NewReader(diff, nil))
}

// ApplyEntries implements graphdriver.EntryApplier. The source is read to its
// end also where the driver is not: what is left is passed over.
func (d *Driver) ApplyEntries(ctx context.Context, id, parent string, src layertar.Source) (int64, error) {
	return d.applyEntries(ctx, id, parent, src, nil)
}

// ApplyEntriesEarly implements graphdriver.EarlyApplier: what the host itself
// looks up beneath the layer waits. A driver that does not claim to be
// independent of the parent waits from the beginning.
func (d *Driver) ApplyEntriesEarly(ctx context.Context, id, parent string, src layertar.Source, beneath func(context.Context) error) (int64, error) {
	if d.Description().Capabilities.DiffIndependentOfParent {
		return d.applyEntries(ctx, id, parent, src, beneath)
	}
	if err := beneath(ctx); err != nil {
		return 0, err
	}
	return d.applyEntries(ctx, id, parent, src, nil)
}

func (d *Driver) applyEntries(ctx context.Context, id, parent string, src layertar.Source, beneath func(context.Context) error) (int64, error) {
	if err := d.has(abi.MethodApplyDiff); err != nil {
		return 0, err
	}
	onto := reading
	if beneath != nil {
		onto = building
	}
	unlock, err := d.lock(ctx, id, filling, parent, onto)
	if err != nil {
		return 0, err
	}
	defer unlock()
	args := idArgs(id)
	if parent != "" {
		args = abi.AppendFieldString(args, abi.FieldParent, parent)
	}
	counted := &counting{Source: src}
	out, err := d.call(ctx, calls.Params{Method: abi.MethodApplyDiff, ID: id, Parent: parent, Args: args, Source: counted, Beneath: beneath})
	if err != nil {
		if err = naive(err); errors.Is(err, graphdriver.ErrUseNaive) {
			return 0, err // nothing of the source was read
		}
		return 0, errors.Join(err, drain(ctx, src))
	}
	if out.StoredAt != "" {
		if err := d.notes.setBase(id, out.StoredAt); err != nil {
			return 0, fmt.Errorf("driver %s: %s: %w", d.cfg.Name, abi.MethodApplyDiff, err)
		}
	}
	if d.Description().Capabilities.Deltas {
		return out.Applied.Stored, nil
	}
	return counted.size, nil
}
