package confine

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// veto may refuse the removal of one name; dirIno is its directory's inode.
type veto func(dirIno uint64, name string) error

// RemoveTree removes what lies at p and everything beneath it. Nothing there
// is ErrNotExist by errno. A last symlink is removed, not followed.
func (d *Dir) RemoveTree(ctx context.Context, p string) error {
	return d.withParent("remove", p, NoLinks, func(dirfd int, base string) error {
		return removeAt(ctx, dirfd, base, nil)
	})
}

// removeAt removes one name of a directory with all beneath it.
func removeAt(ctx context.Context, dirfd int, name string, may veto) error {
	var ino uint64
	if may != nil {
		st, err := statFd(dirfd)
		if err != nil {
			return err
		}
		ino = st.Ino
	}
	return removeName(ctx, dirfd, ino, name, may)
}

func removeName(ctx context.Context, dirfd int, dirIno uint64, name string, may veto) error {
	if may != nil {
		if err := may(dirIno, name); err != nil {
			return err
		}
	}
	err := unix.Unlinkat(dirfd, name, 0)
	if err == nil || !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		return err
	}
	if err := emptyDir(ctx, dirfd, name, may); err != nil {
		return err
	}
	return unix.Unlinkat(dirfd, name, unix.AT_REMOVEDIR)
}

func emptyDir(ctx context.Context, dirfd int, name string, may veto) error {
	fd, err := openDirAt(dirfd, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	names, err := readNames(fd)
	if err != nil {
		return err
	}
	var ino uint64
	if may != nil {
		st, err := statFd(fd)
		if err != nil {
			return err
		}
		ino = st.Ino
	}
	for _, n := range names {
		if err := removeName(ctx, fd, ino, n.name, may); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// openDirAt opens a directory to read it; an unreadable one that is ours is
// made readable first.
func openDirAt(dirfd int, name string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY
	fd, err := openat2(dirfd, name, flags|unix.O_NOFOLLOW, 0, NoLinks)
	if !errors.Is(err, unix.EACCES) {
		return fd, err
	}
	p, perr := openat2(dirfd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, NoLinks)
	if perr != nil {
		return -1, err
	}
	defer unix.Close(p)
	if unix.Chmod(procPath(p), 0o700) != nil {
		return -1, err
	}
	return openat2(dirfd, name, flags|unix.O_NOFOLLOW, 0, NoLinks)
}
