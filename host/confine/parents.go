package confine

import (
	"errors"
	"path"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// openDirs is how many directories an Applier keeps open: archives go through
// a tree directory by directory, so a few suffice.
const openDirs = 64

// parent is an open directory of the layer that entries are made in. Several
// jobs may hold it; the last one closes it.
type parent struct {
	fd      int
	ino     uint64
	mode    atomic.Uint32 // writers read it while its entry may change it
	aliased bool          // a symlink lay on the way
	// inherits: what is made here inherits from a default ACL.
	inherits atomic.Bool
	refs     int // guarded by parents.mu
	used     uint64
}

// touched remembers which modification time a directory is to have at the
// end, since every entry made in it changes that.
type touched struct {
	path  string
	mtime Time
}

// get returns the open directory at p, making it (and what leads to it) if an
// archive left it out, and keeps it until release.
func (a *Applier) parentOf(p string, implied Time) (*parent, string, error) {
	dir, base := path.Split(p)
	h, err := a.dir(path.Clean("./"+dir), implied)
	return h, base, err
}

func (a *Applier) dir(p string, implied Time) (*parent, error) {
	if h := a.cached(p); h != nil {
		return h, nil
	}
	if p == "." {
		return a.openParent(a.base.fd, ".", p, false)
	}
	up, err := a.dir(path.Dir(p), implied)
	if err != nil {
		return nil, err
	}
	defer a.release(up)
	name := path.Base(p)
	h, err := a.openParent(up.fd, name, p, up.aliased)
	if errors.Is(err, unix.ENOENT) && a.made[a.key(up.ino, name)] != 0 {
		a.flying.Wait() // a writer has it in hand
		h, err = a.openParent(up.fd, name, p, up.aliased)
	}
	switch {
	case err == nil:
		return h, nil
	case errors.Is(err, unix.ENOENT):
		return a.implyDir(up, name, p, implied)
	case errors.Is(err, unix.ENOTDIR) && a.isMark(up, name):
		if err := a.base.meter.unlink(up.fd, name, 0); err != nil {
			return nil, err
		}
		return a.implyDir(up, name, p, implied)
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR):
		return a.followParent(p)
	}
	return nil, err
}

// openParent opens one component without following it.
func (a *Applier) openParent(dirfd int, name, p string, aliased bool) (*parent, error) {
	fd, err := openat2(dirfd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return nil, &PathError{Op: "open", Path: p, Err: err}
	}
	return a.keep(fd, p, aliased)
}

// followParent resolves a path with a symlink in it as the archive means it.
func (a *Applier) followParent(p string) (*parent, error) {
	fd, err := a.base.open(p, unix.O_PATH|unix.O_DIRECTORY, 0, InRoot)
	if err != nil {
		return nil, refused(p, "the path leads through something that is not a directory")
	}
	a.crossed = true
	return a.keep(fd, p, true)
}

func (a *Applier) keep(fd int, p string, aliased bool) (*parent, error) {
	st, err := statFd(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	if _, known := a.times[st.Ino]; !known {
		a.touch(fd, st.Ino, p, st.Mtim)
	}
	h := &parent{fd: fd, ino: st.Ino, aliased: aliased}
	h.mode.Store(st.Mode)
	h.inherits.Store(hasDefaultACL(fd))
	a.cache(p, h)
	return h, nil
}

// implyDir makes a directory that the archive has entries in but did not list,
// as moby does, with the time of the entry that needs it so that the same
// archive always makes the same tree.
func (a *Applier) implyDir(up *parent, name, p string, mtime Time) (*parent, error) {
	e := &layertar.Entry{Kind: layertar.Dir, Path: p, Mode: 0o755}
	if a.upper != nil && !a.isMark(up, name) {
		if err := a.lend(e, p, &mtime); err != nil {
			return nil, err
		}
	}
	if err := a.makeDir(up, name, e, mtime); err != nil {
		return nil, err
	}
	if a.upper != nil {
		if err := a.overMark(up, name, p); err != nil {
			return nil, err
		}
	}
	return a.openParent(up.fd, name, p, up.aliased)
}

func (a *Applier) cached(p string) *parent {
	h := a.open[p]
	if h == nil {
		return nil
	}
	a.clock++
	h.used = a.clock
	a.mu.Lock()
	h.refs++
	a.mu.Unlock()
	return h
}

// cache puts h in place of the one used longest ago and hands out a reference.
func (a *Applier) cache(p string, h *parent) {
	if len(a.open) >= openDirs {
		var oldest string
		var least uint64 = 1<<64 - 1
		for q, o := range a.open {
			if o.used < least {
				oldest, least = q, o.used
			}
		}
		a.forget(oldest)
	}
	a.clock++
	h.used = a.clock
	h.refs = 2 // the cache's and the caller's
	a.open[p] = h
}

func (a *Applier) forget(p string) {
	h := a.open[p]
	delete(a.open, p)
	a.release(h)
}

// forgetAll drops every cached directory: names may lead elsewhere now.
func (a *Applier) forgetAll() {
	for p := range a.open {
		a.forget(p)
	}
}

func (a *Applier) release(h *parent) {
	a.mu.Lock()
	h.refs--
	last := h.refs == 0
	a.mu.Unlock()
	if last {
		unix.Close(h.fd)
	}
}

func (a *Applier) hold(h *parent) {
	a.mu.Lock()
	h.refs++
	a.mu.Unlock()
}
