package confine

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

func dirOf(p string) string { return path.Dir(p) }

// makeDir makes a directory, or takes one that is there, and gives it what
// the entry says. Its time is set at the end.
func (a *Applier) makeDir(h *parent, name string, e *layertar.Entry, mtime Time) error {
	err := a.base.meter.create(block, func() error { return unix.Mkdirat(h.fd, name, 0o700) })
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	fd, oerr := openOwnDirAt(h.fd, name)
	if oerr != nil {
		if err != nil {
			return err // taken by something that is no directory
		}
		return oerr
	}
	defer unix.Close(fd)
	if err != nil {
		if err := a.undress(fd, e); err != nil {
			return err
		}
	}
	return a.dress(fd, e, mtime, err == nil)
}

// undress removes the attributes of a directory that was there and that its
// entry does not name. (OCI image-spec, layer: what an entry says of a
// directory that exists replaces what it had.)
func (a *Applier) undress(fd int, e *layertar.Entry) error {
	if a.keeper != nil {
		if err := a.keeper.undress(fd, e.Xattrs); err != nil {
			return err
		}
	}
	names, err := xattrNames(procPath(fd))
	if err != nil {
		return err
	}
	for _, name := range names {
		if !kept(name) || slices.ContainsFunc(e.Xattrs, func(x layertar.Xattr) bool { return x.Name == name }) {
			continue
		}
		err := unix.Removexattr(procPath(fd), name)
		if err := a.left(err, &a.done.LeftXattrs); err != nil && !errors.Is(err, unix.ENODATA) {
			return err
		}
	}
	return nil
}

// applyRoot gives the base itself what an entry "./" says.
func (a *Applier) applyRoot(e *layertar.Entry, mtime Time) error {
	if e.Kind != layertar.Dir {
		return refused(e.Path, "the root of a layer can only be a directory")
	}
	fd, err := openOwnDirAt(a.base.fd, ".")
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return a.dress(fd, e, mtime, false)
}

// dress sets owner, mode and attributes of an open directory and notes its
// time.
func (a *Applier) dress(fd int, e *layertar.Entry, mtime Time, fresh bool) error {
	if err := a.beforeACL(fd, e); err != nil {
		return err
	}
	err := a.kept(fd, e, unix.S_IFDIR, fresh)
	if a.keeper == nil {
		err = a.attributes(fd, e, false, false)
	}
	if err != nil {
		return err
	}
	st, err := statFd(fd)
	if err != nil {
		return err
	}
	a.touch(fd, st.Ino, e.Path, mtime)
	if h := a.open[e.Path]; h != nil && h.ino == st.Ino {
		h.mode.Store(st.Mode)
	}
	return nil
}

// attributes sets owner, mode and extended attributes of an open file, in the
// order in which none undoes another. own and mode say what is right already.
func (a *Applier) attributes(fd int, e *layertar.Entry, own, mode bool) error {
	if !own {
		if err := a.left(unix.Fchown(fd, int(e.UID), int(e.GID)), &a.done.LeftOwners); err != nil {
			return err
		}
	}
	if !mode {
		if err := unix.Fchmod(fd, e.Mode); err != nil {
			return err
		}
	}
	for _, x := range e.Xattrs {
		if err := a.left(unix.Fsetxattr(fd, x.Name, []byte(x.Value), 0), &a.done.LeftXattrs); err != nil {
			return err
		}
	}
	return nil
}

// left counts what this user may not do instead of failing, if so allowed.
// A file system without the attribute at all counts for everybody.
func (a *Applier) left(err error, count *int64) error {
	if err == nil {
		return nil
	}
	if a.opt.Unprivileged && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL)) || errors.Is(err, unix.ENOTSUP) {
		a.mu.Lock()
		*count++
		a.mu.Unlock()
		return nil
	}
	return err
}

