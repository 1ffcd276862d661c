package confine

import (
	"context"
	"errors"
	"hash/maphash"
	"path"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// upper is what an Applier needs to know to fill the top of a Stack: what
// lies beneath, and what this archive has hidden of it.
type upper struct {
	below  *Stack       // nil if there is nothing
	wait   func() error // nil once it has returned
	opaque string       // the attribute
	// whiteouts are the marks that this archive made, by Applier.key; cut are
	// the directories it made opaque.
	whiteouts map[uint64]struct{}
	cut       map[uint64]struct{} // by seed
	seed      maphash.Seed
}

func newUpper(s *Stack, wait func() error) *upper {
	if s == nil {
		return nil
	}
	u := &upper{wait: wait, opaque: s.opaque, whiteouts: map[uint64]struct{}{}, cut: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
	if len(s.dirs) > 1 {
		u.below = NewStack(s.dirs[1:], s.UserAttrs())
	}
	return u
}

func (u *upper) setCut(p string) { u.cut[maphash.String(u.seed, p)] = struct{}{} }

func (u *upper) isCut(p string) bool {
	_, is := u.cut[maphash.String(u.seed, p)]
	return is
}

// complete returns when what lies beneath can be looked at.
func (u *upper) complete() error {
	if u.wait == nil {
		return nil
	}
	if err := u.wait(); err != nil {
		return err
	}
	u.wait = nil
	return nil
}

// find looks for what lies beneath at p and is still to be seen.
func (u *upper) find(p string) (*Dir, *Stat, error) {
	gone := &PathError{Op: "find", Path: p, Err: unix.ENOENT}
	if u == nil || u.below == nil {
		return nil, nil, gone
	}
	for up := path.Dir(p); ; up = path.Dir(up) {
		if u.isCut(up) {
			return nil, nil, gone
		}
		if up == "." {
			break
		}
	}
	if err := u.complete(); err != nil {
		return nil, nil, err
	}
	d, err := u.below.at(p)
	if err != nil {
		return nil, nil, err
	}
	st, err := d.Lstat(p, NoLinks)
	return d, &st, err
}

// hide is a whiteout in overlay's form, with the owner of the archive's entry,
// as moby makes it. Where there is nothing to hide no mark is made: in a
// directory that is in this layer alone the kernel would list it.
func (a *Applier) hide(ctx context.Context, e *layertar.Entry, p string, mtime Time) error {
	if p == "." {
		return refused(p, "the root of a layer cannot be removed")
	}
	if err := a.Wait(ctx); err != nil {
		return err
	}
	if kept, err := a.hidden(p); kept || err != nil {
		return err
	}
	if _, _, err := a.upper.find(p); nowhere(err) {
		return a.whiteout(ctx, p)
	} else if err != nil {
		return err
	}
	h, name, err := a.parentOf(p, mtime)
	if err != nil {
		return err
	}
	defer a.release(h)
	key := a.key(h.ino, name)
	if err := a.mayMake(e, key); err != nil {
		return err
	}
	if err := a.replaceable(ctx, h, name, func() error { return a.markAt(h.fd, name) }); err != nil {
		return err
	}
	a.made[key] = madeOther
	a.upper.whiteouts[key] = struct{}{}
	if err := a.left(unix.Fchownat(h.fd, name, int(e.UID), int(e.GID), unix.AT_SYMLINK_NOFOLLOW), &a.done.LeftOwners); err != nil {
		return err
	}
	return setTimesAt(h.fd, name, mtime)
}

// hidden tells whether the name at p has a mark already since the root is
// opaque; to take that away would bring back what it hides.
func (a *Applier) hidden(p string) (bool, error) {
	if !a.upper.isCut(".") || path.Dir(p) != "." {
		return false, nil
	}
	h, err := a.dir(".", Time{})
	if err != nil {
		return false, err
	}
	defer a.release(h)
	return a.isMark(h, p), nil
}

// nowhere reports whether err says that there is nothing at a path.
func nowhere(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

func (a *Applier) markAt(dirfd int, name string) error {
	return a.base.meter.create(0, func() error { return unix.Mknodat(dirfd, name, unix.S_IFCHR, 0) })
}

// cutOff is an opaque entry in overlay's form. The kernel does not look for
// the attribute at the root of a layer, so there every name is hidden.
func (a *Applier) cutOff(ctx context.Context, p string, mtime Time) error {
	if err := a.Wait(ctx); err != nil {
		return err
	}
	if p == "." {
		a.upper.setCut(p)
		return a.hideAll(ctx)
	}
	h, err := a.dir(p, mtime)
	if err != nil {
		return err
	}
	defer a.release(h)
	root, err := statFd(a.base.fd)
	if err != nil {
		return err
	}
	if h.ino == root.Ino { // by a symlink
		a.upper.setCut(".")
		return a.hideAll(ctx)
	}
	a.upper.setCut(p)
	return setOpaque(h.fd, a.upper.opaque)
}

func setOpaque(dirfd int, attr string) error {
	return unix.Setxattr(procPath(dirfd), attr, []byte("y"), 0)
}

func (a *Applier) hideAll(ctx context.Context) error {
	if a.upper.below == nil {
		return nil
	}
	if err := a.upper.complete(); err != nil {
		return err
	}
	names, err := NewLister().List(a.upper.below, ".", false)
	if err != nil {
		return err
	}
	h, err := a.dir(".", Time{})
	if err != nil {
		return err
	}
	defer a.release(h)
	for _, n := range names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := a.markAt(h.fd, n.Name)
		if errors.Is(err, unix.EEXIST) {
			if n.Stat.Type() == unix.S_IFDIR {
				err = a.cutOwn(h, n.Name)
			} else {
				err = nil
			}
		} else if err == nil {
			key := a.key(h.ino, n.Name)
			a.made[key] = madeOther
			a.upper.whiteouts[key] = struct{}{}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cutOwn makes what this archive put in a directory's place opaque, if it is
// a directory too.
func (a *Applier) cutOwn(h *parent, name string) error {
	fd, err := openOwnDirAt(h.fd, name)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	a.upper.setCut(name)
	return setOpaque(fd, a.upper.opaque)
}

// overMark says that the directory which was made at p took the place of a
// whiteout of the same archive: what was hidden stays hidden.
func (a *Applier) overMark(h *parent, name, p string) error {
	key := a.key(h.ino, name)
	if _, was := a.upper.whiteouts[key]; !was {
		return nil
	}
	delete(a.upper.whiteouts, key)
	a.upper.setCut(p)
	fd, err := openOwnDirAt(h.fd, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return setOpaque(fd, a.upper.opaque)
}

// isMark reports whether a name holds a whiteout of this archive.
func (a *Applier) isMark(h *parent, name string) bool {
	if a.upper == nil {
		return false
	}
	_, is := a.upper.whiteouts[a.key(h.ino, name)]
	return is
}

// lend gives an implied directory what the one beneath it has, so that the
// tree does not change where the archive says nothing.
func (a *Applier) lend(e *layertar.Entry, p string, mtime *Time) error {
	dir, st, err := a.upper.find(p)
	if nowhere(err) || err == nil && st.Type() != unix.S_IFDIR {
		return nil // nothing to lend from
	}
	if err != nil {
		return err
	}
	fd, err := dir.open(p, unix.O_PATH|unix.O_DIRECTORY, 0, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if e.Xattrs, err = dir.rec.xattrs(fd, nil); err != nil {
		return err
	}
	e.Mode, e.UID, e.GID, *mtime = st.Mode&0o7777, st.UID, st.GID, st.Mtim
	return nil
}

// bringUp copies a file from beneath, so that it can be linked to, and returns
// where to.
func (a *Applier) bringUp(ctx context.Context, link string, mtime Time) (string, error) {
	if a.upper.below == nil {
		return "", unix.ENOENT
	}
	if err := a.upper.complete(); err != nil {
		return "", err
	}
	p, err := a.upper.below.Resolve(link)
	if err != nil {
		return "", err
	}
	dir, st, err := a.upper.find(p)
	if err != nil {
		return "", err
	}
	if st.Type() == unix.S_IFDIR {
		return "", unix.EISDIR
	}
	h, name, err := a.parentOf(p, mtime)
	if err != nil {
		return "", err
	}
	defer a.release(h)
	if a.isMark(h, name) {
		return "", unix.ENOENT
	}
	err = CopyTree(ctx, dir, p, &Dir{fd: h.fd, name: p, rec: a.base.rec, meter: a.base.meter}, name, a.opt.Unprivileged)
	if errors.Is(err, unix.EEXIST) { // brought up before, by another way to it
		return p, nil
	}
	if err == nil {
		a.done.Stored += st.Size
	}
	return p, err
}
