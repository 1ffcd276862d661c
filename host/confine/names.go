package confine

import (
	"golang.org/x/sys/unix"
)

// Mkdir makes one directory; its parent must exist. Where owners are recorded
// it is root's, as root would make it.
func (d *Dir) Mkdir(p string, mode uint32) error {
	return d.withParent("make directory", p, NoLinks, func(fd int, base string) error {
		if err := d.meter.create(block, func() error { return unix.Mkdirat(fd, base, mode) }); err != nil {
			return err
		}
		return d.rec.giveToRoot(fd, base)
	})
}

// Rename moves from to to within the directory, replacing as rename(2) does.
func (d *Dir) Rename(from, to string, how How) error {
	ffd, fbase, err := d.parent(from, how)
	if err != nil {
		return err
	}
	defer unix.Close(ffd)
	return d.withParent("rename", to, how, func(fd int, base string) error {
		if err := d.rec.passOn(d.meter, ffd, fbase, fd, base); err != nil {
			return err
		}
		return d.meter.rename(ffd, fbase, fd, base, 0)
	})
}

// Exchange makes each of two names the other's, in one step. What they name is
// not looked at, and counted already.
func (d *Dir) Exchange(p, other string, how How) error {
	ofd, obase, err := d.parent(other, how)
	if err != nil {
		return err
	}
	defer unix.Close(ofd)
	return d.withParent("exchange", p, how, func(fd int, base string) error {
		if err := d.rec.passOn(d.meter, ofd, obase, fd, base); err != nil {
			return err
		}
		if err := d.rec.passOn(d.meter, fd, base, ofd, obase); err != nil {
			return err
		}
		return unix.Renameat2(ofd, obase, fd, base, unix.RENAME_EXCHANGE)
	})
}

// Link makes to a further name of the file from.
func (d *Dir) Link(from, to string, how How) error {
	ffd, fbase, err := d.parent(from, how)
	if err != nil {
		return err
	}
	defer unix.Close(ffd)
	return d.withParent("link", to, how, func(fd int, base string) error {
		if err := d.rec.passOn(d.meter, ffd, fbase, fd, base); err != nil {
			return err
		}
		return d.meter.link(func() error { return unix.Linkat(ffd, fbase, fd, base, 0) })
	})
}

// Symlink makes a symlink. The target is not looked at.
func (d *Dir) Symlink(target, p string, how How) error {
	return d.withParent("symlink", p, how, func(fd int, base string) error {
		return d.meter.create(int64(len(target)), func() error { return unix.Symlinkat(target, fd, base) })
	})
}

// Readlink reads a symlink.
func (d *Dir) Readlink(p string, how How) (string, error) {
	fd, err := d.open(p, unix.O_PATH|unix.O_NOFOLLOW, 0, how)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	target, err := readlinkFd(fd)
	if err == unix.ENOENT {
		err = unix.EINVAL // what readlinkat says of a descriptor that is no symlink
	}
	if err != nil {
		return "", &PathError{Op: "read link", Path: p, Err: err}
	}
	return target, nil
}

func readlinkFd(fd int) (string, error) { return readlinkAt(fd, "") }

func readlinkAt(dirfd int, name string) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Readlinkat(dirfd, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// Unlink removes one name that is not a directory.
func (d *Dir) Unlink(p string, how How) error {
	return d.withParent("unlink", p, how, func(fd int, base string) error {
		return d.meter.unlink(fd, base, 0)
	})
}

// Rmdir removes an empty directory.
func (d *Dir) Rmdir(p string, how How) error {
	return d.withParent("remove directory", p, how, func(fd int, base string) error {
		if d.rec != nil {
			return rmdirAt(d.meter, fd, base)
		}
		return d.meter.unlink(fd, base, unix.AT_REMOVEDIR)
	})
}

// Chmod sets the mode of what p is, which may not be a symlink. Like all that
// alters an inode it refuses one with several names: another of them may lie
// where nothing may change.
func (d *Dir) Chmod(p string, mode uint32, how How) error {
	return d.alter("change mode of", p, how, func(fd int, st *Stat) error {
		if st.Type() == unix.S_IFLNK {
			return unix.EOPNOTSUPP
		}
		return unix.Chmod(procPath(fd), mode&0o7777)
	})
}

// Lchown sets the owner of p itself.
func (d *Dir) Lchown(p string, uid, gid int, how How) error {
	return d.alter("change owner of", p, how, func(fd int, _ *Stat) error {
		return unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH)
	})
}

