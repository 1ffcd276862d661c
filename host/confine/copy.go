package confine

import (
	"context"
	"errors"
	"path"
	"sync"

	"golang.org/x/sys/unix"
)

// copyWriters is how many files CopyTree writes at a time.
const copyWriters = 2

// CopyTree copies what lies at src to dst, which must not exist, or be an empty
// directory for a directory to fill; else EEXIST: content, owners, modes, times, attributes, link groups, devices.
// Data is shared where the file system can (reflink), never by hard links.
// The root's own attributes are copied too. It does not cross mounts. What from
// believes is copied as recorded; unprivileged records what cannot be made.
func CopyTree(ctx context.Context, from *Dir, src string, to *Dir, dst string, unprivileged bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &copier{
		ctx: ctx, cancel: cancel, rec: from.rec, keep: newKeeper(to, unprivileged), to: to,
		links: map[uint64]string{}, jobs: make(chan copyJob, 4*copyWriters),
	}
	for range copyWriters {
		c.workers.Add(1)
		go c.work()
	}
	err := c.tree(from, src, dst)
	close(c.jobs)
	c.workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	return c.finish()
}

type copier struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	rec     *records // of the original
	keep    *keeper  // of the copy
	to      *Dir
	links   map[uint64]string // inode to the path of its first copy
	dirs    []copiedDir
	late    []lateLink
	jobs    chan copyJob
	workers sync.WaitGroup
}

type copiedDir struct {
	path string
	st   Stat
}

type lateLink struct{ first, path string }

// sharedDir closes a directory when its last user is done.
type sharedDir struct {
	fd   int
	refs sync.WaitGroup
}

type copyJob struct {
	src, dst *sharedDir
	name     string
	st       Stat
}

func (c *copier) tree(from *Dir, src, dst string) error {
	sfd, err := from.open(src, unix.O_RDONLY|unix.O_DIRECTORY, 0, NoLinks)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return c.single(from, src, dst)
	}
	if err != nil {
		return err
	}
	if err := c.target(dst); err != nil {
		unix.Close(sfd)
		return err
	}
	dfd, err := c.to.open(dst, unix.O_RDONLY|unix.O_DIRECTORY, 0, NoLinks)
	if err != nil {
		unix.Close(sfd)
		return err
	}
	st, _, err := from.look(sfd, src, NoLinks)
	if err != nil {
		unix.Close(sfd)
		unix.Close(dfd)
		return err
	}
	return c.dir(&sharedDir{fd: sfd}, &sharedDir{fd: dfd}, dst, st, false)
}

// target makes the directory that is to be filled, or takes an empty one.
func (c *copier) target(dst string) error {
	err := c.to.Mkdir(dst, 0o700)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	fd, oerr := c.to.open(dst, unix.O_RDONLY|unix.O_DIRECTORY, 0, NoLinks)
	if oerr != nil {
		return err
	}
	defer unix.Close(fd)
	names, _, rerr := c.to.rec.names(fd)
	if rerr != nil {
		return rerr
	}
	if len(names) > 0 {
		return err
	}
	return nil
}

