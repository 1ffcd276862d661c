package confine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// openRegularAt opens one name for reading if, and only if, it is a regular
// file: it is looked at through an O_PATH descriptor, and then that very
// descriptor is opened, so that no device or fifo is ever touched.
func openRegularAt(dirfd int, name string) (int, error) {
	fd, err := openat2(dirfd, name, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	return reopenRegular(fd)
}

func reopenRegular(fd int) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return -1, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return -1, unix.EISDIR
	case unix.S_IFLNK:
		return -1, unix.ELOOP
	default:
		return -1, unix.EINVAL
	}
	return unix.Open(procPath(fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
}

// ErrNotRegular: there is something else than a regular file.
var ErrNotRegular = errors.New("not a regular file")

// OpenRegular opens a regular file for reading.
func (d *Dir) OpenRegular(p string, how How) (*os.File, error) {
	fd, err := d.open(p, unix.O_PATH|unix.O_NOFOLLOW, 0, how)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	file := -1
	held := d.rec.regular(fd)
	if err = held; err == nil {
		file, err = reopenRegular(fd)
	}
	if st, serr := statFd(fd); err != nil && serr == nil && (st.Type() != unix.S_IFREG || errors.Is(held, unix.EINVAL)) {
		return nil, &PathError{Op: "open", Path: p, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, &PathError{Op: "open", Path: p, Err: err}
	}
	return os.NewFile(uintptr(file), p), nil
}

// EqualFiles compares the content of two regular files, or the targets of two
// symlinks. Two of different types are not equal; anything else is an error.
func EqualFiles(ctx context.Context, ta Tree, pa string, tb Tree, pb string, bufs *[2][]byte) (bool, error) {
	a, err := ta.at(pa)
	if err != nil {
		return false, err
	}
	b, err := tb.at(pb)
	if err != nil {
		return false, err
	}
	fa, err := a.openRegularFd(pa)
	if isErrno(err, unix.ELOOP) {
		return equalLinks(a, pa, b, pb)
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(fa)
	fb, err := b.openRegularFd(pb)
	if isErrno(err, unix.ELOOP) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(fb)
	for {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		na, ea := io.ReadFull(fdReader(fa), bufs[0])
		nb, eb := io.ReadFull(fdReader(fb), bufs[1])
		if na != nb || !bytes.Equal(bufs[0][:na], bufs[1][:nb]) {
			return false, nil
		}
		if end(ea) && end(eb) {
			return true, nil
		}
		if ea != nil && !end(ea) {
			return false, &PathError{Op: "read", Path: pa, Err: ea}
		}
		if eb != nil && !end(eb) {
			return false, &PathError{Op: "read", Path: pb, Err: eb}
		}
	}
}

func equalLinks(a *Dir, pa string, b *Dir, pb string) (bool, error) {
	ta, err := a.Readlink(pa, NoLinks)
	if err != nil {
		return false, err
	}
	tb, err := b.Readlink(pb, NoLinks)
	if isErrno(err, unix.EINVAL) {
		return false, nil
	}
	return ta == tb && err == nil, err
}

func end(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

func (d *Dir) openRegularFd(p string) (int, error) {
	fd, err := d.open(p, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	file := -1
	if err = d.rec.regular(fd); err == nil {
		file, err = reopenRegular(fd)
	}
	if err != nil {
		return -1, &PathError{Op: "open", Path: p, Err: err}
	}
	return file, nil
}

// Usage is the size in bytes of all that is not a directory beneath p, each
// inode once: how moby sizes a directory.
func (d *Dir) Usage(ctx context.Context, p string) (int64, error) {
	fd, err := d.open(p, unix.O_RDONLY|unix.O_DIRECTORY, 0, NoLinks)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return usage(ctx, d.rec, fd, 0, map[uint64]struct{}{})
}

// maxDepth is how deep a tree is followed, each directory holding descriptors:
// deeper than any path can name.
const maxDepth = 2048

func usage(ctx context.Context, rec *records, fd, depth int, seen map[uint64]struct{}) (int64, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if depth > maxDepth {
		return 0, unix.ENAMETOOLONG
	}
	names, err := readNames(fd)
	if err != nil {
		return 0, err
	}
	if rec != nil {
		names, _ = withoutLinkFile(names)
	}
	var total int64
	for _, n := range names {
		st, err := statAt(fd, n.name)
		if err == unix.ENOENT {
			continue
		}
		if err != nil {
			return 0, err
		}
		if st.Type() != unix.S_IFDIR {
			if _, twice := seen[st.Ino]; twice {
				continue
			}
			if st.Nlink > 1 {
				seen[st.Ino] = struct{}{}
			}
			total += st.Size
			continue
		}
		sub, err := openDirAt(fd, n.name)
		if err != nil {
			return 0, err
		}
		size, err := usage(ctx, rec, sub, depth+1, seen)
		unix.Close(sub)
		if err != nil {
			return 0, err
		}
		total += size
	}
	return total, nil
}
