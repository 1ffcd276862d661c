package calls

import (
	"fmt"
	"path"
	"strings"
	"syscall"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/confine"
)

// MakeDir implements Imports.
func (c *Call) MakeDir(handle uint64, p []byte, mode uint32) int32 {
	return c.write(handle, p, alter, func(b base, p string) error {
		if err := c.needSetID(mode); err != nil {
			return err
		}
		if err := b.dir.Mkdir(p, 0o700); err != nil {
			return err
		}
		return b.dir.Chmod(p, mode&0o7777, confine.NoLinks) // whatever the umask
	})
}

// Rename implements Imports.
func (c *Call) Rename(handle uint64, from, to []byte) int32 {
	return c.write(handle, from, detach, func(b base, from string) error {
		_, to, err := c.atWrite(handle, to, detach)
		if err == nil {
			err = c.mayMove(path.Join(b.path, from))
		}
		if err != nil {
			return err
		}
		c.moved()
		return b.dir.Rename(from, to, confine.NoLinks)
	})
}

// Chmod implements Imports.
func (c *Call) Chmod(handle uint64, p []byte, mode uint32) int32 {
	return c.write(handle, p, alter, func(b base, p string) error {
		if err := c.needSetID(mode); err != nil {
			return err
		}
		if err := notHome(b, p); err != nil {
			return err
		}
		return b.dir.Chmod(p, mode&0o7777, confine.NoLinks)
	})
}

// notHome refuses to open the home itself to others: who may enter it is the
// operator's to say.
func notHome(b base, p string) error {
	if path.Join(b.path, p) == "." {
		return fmt.Errorf("owner, mode and attributes of the home itself are not the driver's to change: %w", graphdriver.ErrDenied)
	}
	return nil
}

// Lchown implements Imports.
func (c *Call) Lchown(handle uint64, p []byte, uid, gid uint32) int32 {
	return c.write(handle, p, alter, func(b base, p string) error {
		if err := c.need("chown"); err != nil {
			return err
		}
		if err := notHome(b, p); err != nil {
			return err
		}
		return b.dir.Lchown(p, int(int32(uid)), int(int32(gid)), confine.NoLinks)
	})
}

// Lutimes implements Imports.
func (c *Call) Lutimes(handle uint64, p []byte, sec int64, nsec uint32) int32 {
	return c.write(handle, p, alter, func(b base, p string) error {
		if nsec >= 1e9 {
			return syscall.EINVAL
		}
		t := confine.Time{Sec: sec, Nsec: nsec}
		return b.dir.Lutimes(p, &t, &t, confine.NoLinks)
	})
}

// Mknod implements Imports.
func (c *Call) Mknod(handle uint64, p []byte, mode, major, minor uint32) int32 {
	return c.write(handle, p, alter, func(b base, p string) error {
		grant := "mknod.device"
		switch mode & syscall.S_IFMT {
		case syscall.S_IFIFO, syscall.S_IFREG:
			grant = ""
		case syscall.S_IFCHR:
			if major == 0 && minor == 0 {
				grant = "mknod.whiteout"
			}
		case syscall.S_IFBLK:
		default:
			return syscall.EINVAL
		}
		if grant != "" {
			if err := c.need(grant); err != nil {
				return err
			}
		}
		if err := c.needSetID(mode); err != nil {
			return err
		}
		return b.dir.Mknod(p, mode, major, minor, confine.NoLinks)
	})
}

// Link implements Imports. Neither end may lie in a committed layer: a second
// name would be a way to write to it.
func (c *Call) Link(handle uint64, from, to []byte) int32 {
	return c.write(handle, from, alter, func(b base, from string) error {
		_, to, err := c.atWrite(handle, to, alter)
		if err == nil {
			err = c.mayMove(path.Join(b.path, from))
		}
		if err != nil {
			return err
		}
		return b.dir.Link(from, to, confine.NoLinks)
	})
}

