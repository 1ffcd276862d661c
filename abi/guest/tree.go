package guest

import (
	"encoding/binary"
	"strings"

	"github.com/bulkhead/bulkhead/abi"
)

// Base is a directory of the home, open for the call. The zero Base is the
// home itself. Paths are relative to it; "." is the base.
type Base uint64

// OpenBase opens a directory of the home by its path.
func (c *Call) OpenBase(path string) (Base, error) {
	h := c.host.BaseOpen(raw(path))
	if h < 0 {
		return 0, abi.Code(h)
	}
	return Base(h), nil
}

// Stack is the tree that an overlay mount of bases would show, the top first.
// It can be listed, compared and emitted from; what is applied to it goes to
// the top, in the form that overlay has for it. flags are abi.Stack* values.
func (c *Call) Stack(bases []Base, flags uint32) (Base, error) {
	b := make([]byte, 0, 8*len(bases))
	for _, base := range bases {
		b = binary.LittleEndian.AppendUint64(b, uint64(base))
	}
	h := c.host.BaseStack(b, flags)
	if h < 0 {
		return 0, abi.Code(h)
	}
	return Base(h), nil
}

// DirExists reports whether path is a directory of the home.
func (c *Call) DirExists(path string) (bool, error) {
	switch h := c.host.BaseOpen(raw(path)); {
	case h >= 0:
		return true, nil
	case abi.Code(h) == abi.NotFound:
		return false, nil
	default:
		return false, abi.Code(h)
	}
}

// MakeDir makes one directory whose parent exists.
func (c *Call) MakeDir(b Base, path string, mode uint32) error {
	return check(c.host.MakeDir(uint64(b), raw(path), mode))
}

// MakeDirAll makes a directory and those above it that are missing.
func (c *Call) MakeDirAll(b Base, path string, mode uint32) error {
	err := c.MakeDir(b, path, mode)
	if err == nil || err == abi.Exists {
		return nil
	}
	up := strings.LastIndexByte(path, '/')
	if err != abi.NotFound || up < 0 {
		return err
	}
	if err := c.MakeDirAll(b, path[:up], mode); err != nil {
		return err
	}
	if err = c.MakeDir(b, path, mode); err == abi.Exists {
		return nil
	}
	return err
}

// Rename is rename(2).
func (c *Call) Rename(b Base, from, to string) error {
	return check(c.host.Rename(uint64(b), raw(from), raw(to)))
}

// Chmod sets the low twelve bits of the mode.
func (c *Call) Chmod(b Base, path string, mode uint32) error {
	return check(c.host.Chmod(uint64(b), raw(path), mode))
}

// Lchown sets the owner of the name itself.
func (c *Call) Lchown(b Base, path string, uid, gid uint32) error {
	return check(c.host.Lchown(uint64(b), raw(path), uid, gid))
}

// Lutimes sets the times of the name itself.
func (c *Call) Lutimes(b Base, path string, sec int64, nsec uint32) error {
	return check(c.host.Lutimes(uint64(b), raw(path), sec, nsec))
}

// Mknod makes a node; mode holds its type.
func (c *Call) Mknod(b Base, path string, mode, major, minor uint32) error {
	return check(c.host.Mknod(uint64(b), raw(path), mode, major, minor))
}

// Link makes to another name of from.
func (c *Call) Link(b Base, from, to string) error {
	return check(c.host.Link(uint64(b), raw(from), raw(to)))
}

// Xattr reads an attribute of the name itself into a slice of its own.
func (c *Call) Xattr(b Base, path, name string) ([]byte, error) {
	v, err := c.pull(func(buf []byte) int32 { return c.host.XattrGet(uint64(b), raw(path), raw(name), buf) })
	return append([]byte(nil), v...), err
}

// SetXattr sets an attribute of the name itself.
func (c *Call) SetXattr(b Base, path, name string, value []byte) error {
	return check(c.host.XattrSet(uint64(b), raw(path), raw(name), value))
}

// RemoveXattr removes an attribute of the name itself.
func (c *Call) RemoveXattr(b Base, path, name string) error {
	return check(c.host.XattrRemove(uint64(b), raw(path), raw(name)))
}

// Xattrs lists the attributes' names, sorted.
func (c *Call) Xattrs(b Base, path string) ([]string, error) {
	list, err := c.pull(func(buf []byte) int32 { return c.host.XattrList(uint64(b), raw(path), buf) })
	var names []string
	for err == nil && len(list) > 0 {
		a, rest, ok := abi.NextAttr(list)
		if !ok {
			return nil, abi.Invalid
		}
		names = append(names, string(a.Name))
		list = rest
	}
	return names, err
}

// TreeCopy copies what lies at src, with all metadata, to dst, which must not
// exist or be an empty directory.
func (c *Call) TreeCopy(srcBase Base, src string, dstBase Base, dst string) error {
	return check(c.host.TreeCopy(uint64(srcBase), raw(src), uint64(dstBase), raw(dst)))
}

// TreeRemove removes what lies at path and everything beneath it. That
// nothing is there is no error.
func (c *Call) TreeRemove(b Base, path string) error {
	if err := check(c.host.TreeRemove(uint64(b), raw(path))); err != abi.NotFound {
		return err
	}
	return nil
}

// TreeUsage counts the bytes of the regular files at and beneath path.
func (c *Call) TreeUsage(b Base, path string) (int64, error) {
	n := c.host.TreeUsage(uint64(b), raw(path))
	if n < 0 {
		return 0, abi.Code(n)
	}
	return n, nil
}
