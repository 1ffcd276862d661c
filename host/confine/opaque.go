package confine

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// opaque removes what a directory holds and this archive did not bring. A
// directory that is not there yet is made, as an entry in it would make it.
func (a *Applier) opaque(ctx context.Context, p string, mtime Time) error {
	if err := a.Wait(ctx); err != nil {
		return err
	}
	h, err := a.dir(p, mtime)
	if err != nil {
		return err
	}
	defer a.release(h)
	fd, err := openOwnDirAt(h.fd, ".")
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = a.keepMade(ctx, fd, h.ino, 0)
	a.forgetAll()
	return err
}

// keepMade removes all names of an open directory that the archive did not
// bring, at any depth. A directory that leads to what it brought stays.
func (a *Applier) keepMade(ctx context.Context, fd int, ino uint64, depth int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if depth > maxDepth {
		return unix.ENAMETOOLONG
	}
	names, err := readNames(fd)
	if err != nil {
		return err
	}
	if a.keeper != nil {
		names, _ = withoutLinkFile(names)
	}
	for _, n := range names {
		made := a.made[a.key(ino, n.name)] != 0
		if !made {
			err := a.base.meter.unlink(fd, n.name, 0)
			if err != nil && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOENT) {
				return err
			}
			if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
				continue
			}
		} else if n.typ != unix.DT_DIR {
			continue
		}
		sub, err := openOwnDirAt(fd, n.name)
		if err != nil {
			return err
		}
		st, err := statFd(sub)
		if err == nil {
			err = a.keepMade(ctx, sub, st.Ino, depth+1)
		}
		unix.Close(sub)
		if err == nil && !made {
			if err = a.rmdir(fd, n.name); errors.Is(err, unix.ENOTEMPTY) {
				err = nil
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *Applier) rmdir(dirfd int, name string) error {
	if a.keeper != nil {
		return rmdirAt(a.base.meter, dirfd, name)
	}
	return a.base.meter.unlink(dirfd, name, unix.AT_REMOVEDIR)
}
