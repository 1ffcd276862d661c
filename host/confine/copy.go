package confine

import (
	"context"
	"errors"
	"io"
	"path"
	"sync"

	"golang.org/x/sys/unix"
)

// copyWriters is how many files CopyTree writes at a time.
const copyWriters = 2

// CopyTree copies what lies at src to dst, which must not exist, or be an empty
// directory for a directory to fill; else EEXIST: content, owners, modes, times, attributes, link groups, devices.
// Data is shared where the file system can (reflink), never by hard links.
// The root's own attributes are copied too. It does not cross mounts.
func CopyTree(ctx context.Context, from *Dir, src string, to *Dir, dst string, unprivileged bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &copier{ctx: ctx, cancel: cancel, unprivileged: unprivileged, links: map[uint64]string{}, to: to, jobs: make(chan copyJob, 4*copyWriters)}
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
	ctx          context.Context
	cancel       context.CancelCauseFunc
	unprivileged bool
	to           *Dir
	links        map[uint64]string // inode to the path of its first copy
	dirs         []copiedDir
	late         []lateLink
	jobs         chan copyJob
	workers      sync.WaitGroup
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
	st, err := statFd(sfd)
	if err != nil {
		unix.Close(sfd)
		unix.Close(dfd)
		return err
	}
	return c.dir(&sharedDir{fd: sfd}, &sharedDir{fd: dfd}, dst, st)
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
	names, rerr := readNames(fd)
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
		st, err := statAt(sfd, sname)
		if err != nil {
			return err
		}
		if st.Type() == unix.S_IFREG {
			return copyFile(sfd, sname, dfd, dname, &st, c.unprivileged)
		}
		return copyNode(sfd, sname, dfd, dname, &st, c.unprivileged)
	})
}

// dir copies one directory; it owns both descriptors.
func (c *copier) dir(src, dst *sharedDir, p string, st Stat) error {
	defer func() {
		src.refs.Wait()
		unix.Close(src.fd)
		unix.Close(dst.fd)
	}()
	if err := dressCopy(src.fd, dst.fd, &st, c.unprivileged, false); err != nil {
		return &PathError{Op: "copy", Path: p, Err: err}
	}
	c.dirs = append(c.dirs, copiedDir{path: p, st: st})
	names, err := readNames(src.fd)
	if err != nil {
		return &PathError{Op: "read directory", Path: p, Err: err}
	}
	for _, n := range names {
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		if err := c.name(src, dst, n.name, path.Join(p, n.name)); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) name(src, dst *sharedDir, name, p string) error {
	if len(p) > maxPath {
		return &PathError{Op: "copy", Path: p, Err: unix.ENAMETOOLONG}
	}
	st, err := statAt(src.fd, name)
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
		if err := unix.Mkdirat(dst.fd, name, 0o700); err != nil {
			unix.Close(sub)
			return &PathError{Op: "make directory", Path: p, Err: err}
		}
		dfd, err := openDirAt(dst.fd, name)
		if err != nil {
			unix.Close(sub)
			return &PathError{Op: "open", Path: p, Err: err}
		}
		return c.dir(&sharedDir{fd: sub}, &sharedDir{fd: dfd}, p, st)
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
	if err := copyNode(src.fd, name, dst.fd, name, &st, c.unprivileged); err != nil {
		return &PathError{Op: "copy", Path: p, Err: err}
	}
	return nil
}

func (c *copier) work() {
	defer c.workers.Done()
	for j := range c.jobs {
		if c.ctx.Err() == nil {
			if err := copyFile(j.src.fd, j.name, j.dst.fd, j.name, &j.st, c.unprivileged); err != nil {
				c.cancel(&PathError{Op: "copy", Path: j.name, Err: err})
			}
		}
		j.src.refs.Done()
	}
}

// finish makes the further names of files with several, then sets the times
// of directories, which all of this has changed.
func (c *copier) finish() error {
	for _, l := range c.late {
		if err := c.to.Link(l.first, l.path, NoLinks); err != nil {
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

func copyFile(srcDir int, from string, dstDir int, name string, st *Stat, unprivileged bool) error {
	sfd, err := openRegularAt(srcDir, from)
	if err != nil {
		return err
	}
	defer unix.Close(sfd)
	dfd, err := unix.Openat(dstDir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(dfd)
	if err := copyData(dfd, sfd, st.Size); err != nil {
		return err
	}
	if err := dressCopy(sfd, dfd, st, unprivileged, true); err != nil {
		return err
	}
	return futimens(dfd, timespec(st.Atim), timespec(st.Mtim))
}

// copyData shares the data where the file system can, lets the kernel copy it
// where it cannot, and copies by hand as the last resort.
func copyData(dfd, sfd int, size int64) error {
	if size == 0 {
		return nil
	}
	if unix.IoctlFileClone(dfd, sfd) == nil {
		return nil
	}
	for left := size; left > 0; {
		n, err := unix.CopyFileRange(sfd, nil, dfd, nil, int(min(left, 1<<30)), 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil && left == size {
			return copyTo(dfd, fdReader(sfd), size)
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		left -= int64(n)
	}
	return nil
}

type fdReader int

func (r fdReader) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(int(r), p)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// dressCopy gives an open copy its original's owner, mode and attributes.
func dressCopy(sfd, dfd int, st *Stat, unprivileged, file bool) error {
	if err := unix.Fchown(dfd, int(st.UID), int(st.GID)); err != nil && !(unprivileged && errors.Is(err, unix.EPERM)) {
		return err
	}
	if err := unix.Fchmod(dfd, st.Mode&0o7777); err != nil {
		return err
	}
	n, err := unix.Flistxattr(sfd, nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && n == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	attrs, err := xattrsOf(procPath(sfd))
	if err != nil {
		return err
	}
	for _, x := range attrs {
		err := unix.Fsetxattr(dfd, x.Name, []byte(x.Value), 0)
		if err != nil && !(unprivileged && errors.Is(err, unix.EPERM)) {
			return err
		}
	}
	return nil
}

// copyNode copies a symlink, device, fifo or socket.
func copyNode(srcDir int, from string, dstDir int, name string, st *Stat, unprivileged bool) error {
	sfd, err := openat2(srcDir, from, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(sfd)
	if st.Type() == unix.S_IFLNK {
		target, err := readlinkFd(sfd)
		if err != nil {
			return err
		}
		err = unix.Symlinkat(target, dstDir, name)
		if err != nil {
			return err
		}
	} else if err := unix.Mknodat(dstDir, name, st.Mode, int(st.Rdev)); err != nil {
		return err
	}
	if err := unix.Fchownat(dstDir, name, int(st.UID), int(st.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil && !(unprivileged && errors.Is(err, unix.EPERM)) {
		return err
	}
	dfd, err := openat2(dstDir, name, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return err
	}
	defer unix.Close(dfd)
	if st.Type() != unix.S_IFLNK {
		if err := unix.Chmod(procPath(dfd), st.Mode&0o7777); err != nil {
			return err
		}
	}
	attrs, err := xattrsOf(procPath(sfd))
	if err != nil {
		return err
	}
	for _, x := range attrs {
		if err := unix.Setxattr(procPath(dfd), x.Name, []byte(x.Value), 0); err != nil && !(unprivileged && errors.Is(err, unix.EPERM)) {
			return err
		}
	}
	return setTimesAt(dstDir, name, st.Mtim)
}

func readlinkFd(fd int) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}
