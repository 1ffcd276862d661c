package guest

import "github.com/bulkhead/bulkhead/abi"

// Emit adds what lies at path beneath base to the diff, under that name.
// Parents come before children. Emits cross the border in batches; an error
// may belong to an earlier one.
func (c *Call) Emit(base Base, path []byte) error {
	return c.emit(abi.Emit{Kind: abi.EmitFile, Base: uint64(base), Path: path})
}

// EmitAs is Emit under another name.
func (c *Call) EmitAs(base Base, path, name []byte) error {
	return c.emit(abi.Emit{Kind: abi.EmitFile, Base: uint64(base), Path: path, Name: name})
}

// EmitTree adds all that lies beneath a directory, under those names.
func (c *Call) EmitTree(base Base, path []byte) error {
	return c.emit(abi.Emit{Kind: abi.EmitTree, Base: uint64(base), Path: path})
}

// EmitLayer adds what the top of a stack holds, as the diff to the rest of it.
func (c *Call) EmitLayer(stack Base) error {
	return c.emit(abi.Emit{Flags: abi.EmitLayer, Kind: abi.EmitTree, Base: uint64(stack), Path: []byte(".")})
}

// EmitWhiteout says in the diff that name is deleted.
func (c *Call) EmitWhiteout(name []byte) error {
	return c.emit(abi.Emit{Kind: abi.EmitWhiteout, Path: name})
}

// EmitOwn is EmitAs for a driver that stores content its own way: the host
// takes metadata and size from the file and the content from content, piece by
// piece, until it returns nothing.
func (c *Call) EmitOwn(base Base, path, name []byte, content func() ([]byte, error)) error {
	if err := c.emit(abi.Emit{Flags: abi.EmitOwnContent, Kind: abi.EmitFile, Base: uint64(base), Path: path, Name: name}); err != nil {
		return err
	}
	if err := c.flush(); err != nil {
		return err
	}
	for {
		b, err := content()
		if err != nil || len(b) == 0 {
			return err
		}
		if err := check(c.host.EntryWrite(b)); err != nil {
			return err
		}
	}
}

func (c *Call) emit(e abi.Emit) error {
	if err := c.room(24+2*abi.MaxPath+8, Host.DiffEmit); err != nil {
		return err
	}
	c.in.out = abi.AppendEmit(c.in.out, e)
	return nil
}

// Change reports one path that differs. kind is an abi.Change* value.
func (c *Call) Change(kind uint16, path []byte) error {
	if err := c.room(16+abi.MaxPath+8, Host.ChangesEmit); err != nil {
		return err
	}
	c.in.out = abi.AppendChange(c.in.out, abi.Change{Kind: kind, Path: path})
	return nil
}

// room makes sure that a record of n bytes fits the batch in out.
func (c *Call) room(n int, send func(h Host, rec []byte) int32) error {
	c.emits = send
	if len(c.in.out)+n > abi.MaxRecord {
		return c.flush()
	}
	return nil
}

// flush sends the emits of the batch.
func (c *Call) flush() error {
	b := c.in.out
	c.in.out = b[:0]
	if len(b) == 0 || c.emits == nil {
		return nil
	}
	return check(c.emits(c.host, b))
}

// flushAfter sends the last batch of a method that succeeded. What one that
// failed had not sent yet stays here: UseNaive is allowed before output only.
func (c *Call) flushAfter(err error) error {
	if err != nil {
		return err
	}
	return c.flush()
}

// StreamWrite writes bytes of a raw archive, or of the file that is read.
func (c *Call) StreamWrite(b []byte) error { return check(c.host.StreamWrite(b)) }

// StreamRead reads bytes of the raw archive; 0 is its end.
func (c *Call) StreamRead(b []byte) (int, error) {
	n := c.host.StreamRead(b)
	return int(max(n, 0)), check(n)
}
