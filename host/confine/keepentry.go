package confine

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// nodeTypes are the types of entries that are neither files nor directories.
var nodeTypes = [...]uint32{
	layertar.Symlink: unix.S_IFLNK, layertar.Char: unix.S_IFCHR, layertar.Block: unix.S_IFBLK, layertar.Fifo: unix.S_IFIFO,
}

// wishOf is what an entry asks for.
func wishOf(e *layertar.Entry, typ uint32) *wish {
	w := &wish{Stat: Stat{Mode: typ | e.Mode, UID: e.UID, GID: e.GID}, xattrs: e.Xattrs}
	if typ == unix.S_IFCHR || typ == unix.S_IFBLK {
		w.Rdev = unix.Mkdev(e.Major, e.Minor)
	}
	return w
}

// kept gives an open file or directory what its entry says, if anything is
// recorded at all.
func (a *Applier) kept(fd int, e *layertar.Entry, typ uint32, fresh bool) error {
	if a.keeper == nil {
		return nil
	}
	w := wishOf(e, typ)
	w.fresh = fresh
	back, err := a.keeper.inode(fd, w)
	a.count(back)
	return err
}

func (a *Applier) count(back keptBack) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if back.recorded {
		a.done.Recorded++
	}
	a.done.LeftOwners += back.owners
	a.done.LeftXattrs += back.xattrs
}

// keepNode gives a new symlink, device or fifo what its entry says. What
// stands in for one and cannot carry its record is taken away again.
func (a *Applier) keepNode(h *parent, name string, key uint64, e *layertar.Entry, mtime Time) error {
	w := wishOf(e, nodeTypes[e.Kind])
	w.fresh = true
	if e.Kind == layertar.Symlink {
		back, err := a.keeper.link(h.fd, name, e.Link, w)
		if err != nil {
			return err
		}
		a.count(back)
		return setTimesAt(h.fd, name, mtime)
	}
	fd, err := openat2(h.fd, name, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	st, err := statFd(fd)
	if err != nil {
		return err
	}
	back, err := a.keeper.inode(fd, w)
	if err != nil {
		return err
	}
	if st.Type() != w.Type() && back.owners > 0 {
		a.made[key] = madeNothing
		a.mu.Lock()
		a.done.LeftNodes++
		a.mu.Unlock()
		return a.base.meter.unlink(h.fd, name, 0)
	}
	a.count(back)
	return setTimesAt(h.fd, name, mtime)
}

// keepLinked is dressLinked where things are recorded. A symlink's record is
// by name, so that it is written for the name linked to as well.
func (a *Applier) keepLinked(h *parent, name string, e *layertar.Entry, st *Stat, mtime Time) error {
	if st.Type() == unix.S_IFLNK {
		return a.keepLinkedSymlink(h, name, e)
	}
	fd, err := openat2(h.fd, name, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := a.keeper.rec.lookInode(fd, st); err != nil {
		return err
	}
	w := wishOf(e, st.Type())
	w.Rdev = st.Rdev
	back, err := a.keeper.inode(fd, w)
	a.count(back)
	if err != nil || st.Mtim == mtime {
		return err
	}
	return setTimesAt(h.fd, name, mtime)
}

func (a *Applier) keepLinkedSymlink(h *parent, name string, e *layertar.Entry) error {
	target, err := readlinkAt(h.fd, name)
	if err != nil {
		return err
	}
	first, firstName, err := a.base.parent(e.Link, InRoot)
	if err != nil && !(errors.Is(err, unix.ENOENT) && a.upper != nil) { // else it was brought up elsewhere
		return err
	}
	w := wishOf(e, unix.S_IFLNK)
	if err == nil {
		defer unix.Close(first)
		links, err := a.keeper.rec.readLinks(first)
		if err != nil {
			return err
		}
		was, err := links.find(first, firstName)
		if err != nil {
			return err
		}
		if was != nil && len(w.xattrs) == 0 {
			w.xattrs = was.xattrs // the entry of a further name does not repeat them
		}
		if _, err := a.keeper.link(first, firstName, target, w); err != nil {
			return err
		}
	}
	back, err := a.keeper.link(h.fd, name, target, w)
	a.count(back)
	return err
}