func (a *Applier) hardlink(ctx context.Context, h *parent, name string, key uint64, e *layertar.Entry, mtime Time) error {
	if err := a.Wait(ctx); err != nil {
		return err
	}
	link := e.Link
	if a.upper != nil {
		if _, err := a.base.Lstat(link, InRoot); errors.Is(err, unix.ENOENT) {
			if link, err = a.bringUp(ctx, link, mtime); err != nil {
				return refused(e.Link, "hard link to what does not exist or is a directory")
			}
		}
	}
	fd, target, err := a.base.parent(link, InRoot)
	if err != nil {
		return refused(e.Link, "hard link to what does not exist")
	}
	defer unix.Close(fd)
	st, err := statFd(fd)
	if err != nil {
		return err
	}
	from := a.key(st.Ino, target)
	if from == key {
		return refused(e.Link, "hard link to itself")
	}
	if a.made[from] == madeNothing {
		a.made[key] = madeNothing
		return nil
	}
	a.made[key] = madeOther
	err = a.replaceable(ctx, h, name, func() error {
		return a.base.meter.link(func() error { return unix.Linkat(fd, target, h.fd, name, 0) })
	})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) {
		return refused(e.Link, "hard link to what does not exist or is a directory")
	}
	if err != nil {
		return err
	}
	return a.dressLinked(h, name, e, mtime)
}

// dressLinked gives the file what the entry of its further name says, which
// then holds for all names, as in moby. An archive of a real tree says the
// same in each. Attributes stay: such entries do not repeat them.
func (a *Applier) dressLinked(h *parent, name string, e *layertar.Entry, mtime Time) error {
	st, err := statAt(h.fd, name)
	if err != nil {
		return err
	}
	if a.keeper != nil {
		return a.keepLinked(h, name, e, &st, mtime)
	}
	if st.UID != e.UID || st.GID != e.GID {
		err := unix.Fchownat(h.fd, name, int(e.UID), int(e.GID), unix.AT_SYMLINK_NOFOLLOW)
		if err := a.left(err, &a.done.LeftOwners); err != nil {
			return err
		}
		st.Mode |= 0o7777 // chown takes set-id bits away
	}
	if st.Type() != unix.S_IFLNK && (st.Mode&0o7777 != e.Mode || len(e.Xattrs) > 0) {
		if err := a.nodeAttributes(h, name, e); err != nil {
			return err
		}
	}
	if st.Mtim == mtime || st.Type() == unix.S_IFLNK {
		return nil // a symlink keeps its own, in moby too
	}
	return setTimesAt(h.fd, name, mtime)
}

// node makes symlinks, devices and fifos.
func (a *Applier) node(ctx context.Context, h *parent, name string, key uint64, e *layertar.Entry, mtime Time) error {
	if a.upper != nil && e.Kind == layertar.Char && e.Major == 0 && e.Minor == 0 {
		return refused(e.Path, "a character device 0:0 would hide what lies beneath")
	}
	a.made[key] = madeOther
	if e.Kind == layertar.Symlink {
		a.done.Stored += int64(len(e.Link))
	}
	err := a.replaceable(ctx, h, name, func() error {
		return a.base.meter.create(int64(len(e.Link)), func() error { return a.mknod(h, name, e) })
	})
	if err != nil {
		return err
	}
	if a.keeper != nil {
		return a.keepNode(h, name, key, e, mtime)
	}
	return a.dressNode(h, name, e, mtime)
}

func (a *Applier) mknod(h *parent, name string, e *layertar.Entry) error {
	if a.keeper != nil && e.Kind != layertar.Symlink {
		return a.keeper.node(h.fd, name, wishOf(e, nodeTypes[e.Kind]))
	}
	switch e.Kind {
	case layertar.Symlink:
		return unix.Symlinkat(e.Link, h.fd, name)
	case layertar.Fifo:
		return unix.Mknodat(h.fd, name, unix.S_IFIFO|0o600, 0)
	case layertar.Char:
		return unix.Mknodat(h.fd, name, unix.S_IFCHR|0o600, int(unix.Mkdev(e.Major, e.Minor)))
	default:
		return unix.Mknodat(h.fd, name, unix.S_IFBLK|0o600, int(unix.Mkdev(e.Major, e.Minor)))
	}
}

func (a *Applier) dressNode(h *parent, name string, e *layertar.Entry, mtime Time) error {
	err := unix.Fchownat(h.fd, name, int(e.UID), int(e.GID), unix.AT_SYMLINK_NOFOLLOW)
	if err := a.left(err, &a.done.LeftOwners); err != nil {
		return err
	}
	if e.Kind != layertar.Symlink || len(e.Xattrs) > 0 {
		if err := a.nodeAttributes(h, name, e); err != nil {
			return err
		}
	}
	return setTimesAt(h.fd, name, mtime)
}

