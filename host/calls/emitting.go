package calls

import (
	"fmt"
	"io"
	"syscall"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/confine"
)

// emitting is the state of diff, read_file and changes.
type emitting struct {
	tar     *confine.TarWriter
	stream  bool
	changes []graphdriver.Change
	bytes   int64
	own     *ownContent
}

// ownContent is a file whose content the guest writes.
type ownContent struct {
	w    *io.PipeWriter
	left int64
}

func (c *Call) inEmit(methods ...abi.Method) (*emitting, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	for _, m := range methods {
		if c.p.Method == m {
			if c.out == nil {
				c.out = &emitting{}
			}
			c.began = true
			return c.out, nil
		}
	}
	return nil, fmt.Errorf("output in %s: %w", c.p.Method, abi.BadOrder)
}

// DiffEmit implements Imports.
func (c *Call) DiffEmit(recs []byte) int32 {
	o, err := c.inEmit(abi.MethodDiff)
	if err != nil {
		return c.answer(err)
	}
	if o.stream {
		return c.stick(fmt.Errorf("diff_emit after stream_write: %w", abi.BadOrder))
	}
	if o.tar == nil {
		o.tar = confine.NewTarWriter(c.ctx, c.p.Out, nil)
	}
	defer c.clock.wait()()
	for len(recs) > 0 {
		rec, rest, ok, code := abi.Next(recs)
		if code != abi.OK || !ok {
			return c.stick(fmt.Errorf("diff_emit: malformed record: %w", abi.Invalid))
		}
		e, ok := abi.ParseEmit(rec)
		if !ok || e.Flags&^(abi.EmitOwnContent|abi.EmitLayer) != 0 {
			return c.stick(fmt.Errorf("diff_emit: record of kind %#x: %w", rec.Kind, abi.Invalid))
		}
		if err := c.emit(o, e, len(rest) == 0); err != nil {
			return c.stick(err)
		}
		recs = rest
	}
	return 0
}

func (c *Call) emit(o *emitting, e abi.Emit, last bool) error {
	if err := o.endOwn(); err != nil {
		return err
	}
	if err := c.emits(o, e.Name); err != nil {
		return err
	}
	name, err := abiPath(e.Name)
	if err != nil {
		return err
	}
	b, p, err := c.treeAt(e.Base, e.Path)
	if err != nil {
		return err
	}
	switch {
	case e.Kind == abi.EmitWhiteout && e.Flags == 0:
		if name == "." || e.Base != 0 {
			return fmt.Errorf("a whiteout of the root, or with a base: %w", abi.Invalid)
		}
		return o.tar.Whiteout(nil, name)
	case e.Kind == abi.EmitTree && e.Flags&abi.EmitOwnContent == 0:
		told := func(name string) error { return c.emits(o, []byte(name)) }
		if e.Flags == 0 {
			return o.tar.Tree(b.tree(), p, name, told)
		}
		if b.stack == nil {
			return fmt.Errorf("the top of what is no stack: %w", abi.Invalid)
		}
		return o.tar.Layer(b.stack, p, name, told)
	case e.Kind != abi.EmitFile || e.Flags&abi.EmitLayer != 0:
		return fmt.Errorf("unknown emit %d with flags %#x: %w", e.Kind, e.Flags, abi.Invalid)
	case e.Flags&abi.EmitOwnContent == 0:
		return o.tar.File(b.tree(), p, name)
	case !last:
		return fmt.Errorf("an entry with own content was not the last of its batch: %w", abi.Invalid)
	}
	r, w := io.Pipe()
	size, err := o.tar.OwnContent(b.tree(), p, name, r)
	if err != nil {
		return err
	}
	o.own = &ownContent{w: w, left: size}
	return nil
}

// endOwn closes the content that a guest was writing.
func (o *emitting) endOwn() error {
	if o.own == nil {
		return nil
	}
	own := o.own
	o.own = nil
	if own.left != 0 {
		err := fmt.Errorf("%d bytes of content are missing: %w", own.left, graphdriver.ErrCorrupt)
		own.w.CloseWithError(err)
		return err
	}
	return own.w.Close()
}

// EntryWrite implements Imports.
func (c *Call) EntryWrite(buf []byte) int32 {
	o, err := c.inEmit(abi.MethodDiff)
	if err != nil {
		return c.answer(err)
	}
	if o.own == nil {
		return c.stick(fmt.Errorf("entry_write without an entry: %w", abi.BadOrder))
	}
	if int64(len(buf)) > o.own.left {
		return c.stick(fmt.Errorf("content beyond the size of the entry: %w", graphdriver.ErrCorrupt))
	}
	defer c.clock.wait()()
	n, err := o.own.w.Write(buf)
	o.own.left -= int64(n)
	if err != nil {
		return c.stick(err)
	}
	return 0
}

// StreamWrite implements Imports.
func (c *Call) StreamWrite(buf []byte) int32 {
	o, err := c.inEmit(abi.MethodDiff, abi.MethodReadFile)
	if err != nil {
		return c.answer(err)
	}
	if o.tar != nil {
		return c.stick(fmt.Errorf("stream_write after diff_emit: %w", abi.BadOrder))
	}
	o.stream = true
	defer c.clock.wait()()
	if _, err := c.p.Out.Write(buf); err != nil {
		return c.stick(err)
	}
	return 0
}

// ChangesEmit implements Imports.
func (c *Call) ChangesEmit(recs []byte) int32 {
	o, err := c.inEmit(abi.MethodChanges)
	if err != nil {
		return c.answer(err)
	}
	for len(recs) > 0 {
		rec, rest, ok, code := abi.Next(recs)
		if code != abi.OK || !ok {
			return c.stick(fmt.Errorf("changes_emit: malformed record: %w", abi.Invalid))
		}
		ch, ok := abi.ParseChange(rec)
		if !ok || rec.Flags != 0 || ch.Kind > abi.ChangeDeleted {
			return c.stick(fmt.Errorf("changes_emit: record of kind %#x: %w", rec.Kind, abi.Invalid))
		}
		p, err := abiPath(ch.Path)
		if err == nil && p == "." {
			err = syscall.EINVAL
		}
		if err != nil {
			return c.stick(fmt.Errorf("changes_emit: %w", err))
		}
		if err := c.emits(o, ch.Path); err != nil {
			return c.stick(err)
		}
		o.changes = append(o.changes, graphdriver.Change{Path: "/" + p, Kind: graphdriver.ChangeKind(ch.Kind)})
		recs = rest
	}
	return 0
}

// emits counts a record that the host keeps the name of.
func (c *Call) emits(o *emitting, name []byte) error {
	if o.bytes += int64(len(name)) + 64; o.bytes > c.env.Limits.Output {
		return &LimitError{Limit: "output", Value: fmt.Sprint(c.env.Limits.Output)}
	}
	return nil
}

// finish ends the archive, if one was begun.
func (o *emitting) finish(failed error) error {
	if err := o.endOwn(); failed == nil {
		failed = err
	}
	if o.tar == nil {
		return failed
	}
	if err := o.tar.Close(failed); failed == nil {
		failed = err
	}
	return failed
}
