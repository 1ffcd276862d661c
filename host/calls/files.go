package calls

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/host/confine"
)

var (
	altering  = alter
	detaching = detach
)

// OpenFile implements Files.
func (c *Call) OpenFile(m Mount, p string, flag int, perm uint32) (File, syscall.Errno) {
	var what *change
	if flag&(unix.O_ACCMODE) != unix.O_RDONLY || flag&(unix.O_CREAT|unix.O_TRUNC) != 0 {
		what = &altering
	}
	if what != nil {
		c.env.Seals.short.RLock()
		defer c.env.Seals.short.RUnlock()
	}
	d, how, err := c.mount(m, p, what)
	if err == nil {
		err = c.open(1)
	}
	if err != nil {
		return nil, c.errno(err)
	}
	fd, held, err := d.OpenFile(p, flag, perm, how, m == Home)
	if err != nil {
		c.opened--
		return nil, c.errno(err)
	}
	f := &openFile{c: c, fd: fd, held: held}
	if m == Home && what != nil {
		f.path, f.version = p, c.env.Seals.Version()
	}
	c.files[f] = struct{}{}
	return f, 0
}

// Stat implements Files.
func (c *Call) Stat(m Mount, p string, follow bool) (FileStat, syscall.Errno) {
	d, how, err := c.mount(m, p, nil)
	if err != nil {
		return FileStat{}, c.errno(err)
	}
	look := d.Lstat
	if follow {
		look = d.Stat
	}
	st, err := look(p, how)
	if err != nil {
		return FileStat{}, c.errno(err)
	}
	return fileStat(&st), 0
}

// Mkdir implements Files.
func (c *Call) Mkdir(m Mount, p string, perm uint32) syscall.Errno {
	return c.change(m, p, &altering, func(d *confine.Dir, how confine.How) error { return d.Mkdir(p, perm&0o777) })
}

// RenameFile implements Files.
func (c *Call) RenameFile(m Mount, from, to string) syscall.Errno {
	return c.change(m, from, &detaching, func(*confine.Dir, confine.How) error {
		d, how, err := c.mount(m, to, &detaching)
		if err == nil && m == Home {
			err = c.mayMove(from)
			c.moved()
		}
		if err != nil {
			return err
		}
		return d.Rename(from, to, how)
	})
}

// LinkFile implements Files.
func (c *Call) LinkFile(m Mount, from, to string) syscall.Errno {
	return c.change(m, from, &altering, func(*confine.Dir, confine.How) error {
		d, how, err := c.mount(m, to, &altering)
		if err == nil && m == Home {
			err = c.mayMove(from)
		}
		if err != nil {
			return err
		}
		return d.Link(from, to, how)
	})
}

// Symlink implements Files.
func (c *Call) Symlink(m Mount, target, p string) syscall.Errno {
	return c.change(m, p, &altering, func(d *confine.Dir, how confine.How) error { return d.Symlink(target, p, how) })
}

// Readlink implements Files.
func (c *Call) Readlink(m Mount, p string) (string, syscall.Errno) {
	d, how, err := c.mount(m, p, nil)
	if err != nil {
		return "", c.errno(err)
	}
	target, err := d.Readlink(p, how)
	return target, c.errno(err)
}

// Unlink implements Files.
func (c *Call) Unlink(m Mount, p string) syscall.Errno {
	return c.change(m, p, &detaching, func(d *confine.Dir, how confine.How) error { return d.Unlink(p, how) })
}

// Rmdir implements Files.
func (c *Call) Rmdir(m Mount, p string) syscall.Errno {
	return c.change(m, p, &detaching, func(d *confine.Dir, how confine.How) error { return d.Rmdir(p, how) })
}

// Utimens implements Files.
func (c *Call) Utimens(m Mount, p string, atim, mtim int64) syscall.Errno {
	return c.change(m, p, &altering, func(d *confine.Dir, how confine.How) error {
		return d.Lutimes(p, fileTime(atim), fileTime(mtim), how)
	})
}

func (c *Call) change(m Mount, p string, what *change, do func(*confine.Dir, confine.How) error) syscall.Errno {
	c.env.Seals.short.RLock()
	defer c.env.Seals.short.RUnlock()
	d, how, err := c.mount(m, p, what)
	if err == nil {
		err = do(d, how)
	}
	return c.errno(err)
}

// fileTime is nil for a time that stays as it is.
func fileTime(ns int64) *confine.Time {
	if ns == UtimeOmit {
		return nil
	}
	sec, nsec := ns/1e9, ns%1e9
	if nsec < 0 {
		sec, nsec = sec-1, nsec+1e9
	}
	return &confine.Time{Sec: sec, Nsec: uint32(nsec)}
}

func fileStat(st *confine.Stat) FileStat {
	return FileStat{
		Dev: st.Dev, Ino: st.Ino, Mode: fileMode(st.Mode), Nlink: st.Nlink, Size: st.Size,
		Atim: nanos(st.Atim), Mtim: nanos(st.Mtim), Ctim: nanos(st.Ctim),
	}
}

func nanos(t confine.Time) int64 { return t.Sec*1e9 + int64(t.Nsec) }

func fileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	case unix.S_IFIFO:
		m |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		m |= fs.ModeSocket
	case unix.S_IFBLK:
		m |= fs.ModeDevice
	case unix.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	}
	return m
}