func (a *Applier) nodeAttributes(h *parent, name string, e *layertar.Entry) error {
	fd, err := openat2(h.fd, name, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if e.Kind != layertar.Symlink {
		if err := unix.Chmod(procPath(fd), e.Mode); err != nil {
			return err
		}
	}
	for _, x := range e.Xattrs {
		if err := a.left(unix.Setxattr(procPath(fd), x.Name, []byte(x.Value), 0), &a.done.LeftXattrs); err != nil {
			return err
		}
	}
	return nil
}

// job is one regular file to be written by a worker.
type job struct {
	h       *parent
	name    string
	e       *layertar.Entry
	path    string
	mtime   Time
	body    Payload
	aliased bool
}

func (a *Applier) file(ctx context.Context, h *parent, name string, e *layertar.Entry, p string, mtime Time, body Payload) (handed bool, err error) {
	j := &job{h: h, name: name, e: e, path: p, mtime: mtime, body: body, aliased: h.aliased}
	if body.Rest != nil {
		err := a.writeReplacing(j)
		if errors.Is(err, unix.EISDIR) {
			err = a.replaceable(ctx, h, name, func() error { return a.write(j) })
		}
		return false, err
	}
	a.hold(h)
	a.flying.Add(1)
	select {
	case a.jobs <- j:
		return true, nil
	case <-ctx.Done():
		a.flying.Done()
		a.release(h)
		return false, context.Cause(ctx)
	}
}

// work writes files until there are no more.
func (a *Applier) work() {
	defer a.workers.Done()
	for j := range a.jobs {
		if a.failed() == nil {
			err := a.writeReplacing(j)
			if errors.Is(err, unix.EISDIR) {
				a.mu.Lock()
				a.later = append(a.later, j)
				a.mu.Unlock()
				a.flying.Done()
				continue
			}
			if err != nil {
				a.fail(&entryError{name: j.e.Name, err: err})
			}
		}
		a.settle(j)
		a.flying.Done()
	}
}

// settle gives back what a job held.
func (a *Applier) settle(j *job) {
	if j.body.Done != nil {
		j.body.Done()
	}
	a.release(j.h)
}

// writeReplacing writes one file; a name that a lower layer has taken is
// cleared first. A directory is EISDIR.
func (a *Applier) writeReplacing(j *job) error {
	err := a.write(j)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	err = a.base.meter.unlink(j.h.fd, j.name, 0)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return a.write(j)
}

func (a *Applier) write(j *job) error {
	const flags = unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	own := j.e.UID == a.euid && j.e.GID == a.egid && j.h.mode.Load()&unix.S_ISGID == 0
	mode, right := a.createMode(j.h, j.e, own)
	fd, filling, err := a.base.meter.fill(j.e.Size, func() (int, error) { return unix.Openat(j.h.fd, j.name, flags, mode) })
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	defer filling.end(fd)
	if j.body.Rest != nil {
		err = copyTo(fd, j.body.Rest, j.e.Size)
	} else {
		err = writeAll(fd, j.body.Held)
	}
	if err != nil {
		return err
	}
	if a.keeper != nil {
		err = a.kept(fd, j.e, unix.S_IFREG, true)
	} else {
		err = a.attributes(fd, j.e, own, right)
	}
	if err != nil {
		return err
	}
	if j.aliased && j.e.Size > 0 {
		st, err := statFd(fd)
		if err != nil {
			return err
		}
		a.mu.Lock()
		a.recheck = append(a.recheck, aliasedFile{path: j.path, dev: st.Dev, ino: st.Ino})
		a.aliased += len(j.path) + aliasedSize
		many := a.aliased > mostAliased
		a.mu.Unlock()
		if many {
			return refused(j.path, "too many files of the layer lie beneath its own symlinks")
		}
	}
	return futimens(fd, timespec(j.mtime), timespec(j.mtime))
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func copyTo(fd int, r io.Reader, size int64) error {
	buf := make([]byte, 1<<20)
	var total int64
	for {
		n, err := r.Read(buf)
		if werr := writeAll(fd, buf[:n]); werr != nil {
			return werr
		}
		total += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if total != size {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// entryError names the entry that a writer failed at.
type entryError struct {
	name string
	err  error
}

func (e *entryError) Error() string { return "entry " + layertar.Shown(e.name) + ": " + e.err.Error() }
func (e *entryError) Unwrap() error { return e.err }
