package calls

import (
	"encoding/binary"
	"fmt"
	"path"
	"syscall"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/confine"
)

// handleBits is how much of a handle tells the base; the rest is the call's
// own mark, so that a handle of another call is not taken for one of this.
const handleBits = 16

// BaseOpen implements Imports.
func (c *Call) BaseOpen(p []byte) int64 {
	if err := c.reads(); err != nil {
		return int64(c.answer(err))
	}
	clean, err := abiPath(p)
	if err != nil {
		return int64(c.answer(err))
	}
	if err := c.open(1); err != nil {
		return int64(c.answer(err))
	}
	d, err := c.env.Home.Sub(clean, confine.NoLinks)
	if err != nil {
		c.opened--
		return int64(c.answer(err))
	}
	c.bases = append(c.bases, base{dir: d, path: clean})
	return int64(c.mark<<handleBits | uint64(len(c.bases)))
}

// BaseStack implements Imports.
func (c *Call) BaseStack(handles []byte, flags uint32) int64 {
	if err := c.reads(); err != nil {
		return int64(c.answer(err))
	}
	n := len(handles) / 8
	if n == 0 || n > confine.MaxStack || len(handles)%8 != 0 || flags&^abi.StackUserAttrs != 0 {
		return int64(c.answer(fmt.Errorf("a stack of %d bytes of handles, flags %#x: %w", len(handles), flags, abi.Invalid)))
	}
	dirs := make([]*confine.Dir, 0, n)
	var top base
	for i := range n {
		b, err := c.plainBase(binary.LittleEndian.Uint64(handles[8*i:]))
		if err == nil && b.path == "." {
			err = fmt.Errorf("the home as part of a stack: %w", abi.Invalid)
		}
		if err != nil {
			return int64(c.answer(err))
		}
		if i == 0 {
			top = b
		}
		dirs = append(dirs, b.dir)
	}
	if err := c.open(1); err != nil {
		return int64(c.answer(err))
	}
	top.stack = confine.NewStack(dirs, flags&abi.StackUserAttrs != 0)
	c.bases = append(c.bases, top)
	return int64(c.mark<<handleBits | uint64(len(c.bases)))
}

func (c *Call) open(n int) error {
	if c.opened+n > c.env.Limits.OpenFiles {
		return &LimitError{Limit: "open-files", Value: fmt.Sprint(c.env.Limits.OpenFiles)}
	}
	c.opened += n
	return nil
}

// base finds the directory behind a handle.
func (c *Call) base(handle uint64) (base, error) {
	if handle == abi.Home {
		return base{dir: c.env.Home, path: "."}, nil
	}
	i := handle & (1<<handleBits - 1)
	if handle>>handleBits != c.mark || i == 0 || i > uint64(len(c.bases)) {
		return base{}, fmt.Errorf("handle %#x was not given out in this call: %w", handle, abi.Invalid)
	}
	return c.bases[i-1], nil
}

// plainBase is base for what acts on one directory.
func (c *Call) plainBase(handle uint64) (base, error) {
	b, err := c.base(handle)
	if err == nil && b.stack != nil {
		err = fmt.Errorf("handle %#x is a stack, which can be listed, compared, emitted from and applied to: %w", handle, abi.Invalid)
	}
	return b, err
}

// at resolves a handle and a path for reading.
func (c *Call) at(handle uint64, p []byte) (base, string, error) {
	b, err := c.plainBase(handle)
	if err != nil {
		return base{}, "", err
	}
	clean, err := abiPath(p)
	return b, clean, err
}

// treeAt is at for what works on stacks too.
func (c *Call) treeAt(handle uint64, p []byte) (base, string, error) {
	b, err := c.base(handle)
	if err != nil {
		return base{}, "", err
	}
	clean, err := abiPath(p)
	return b, clean, err
}

// change says what a writing import does to a path.
type change uint8

const (
	alter  change = iota // the inode, or a new name
	detach               // the name goes, and all beneath it with it
)

// atWrite resolves a handle and a path for writing, and refuses what is
// sealed. The caller holds Seals.short until it has written.
func (c *Call) atWrite(handle uint64, p []byte, what change) (base, string, error) {
	b, clean, err := c.at(handle, p)
	if err != nil {
		return base{}, "", err
	}
	if err := c.inPlace(b); err != nil {
		return base{}, "", err
	}
	return b, clean, c.maySeal(path.Join(b.path, clean), what)
}

// inPlace refuses a base whose path leads elsewhere by now: seals are known by
// path, and a moved base would be a way around them.
func (c *Call) inPlace(b base) error {
	if b.path == "." {
		return nil
	}
	_, ino, err := b.dir.Identity()
	if err != nil {
		return err
	}
	st, err := c.env.Home.Lstat(b.path, confine.NoLinks)
	if err != nil || st.Ino != ino {
		return fmt.Errorf("base %q was moved since it was opened: %w", b.path, graphdriver.ErrDenied)
	}
	return nil
}

// maySeal refuses to change what lies in a committed layer. home is a path
// relative to the home.
func (c *Call) maySeal(home string, what change) error {
	removing := ""
	if c.p.Method == abi.MethodRemove {
		removing = c.p.ID
	}
	if id, sealed := c.env.Seals.Within(home, removing); sealed {
		return fmt.Errorf("%q belongs to layer %s, which is committed: %w", home, id, graphdriver.ErrDenied)
	}
	if what == detach && c.env.Seals.holds(home, removing) {
		return fmt.Errorf("%q holds committed layers: %w", home, graphdriver.ErrDenied)
	}
	return nil
}

// mayMove refuses to give another name to what a call that runs writes to.
func (c *Call) mayMove(home string) error {
	if c.env.Seals.moving(c, home) {
		return fmt.Errorf("%q is being written to by another call: %w", home, graphdriver.ErrBusy)
	}
	return nil
}

// moved tells what makes entries that names may lead elsewhere by now.
func (c *Call) moved() {
	c.moves++
	if c.in != nil {
		for _, to := range c.in.appliers {
			to.Forget()
		}
	}
}

// abiPath takes a path from a guest: relative and clean, or Invalid.
func abiPath(p []byte) (string, error) {
	s := string(p)
	if s == "" {
		return ".", nil
	}
	clean, err := confine.CleanPath(s)
	if err != nil || clean != s {
		return "", fmt.Errorf("path %q is not relative and clean: %w", s, syscall.EINVAL)
	}
	return clean, nil
}