// single copies what is not a directory.
func (c *copier) single(from *Dir, src, dst string) error {
	sfd, sname, err := from.parent(src, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(sfd)
	return c.to.withParent("copy", dst, NoLinks, func(dfd int, dname string) error {
		fd, err := openat2(sfd, sname, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		st, link, err := from.look(fd, src, NoLinks)
		if err != nil {
			return err
		}
		if st.Type() == unix.S_IFREG {
			return c.file(sfd, sname, dfd, dname, &st)
		}
		return c.node(sfd, sname, dfd, dname, &st, link)
	})
}

// dir copies one directory; it owns both descriptors.
func (c *copier) dir(src, dst *sharedDir, p string, st Stat, fresh bool) error {
	defer func() {
		src.refs.Wait()
		unix.Close(src.fd)
		unix.Close(dst.fd)
	}()
	if err := c.dress(src.fd, dst.fd, &st, fresh); err != nil {
		return &PathError{Op: "copy", Path: p, Err: err}
	}
	c.dirs = append(c.dirs, copiedDir{path: p, st: st})
	names, links, err := c.rec.names(src.fd)
	if err != nil {
		return &PathError{Op: "read directory", Path: p, Err: err}
	}
	for _, n := range names {
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		if err := c.name(src, dst, links, n.name, path.Join(p, n.name)); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) name(src, dst *sharedDir, links linkRecords, name, p string) error {
	if len(p) > maxPath {
		return &PathError{Op: "copy", Path: p, Err: unix.ENAMETOOLONG}
	}
	st, err := statAt(src.fd, name)
	var link *linkRecord
	if err == nil {
		link, err = c.rec.show(src.fd, name, &st, links)
	}
	if err != nil {
		return &PathError{Op: "stat", Path: p, Err: err}
	}
	if st.Type() != unix.S_IFDIR && st.Nlink > 1 {
		if first, ok := c.links[st.Ino]; ok {
			c.late = append(c.late, lateLink{first: first, path: p})
			return nil
		}
		c.links[st.Ino] = p
	}
	switch st.Type() {
	case unix.S_IFDIR:
		sub, err := openDirAt(src.fd, name)
		if err != nil {
			return &PathError{Op: "open", Path: p, Err: err}
		}
		if err := c.to.meter.create(block, func() error { return unix.Mkdirat(dst.fd, name, 0o700) }); err != nil {
			unix.Close(sub)
			return &PathError{Op: "make directory", Path: p, Err: err}
		}
		dfd, err := openDirAt(dst.fd, name)
		if err != nil {
			unix.Close(sub)
			return &PathError{Op: "open", Path: p, Err: err}
		}
		return c.dir(&sharedDir{fd: sub}, &sharedDir{fd: dfd}, p, st, true)
	case unix.S_IFREG:
		src.refs.Add(1)
		select {
		case c.jobs <- copyJob{src: src, dst: dst, name: name, st: st}:
			return nil
		case <-c.ctx.Done():
			src.refs.Done()
			return context.Cause(c.ctx)
		}
	}
	if err := c.node(src.fd, name, dst.fd, name, &st, link); err != nil {
		return &PathError{Op: "copy", Path: p, Err: err}
	}
	return nil
}

func (c *copier) work() {
	defer c.workers.Done()
	for j := range c.jobs {
		if c.ctx.Err() == nil {
			if err := c.file(j.src.fd, j.name, j.dst.fd, j.name, &j.st); err != nil {
				c.cancel(&PathError{Op: "copy", Path: j.name, Err: err})
			}
		}
		j.src.refs.Done()
	}
}

// finish makes the further names of files with several, then sets the times
// of directories, which all of this has changed.
func (c *copier) finish() error {
	to := *c.to
	if c.keep != nil {
		to.rec = c.keep.rec
	}
	for _, l := range c.late {
		if err := to.Link(l.first, l.path, NoLinks); err != nil {
			return err
		}
	}
	for _, d := range c.dirs {
		fd, err := c.to.open(d.path, unix.O_RDONLY|unix.O_DIRECTORY, 0, NoLinks)
		if err != nil {
			return err
		}
		err = futimens(fd, timespec(d.st.Atim), timespec(d.st.Mtim))
		unix.Close(fd)
		if err != nil {
			return &PathError{Op: "set times of", Path: d.path, Err: err}
		}
	}
	return nil
}

func (c *copier) file(srcDir int, from string, dstDir int, name string, st *Stat) error {
	sfd, err := openRegularAt(srcDir, from)
	if err != nil {
		return err
	}
	defer unix.Close(sfd)
	dfd, filling, err := c.to.meter.fill(st.Size, func() (int, error) {
		return unix.Openat(dstDir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return err
	}
	defer unix.Close(dfd)
	defer filling.end(dfd)
	if err := copyData(dfd, sfd, st.Size); err != nil {
		return err
	}
	if err := c.dress(sfd, dfd, st, true); err != nil {
		return err
	}
	return futimens(dfd, timespec(st.Atim), timespec(st.Mtim))
}

// dress gives an open copy its original's owner, mode and attributes.
func (c *copier) dress(sfd, dfd int, st *Stat, fresh bool) error {
	if c.keep == nil {
		if err := unix.Fchown(dfd, int(st.UID), int(st.GID)); err != nil {
			return err
		}
		if err := unix.Fchmod(dfd, st.Mode&0o7777); err != nil {
			return err
		}
	}
	n, err := unix.Flistxattr(sfd, nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && n == 0 {
		n, err = 0, nil
	}
	if err != nil || n == 0 && c.keep == nil {
		return err
	}
	attrs, err := c.rec.xattrs(sfd, nil)
	if err != nil {
		return err
	}
	if c.keep != nil {
		_, err := c.keep.inode(dfd, &wish{Stat: *st, xattrs: attrs, fresh: fresh})
		return err
	}
	for _, x := range attrs {
		if err := unix.Fsetxattr(dfd, x.Name, []byte(x.Value), 0); err != nil {
			return err
		}
	}
	return nil
}

// node copies a symlink, device, fifo or socket. link is what is recorded of a
// symlink.
func (c *copier) node(srcDir int, from string, dstDir int, name string, st *Stat, link *linkRecord) error {
	sfd, err := openat2(srcDir, from, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(sfd)
	attrs, err := c.rec.xattrs(sfd, link)
	if err != nil {
		return err
	}
	w := &wish{Stat: *st, xattrs: attrs, fresh: true}
	if st.Type() == unix.S_IFLNK {
		err = c.symlink(sfd, dstDir, name, w)
	} else {
		err = c.special(dstDir, name, w)
	}
	if err != nil {
		return err
	}
	return setTimesAt(dstDir, name, st.Mtim)
}

func (c *copier) symlink(sfd, dstDir int, name string, w *wish) error {
	target, err := readlinkFd(sfd)
	if err != nil {
		return err
	}
	if err := c.to.meter.create(int64(len(target)), func() error { return unix.Symlinkat(target, dstDir, name) }); err != nil {
		return err
	}
	if c.keep != nil {
		_, err := c.keep.link(dstDir, name, target, w)
		return err
	}
	return plainNode(dstDir, name, w)
}

func (c *copier) special(dstDir int, name string, w *wish) error {
	if c.keep == nil {
		if err := c.to.meter.create(0, func() error { return unix.Mknodat(dstDir, name, w.Mode, int(w.Rdev)) }); err != nil {
			return err
		}
		return plainNode(dstDir, name, w)
	}
	if err := c.to.meter.create(0, func() error { return c.keep.node(dstDir, name, w) }); err != nil {
		return err
	}
	fd, err := openat2(dstDir, name, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = c.keep.inode(fd, w)
	return err
}

// plainNode gives a copied name what it is to have where nothing is recorded.
func plainNode(dstDir int, name string, w *wish) error {
	if err := unix.Fchownat(dstDir, name, int(w.UID), int(w.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	fd, err := openat2(dstDir, name, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if w.Type() != unix.S_IFLNK {
		if err := unix.Chmod(procPath(fd), w.Mode&0o7777); err != nil {
			return err
		}
	}
	for _, x := range w.xattrs {
		if err := unix.Setxattr(procPath(fd), x.Name, []byte(x.Value), 0); err != nil {
			return err
		}
	}
	return nil
}