// XattrGet implements Imports.
func (c *Call) XattrGet(handle uint64, p, name, buf []byte) int32 {
	if err := c.reads(); err != nil {
		return c.answer(err)
	}
	b, clean, err := c.at(handle, p)
	if err == nil {
		err = c.needXattr(name)
	}
	if err != nil {
		return c.answer(err)
	}
	v, err := b.dir.Getxattr(clean, string(name), confine.NoLinks)
	if err != nil {
		return c.answer(err)
	}
	return pull(buf, v)
}

// XattrSet implements Imports.
func (c *Call) XattrSet(handle uint64, p, name, value []byte) int32 {
	return c.write(handle, p, alter, func(b base, p string) error {
		if err := c.needXattr(name); err != nil {
			return err
		}
		if err := notHome(b, p); err != nil {
			return err
		}
		return b.dir.Setxattr(p, string(name), value, confine.NoLinks)
	})
}

// XattrList implements Imports.
func (c *Call) XattrList(handle uint64, p, buf []byte) int32 {
	if err := c.reads(); err != nil {
		return c.answer(err)
	}
	b, clean, err := c.at(handle, p)
	if err != nil {
		return c.answer(err)
	}
	names, err := b.dir.Listxattr(clean, confine.NoLinks)
	if err != nil {
		return c.answer(err)
	}
	var recs []byte
	for _, n := range names {
		if !isRecord(n) {
			recs = abi.AppendAttr(recs, n, "")
		}
	}
	return pull(buf, recs)
}

// XattrRemove implements Imports.
func (c *Call) XattrRemove(handle uint64, p, name []byte) int32 {
	return c.write(handle, p, alter, func(b base, p string) error {
		if err := c.needXattr(name); err != nil {
			return err
		}
		if err := notHome(b, p); err != nil {
			return err
		}
		return b.dir.Removexattr(p, string(name), confine.NoLinks)
	})
}

// write is the frame of every import that changes one path.
func (c *Call) write(handle uint64, p []byte, what change, do func(base, string) error) int32 {
	if err := c.writes(); err != nil {
		return c.answer(err)
	}
	c.env.Seals.short.RLock()
	defer c.env.Seals.short.RUnlock()
	b, clean, err := c.atWrite(handle, p, what)
	if err != nil {
		return c.answer(err)
	}
	return c.answer(do(b, clean))
}

// writeTree is write for what takes long: it claims the path instead.
func (c *Call) writeTree(handle uint64, p []byte, what change, do func(base, string) error) int32 {
	if err := c.writes(); err != nil {
		return c.answer(err)
	}
	c.env.Seals.short.RLock()
	b, clean, err := c.atWrite(handle, p, what)
	if err != nil {
		c.env.Seals.short.RUnlock()
		return c.answer(err)
	}
	release := c.env.Seals.claim(c, path.Join(b.path, clean))
	c.env.Seals.short.RUnlock()
	defer release()
	return c.answer(do(b, clean))
}

// needSetID: whatever gives an inode set-id bits takes the power to.
func (c *Call) needSetID(mode uint32) error {
	if mode&0o6000 == 0 {
		return nil
	}
	return c.need("setid")
}

func (c *Call) need(grant string) error {
	if c.env.Granted(grant) {
		return nil
	}
	return fmt.Errorf("the driver has no grant %q; add it to the driver's grants if it is to have it: %w", grant, graphdriver.ErrDenied)
}

func (c *Call) needXattr(name []byte) error {
	if len(name) == 0 || len(name) > 255 || strings.IndexByte(string(name), 0) >= 0 {
		return syscall.EINVAL
	}
	if isRecord(string(name)) {
		return fmt.Errorf("attribute %q is the host's own record: %w", name, graphdriver.ErrDenied)
	}
	if c.env.xattrGranted(string(name)) {
		return nil
	}
	prefix, _, _ := strings.Cut(string(name), ".")
	return c.need("xattr." + prefix)
}

// isRecord reports whether an attribute is one of those by which hosts record
// what they may not make: no guest reads or makes one.
func isRecord(name string) bool { return strings.HasPrefix(name, "user.containers.") }

// pull follows the rule of pulling: what does not fit is not written, and its
// length is returned.
func pull(buf, v []byte) int32 {
	if len(v) <= len(buf) {
		copy(buf, v)
	}
	return int32(len(v))
}