// Lutimes sets the modification time of p itself; the access time too unless
// a time is nil, which stays as it is.
func (d *Dir) Lutimes(p string, atime, mtime *Time, how How) error {
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	if atime != nil {
		ts[0] = timespec(*atime)
	}
	if mtime != nil {
		ts[1] = timespec(*mtime)
	}
	return d.alter("set times of", p, how, func(fd int, _ *Stat) error {
		return unix.UtimesNanoAt(unix.AT_FDCWD, procPath(fd), ts, 0)
	})
}

// Mknod makes a device or fifo with the mode as it is given.
func (d *Dir) Mknod(p string, mode, major, minor uint32, how How) error {
	return d.withParent("make node", p, how, func(fd int, base string) error {
		err := d.meter.create(0, func() error {
			return unix.Mknodat(fd, base, mode&unix.S_IFMT|0o600, int(unix.Mkdev(major, minor)))
		})
		if err != nil {
			return err
		}
		nfd, err := openat2(fd, base, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
		if err != nil {
			return err
		}
		defer unix.Close(nfd)
		return unix.Chmod(procPath(nfd), mode&0o7777)
	})
}

// Getxattr, Setxattr, Listxattr and Removexattr work on p itself.
func (d *Dir) Getxattr(p, name string, how How) (v []byte, err error) {
	err = d.withInode("read attribute of", p, how, func(fd int) error {
		v, err = xattrValue(procPath(fd), name)
		return err
	})
	return v, err
}

// maxAttrs is what all attributes of a file may take, with their names, in
// bytes: as much as one may, twice.
const maxAttrs = 128 << 10

func (d *Dir) Setxattr(p, name string, value []byte, how How) error {
	return d.alter("set attribute of", p, how, func(fd int, _ *Stat) error {
		sum := len(name) + len(value)
		names, err := xattrNames(procPath(fd))
		if err != nil {
			return err
		}
		for _, other := range names {
			if other != name {
				n, _ := unix.Getxattr(procPath(fd), other, nil) // what is gone takes nothing
				sum += len(other) + max(n, 0)
			}
		}
		if sum > maxAttrs {
			return unix.E2BIG
		}
		return unix.Setxattr(procPath(fd), name, value, 0)
	})
}

func (d *Dir) Listxattr(p string, how How) (names []string, err error) {
	err = d.withInode("list attributes of", p, how, func(fd int) error {
		names, err = xattrNames(procPath(fd))
		return err
	})
	return names, err
}

func (d *Dir) Removexattr(p, name string, how How) error {
	return d.alter("remove attribute of", p, how, func(fd int, _ *Stat) error {
		return unix.Removexattr(procPath(fd), name)
	})
}

func (d *Dir) withInode(op, p string, how How, f func(fd int) error) error {
	fd, err := d.open(p, unix.O_PATH|unix.O_NOFOLLOW, 0, how)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := f(fd); err != nil {
		return &PathError{Op: op, Path: p, Err: err}
	}
	return nil
}

// alter is withInode for what changes the inode.
func (d *Dir) alter(op, p string, how How, f func(fd int, st *Stat) error) error {
	return d.withInode(op, p, how, func(fd int) error {
		st, err := statFd(fd)
		if err != nil {
			return err
		}
		if st.Type() != unix.S_IFDIR && st.Nlink > 1 {
			return unix.EPERM
		}
		return f(fd, &st)
	})
}

// Sync makes everything on the directory's file system durable.
func (d *Dir) Sync() error {
	fd, err := d.open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Syncfs(fd)
}
